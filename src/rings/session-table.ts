/**
 * The table of key slots in shared memory, with a replay window behind them for each. A slot lives free → ready → retired →
 * (acknowledged by every user) → zeroed → free; `generation` goes up with each life, so that a cached cipher context of an
 * earlier life is never used again. Columns and writers in `contract/`.
 */
import { assert } from '../base/assert.ts';
import { session } from '../contract/peer-tables.ts';
import { RowTable } from './table.ts';

const sessionRows = {
  magic: session.magic,
  magicAt: session.magicAt,
  rowsAt: session.slotsAt,
  dataAt: session.dataAt,
  rowBytes: session.slotBytes,
  versionAt: session.versionAt,
  usedAt: session.usedAt,
} as const;

/** What a typed array reaches in Node 20. */
const mostViewBytes = 2 ** 32;

/** `windowBits`: size of the replay bitmap, a multiple of 64; the window is 64 shorter (RFC 6479). Throws RangeError when that is too much. */
export function createSessionMemory(slots: number, windowBits: number): SharedArrayBuffer {
  assert(windowBits >= 128 && windowBits % 64 === 0, `replay window of ${windowBits} bits`);
  const bytes = session.dataAt + slots * (session.slotBytes + windowBits / 8);
  if (bytes >= mostViewBytes) throw new RangeError(`a session table of ${bytes} bytes`);
  const memory = new SharedArrayBuffer(bytes);
  const words = new Int32Array(memory);
  words[session.magicAt >> 2] = session.magic;
  words[session.slotsAt >> 2] = slots;
  words[session.windowBitsAt >> 2] = windowBits;
  return memory;
}

export class SessionTable extends RowTable {
  readonly windowBytes: number;
  readonly #header: Int32Array;

  constructor(memory: SharedArrayBuffer) {
    super(memory, sessionRows);
    this.#header = new Int32Array(memory, 0, session.dataAt >> 2);
    this.windowBytes = (this.#header[session.windowBitsAt >> 2] as number) / 8;
  }

  /** A u64 cell as a number: counters stay below 2^53 for longer than keys live. */
  wide(slot: number, column: number): number {
    return (this.int(slot, column) >>> 0) + (this.int(slot, column + 4) >>> 0) * 2 ** 32;
  }

  /** A user's word that it has seen `version` and holds nothing of older slots. `userAt` is one of `session.…SeenAt`, of the user's shard. */
  acknowledge(userAt: number, version: number, shard = 0): void {
    Atomics.store(this.#header, (userAt >> 2) + shard, version);
  }

  acknowledged(userAt: number, shard = 0): number {
    return Atomics.load(this.#header, (userAt >> 2) + shard);
  }

  /** Zeroes everything of a slot but its generation, which goes up; and what was written of its replay window: the rest takes no memory. */
  wipe(slot: number): void {
    const generation = this.int(slot, session.generationAt);
    const windowBytes = Math.min(this.windowBytes, Math.ceil(this.#windowedCounters(slot) / 64) * 8);
    this.clear(slot);
    this.setInt(slot, session.generationAt, (generation + 1) | 0);
    const windowAt = session.dataAt + this.rows * session.slotBytes + slot * this.windowBytes;
    this.bytes.fill(0, windowAt, windowAt + windowBytes);
  }

  /** How many counters, from 0 on, the window behind the table may tell of: none while the slot's own serves (native/sys/session_replay.h). */
  #windowedCounters(slot: number): number {
    const next = this.wide(slot, session.receiveNextAt);
    const isEarly = next <= 8 * session.earlyWindowBytes - 64 && this.windowBytes > session.earlyWindowBytes;
    return isEarly ? 0 : next;
  }
}
