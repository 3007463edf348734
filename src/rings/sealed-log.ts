/** Makes the memory of the sealed log: the circular arena that the sealer fills and the links send from (`contract/`). */
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
