/** How often somebody may be wrong: a bucket of attempts for each address, or for the /64 of one of IPv6. Pure; the clock is an argument. */
import { isIPv6 } from 'node:net';

interface Bucket {
  left: number;
  atMs: number;
}

const mostAddresses = 1024;

export class AttemptLimit {
  readonly #burst: number;
  readonly #everyMs: number;
  /** The longest unused first. */
  readonly #buckets = new Map<string, Bucket>();

  /** So many at once, and another one after `everyMs`. */
  constructor(burst: number, everyMs: number) {
    this.#burst = burst;
    this.#everyMs = everyMs;
  }

  /** 0 = may try; else milliseconds until it may. */
  waitMs(address: string, nowMs: number): number {
    const bucket = this.#buckets.get(keyOf(address));
    if (bucket === undefined) return 0;
    const left = this.#leftOf(bucket, nowMs);
    return left >= 1 ? 0 : Math.ceil((1 - left) * this.#everyMs);
  }

  /** The attempt was wrong. */
  spend(address: string, nowMs: number): void {
    const key = keyOf(address);
    const bucket = this.#buckets.get(key);
    const left = bucket === undefined ? this.#burst : this.#leftOf(bucket, nowMs);
    this.#buckets.delete(key);
    this.#buckets.set(key, { left: Math.max(0, left - 1), atMs: nowMs });
    const oldest = this.#buckets.keys().next();
    if (this.#buckets.size > mostAddresses && oldest.done !== true) this.#buckets.delete(oldest.value);
  }

  #leftOf({ left, atMs }: Bucket, nowMs: number): number {
    return Math.min(this.#burst, left + (nowMs - atMs) / this.#everyMs);
  }
}

function keyOf(address: string): string {
  const bare = address.replace(/^::ffff:(?=\d+\.)/, '');
  if (!isIPv6(bare)) return bare;
  const [head = '', tail] = bare.split('::');
  const before = head === '' ? [] : head.split(':');
  const after = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = tail === undefined ? [] : new Array<string>(Math.max(0, 8 - before.length - after.length)).fill('0');
  return [...before, ...zeros, ...after].slice(0, 4).join(':');
}
