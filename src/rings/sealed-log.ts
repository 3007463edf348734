/** The sealed log: the circular arena that the sealer fills and the links send from (`contract/`). The addon reads it too (`native/sys/tables.h`). */
import { assert } from '../base/assert.ts';
import { log } from '../contract/rings.ts';

/** `capacityBytes` is a power of two of at least 1 MiB. */
export function createSealedLogMemory(capacityBytes: number): SharedArrayBuffer {
  assert(
    capacityBytes >= 1 << 20 && (capacityBytes & (capacityBytes - 1)) === 0,
    `sealed log of ${capacityBytes} bytes`,
  );
  const memory = new SharedArrayBuffer(log.dataAt + capacityBytes);
  const words = new Int32Array(memory);
  words[log.magicAt >> 2] = log.magic;
  words[log.capacityAt >> 2] = capacityBytes;
  return memory;
}

/** For carriers that send from TypeScript. */
export class SealedLogReader {
  readonly #bytes: Uint8Array;
  readonly #words: Int32Array;
  readonly #units: number;

  constructor(memory: SharedArrayBuffer) {
    this.#bytes = new Uint8Array(memory);
    this.#words = new Int32Array(memory, 0, log.dataAt >> 2);
    assert(this.#words[log.magicAt >> 2] === log.magic, 'not the memory of a sealed log');
    this.#units = (this.#words[log.capacityAt >> 2] as number) / log.unitBytes;
  }

  /** Whether the bytes from `position` on are still those that were sealed there. */
  holds(position: number): boolean {
    return (Atomics.load(this.#words, log.reservedAt >> 2) - position) >>> 0 <= this.#units;
  }

  /** Copies `length` bytes that begin `skip` behind `position`; false when they were overwritten, before or meanwhile. */
  copy(position: number, skip: number, length: number, target: Uint8Array, at: number): boolean {
    if (!this.holds(position)) return false;
    const from = log.dataAt + ((position >>> 0) % this.#units) * log.unitBytes + skip;
    target.set(this.#bytes.subarray(from, from + length), at);
    return this.holds(position);
  }
}
