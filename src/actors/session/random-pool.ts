/** Random bytes by the handful: one call to OpenSSL fills what hundreds of cookie replies use. Every byte is handed out once. */
import { randomFillSync } from 'node:crypto';

const poolBytes = 16_384;

export class RandomPool {
  #bytes = new Uint8Array(0);
  #at = 0;

  /** `length` fresh bytes; they belong to the caller. */
  take(length: number): Uint8Array {
    if (this.#at + length > this.#bytes.length) {
      this.#bytes = randomFillSync(new Uint8Array(poolBytes));
      this.#at = 0;
    }
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }
}
