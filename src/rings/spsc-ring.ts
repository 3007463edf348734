/**
 * A single-producer single-consumer ring of variable-length records in shared memory; the layout and its map are in
 * `contract/`, and the addon drives either side of the same memory (`native/sys/ring.h`).
 *
 * The producer claims space, writes, commits, and publishes: the store of `tail` in `publish` makes every record before it
 * visible. The consumer peeks, reads, advances, and releases: the store of `head` in `release` makes the space reusable.
 * A producer that dies before publish leaves nothing; a consumer that dies before release sees its records again.
 * Positions are byte counts modulo 2^32; they index through `& mask` and compare by subtraction.
 */
import { assert } from '../base/assert.ts';
import { ring } from '../contract/rings.ts';
import type { Doorbell } from './doorbell.ts';

const header = ring.recordHeaderBytes;
/** Consumers that may die on one record before it is skipped: a poison packet never becomes a process exit. */
const crashesToPoison = 2;
/** What is kept of a record that is skipped: headers, and enough of what follows them. */
const keptPoisonBytes = 256;

/** Makes the memory of a ring. `capacityBytes` is a power of two of at least 4096. */
export function createRingMemory(capacityBytes: number): SharedArrayBuffer {
  assert(capacityBytes >= 4096 && (capacityBytes & (capacityBytes - 1)) === 0, `ring capacity ${capacityBytes}`);
  const memory = new SharedArrayBuffer(ring.dataAt + capacityBytes);
  const words = new Int32Array(memory);
  words[ring.magicAt >> 2] = ring.magic;
  words[ring.capacityAt >> 2] = capacityBytes;
  return memory;
}

/** A record that will be skipped, as the supervisor keeps it for whoever looks for the bug. */
export interface PoisonRecord {
  readonly type: number;
  readonly lengthBytes: number;
  /** A copy of its beginning. */
  readonly head: Uint8Array;
}

/**
 * The record that the next consumer will skip, because the last one died on it as did one before. Between the death of a consumer
 * and the start of its successor only: nobody moves the cursors then, and no producer may reuse the record's space.
 */
export function findPoison(memory: SharedArrayBuffer): PoisonRecord | undefined {
  const words = new Int32Array(memory, 0, ring.dataAt >> 2);
  const working = words[ring.workingAt >> 2] as number;
  const isSuspect = words[ring.suspectAt >> 2] === working;
  const crashes = isSuspect ? (words[ring.crashesAt >> 2] as number) + 1 : 1;
  if (words[ring.busyAt >> 2] === 0 || crashes < crashesToPoison) return undefined;
  const at = ring.dataAt + (working & ((words[ring.capacityAt >> 2] as number) - 1));
  const [lengthBytes = 0, type = 0] = new Int32Array(memory, at, 2);
  const kept = Math.min(lengthBytes, keptPoisonBytes, memory.byteLength - at - header);
  return { type, lengthBytes, head: Uint8Array.from(new Uint8Array(memory, at + header, Math.max(0, kept))) };
}

function alignRecord(lengthBytes: number): number {
  return (lengthBytes + header + 7) & ~7;
}

/** What both ends hold: views of the memory, and its capacity. */
class RingEnd {
  /** The data area; offsets returned by `claim` and `peek` index it. */
  readonly bytes: Uint8Array;
  readonly view: DataView;
  protected readonly words: Int32Array;
  protected readonly records: Int32Array;
  protected readonly capacity: number;
  protected readonly mask: number;

  constructor(memory: SharedArrayBuffer) {
    this.words = new Int32Array(memory, 0, ring.dataAt >> 2);
    assert(this.words[ring.magicAt >> 2] === ring.magic, 'not the memory of a ring');
    this.capacity = this.words[ring.capacityAt >> 2] as number;
    this.mask = this.capacity - 1;
    this.records = new Int32Array(memory, ring.dataAt, this.capacity >> 2);
    this.bytes = new Uint8Array(memory, ring.dataAt, this.capacity);
    this.view = new DataView(memory, ring.dataAt, this.capacity);
  }
}

export class RingProducer extends RingEnd {
  readonly #doorbell: Doorbell;
  #tail: number;
  /** The consumer's cursor as last seen: re-read only when the ring looks full. */
  #head: number;
  #committed = 0;

  constructor(memory: SharedArrayBuffer, doorbell: Doorbell) {
    super(memory);
    this.#doorbell = doorbell;
    this.#tail = Atomics.load(this.words, ring.tailAt >> 2);
    this.#head = Atomics.load(this.words, ring.headAt >> 2);
  }

  /**
   * Offset of `lengthBytes` of contiguous payload to write, or -1 when the ring is full. Claim again to replace a claim. A record
   * may take half of the ring at most: a longer one fits an empty ring or does not, as the cursors happen to stand.
   */
  claim(lengthBytes: number): number {
    const needed = alignRecord(lengthBytes);
    if (needed << 1 > this.capacity) assert(false, `a record of ${lengthBytes} bytes in a ring of ${this.capacity}`);
    const index = this.#tail & this.mask;
    const toEnd = this.capacity - index;
    const total = needed <= toEnd ? needed : toEnd + needed;
    if (!this.#hasRoom(total)) return -1;
    if (needed <= toEnd) return index + header;
    this.records[index >> 2] = toEnd - header;
    this.records[(index >> 2) + 1] = ring.paddingType;
    this.#tail = (this.#tail + toEnd) | 0;
    return (this.#tail & this.mask) + header;
  }

  /** Ends the record that was claimed last, of the `lengthBytes` it really has. Not visible before `publish`. */
  commit(lengthBytes: number, type: number): void {
    const index = this.#tail & this.mask;
    this.records[index >> 2] = lengthBytes;
    this.records[(index >> 2) + 1] = type;
    this.#tail = (this.#tail + alignRecord(lengthBytes)) | 0;
    this.#committed += 1;
  }

  /** Makes all committed records visible, and wakes the consumer if it is parked. */
  publish(): void {
    if (this.#committed === 0) return;
    this.words[ring.publishedAt >> 2] = ((this.words[ring.publishedAt >> 2] as number) + this.#committed) | 0;
    this.#committed = 0;
    Atomics.store(this.words, ring.tailAt >> 2, this.#tail);
    this.#doorbell.wake();
  }

  /** Copies one record in and publishes it: for callers off the packet path. False when full. */
  offer(payload: Uint8Array, type: number): boolean {
    const at = this.claim(payload.length);
    if (at < 0) return false;
    this.bytes.set(payload, at);
    this.commit(payload.length, type);
    this.publish();
    return true;
  }

  /** Bytes published or committed and not yet released. */
  usedBytes(): number {
    return (this.#tail - Atomics.load(this.words, ring.headAt >> 2)) | 0;
  }

  #hasRoom(totalBytes: number): boolean {
    if (((this.#tail - this.#head) | 0) + totalBytes <= this.capacity) return true;
    this.#head = Atomics.load(this.words, ring.headAt >> 2);
    if (((this.#tail - this.#head) | 0) + totalBytes <= this.capacity) return true;
    this.words[ring.fullAt >> 2] = ((this.words[ring.fullAt >> 2] as number) + 1) | 0;
    return false;
  }
}

export class RingConsumer extends RingEnd {
  /** Payload bytes and type of the record that `peek` found. */
  length = 0;
  type = 0;
  #head: number;
  #released: number;
  #tail: number;
  #poisonAt = 0;
  #hasPoison = false;

  constructor(memory: SharedArrayBuffer) {
    super(memory);
    this.#head = Atomics.load(this.words, ring.headAt >> 2);
    this.#released = this.#head;
    this.#tail = Atomics.load(this.words, ring.tailAt >> 2);
    this.#blame();
  }

  /** Offset of the next record's payload, or -1 when there is none; sets `length` and `type`. */
  peek(): number {
    for (;;) {
      if (this.#head === this.#tail) {
        this.#tail = Atomics.load(this.words, ring.tailAt >> 2);
        if (this.#head === this.#tail) return -1;
      }
      const index = this.#head & this.mask;
      this.length = this.records[index >> 2] as number;
      this.type = this.records[(index >> 2) + 1] as number;
      if (this.type === ring.paddingType) {
        this.#head = (this.#head + this.length + header) | 0;
      } else if (this.#hasPoison && this.#head === this.#poisonAt) {
        this.#hasPoison = false;
        this.words[ring.poisonedAt >> 2] = (this.words[ring.poisonedAt >> 2] as number) + 1;
        this.advance();
      } else {
        return index + header;
      }
    }
  }

  /** Steps past the record that `peek` found; its bytes stay valid until `release`. */
  advance(): void {
    this.#head = (this.#head + alignRecord(this.length)) | 0;
  }

  /** Gives the space of all records passed back to the producer. */
  release(): void {
    this.releaseTo(this.#head);
  }

  /** How far `advance` has come: for `releaseTo`, by whoever passes records before those in front of them are done. */
  get passed(): number {
    return this.#head;
  }

  /** The same of those that lie before `passed`, as it was once. */
  releaseTo(passed: number): void {
    if (passed === this.#released) return;
    this.#released = passed;
    Atomics.store(this.words, ring.headAt >> 2, passed);
  }

  /** Says that the record `peek` found is being worked on, so that a successor knows where this consumer died. */
  begin(): void {
    this.words[ring.workingAt >> 2] = this.#head;
    this.words[ring.busyAt >> 2] = 1;
  }

  /** The work that `begin` announced is over. */
  end(): void {
    this.words[ring.busyAt >> 2] = 0;
  }

  /** Bytes that wait. */
  usedBytes(): number {
    return (Atomics.load(this.words, ring.tailAt >> 2) - this.#head) | 0;
  }

  /** Blames the record a predecessor died on; at its second victim it is passed over when its turn comes. */
  #blame(): void {
    if (this.words[ring.busyAt >> 2] === 0) return;
    this.words[ring.busyAt >> 2] = 0;
    const working = this.words[ring.workingAt >> 2] as number;
    const same = this.words[ring.suspectAt >> 2] === working;
    const crashes = same ? (this.words[ring.crashesAt >> 2] as number) + 1 : 1;
    this.words[ring.suspectAt >> 2] = working;
    this.words[ring.crashesAt >> 2] = crashes;
    if (crashes < crashesToPoison) return;
    this.words[ring.crashesAt >> 2] = 0;
    this.#poisonAt = working;
    this.#hasPoison = true;
  }
}
