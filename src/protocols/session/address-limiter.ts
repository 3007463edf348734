/** Token buckets for the addresses handshakes come from while we are under load (drivers/net/wireguard/ratelimiter.c). */

/** 20 a second with a burst of 5, as the kernel has it. */
const costUs = 50_000;
const burstUs = 5 * costUs;
/** A bucket this old is full again and can be forgotten. */
const forgetAfterUs = 1_000_000;
/** Bounds the memory that a flood from many addresses can take; whoever comes when it is full is not served. */
const mostAddresses = 8192;

interface Bucket {
  lastUs: number;
  creditUs: number;
}

export class AddressLimiter {
  readonly #buckets = new Map<string, Bucket>();
  #lastSweepUs = 0;

  /** Whether one more message of `address` may be served. `address`: an IPv4 address or the /64 of an IPv6 one. */
  isAllowed(address: string, nowUs: number): boolean {
    this.#sweep(nowUs);
    const bucket = this.#buckets.get(address);
    if (bucket === undefined) {
      if (this.#buckets.size >= mostAddresses) return false;
      this.#buckets.set(address, { lastUs: nowUs, creditUs: burstUs - costUs });
      return true;
    }
    bucket.creditUs = Math.min(burstUs, bucket.creditUs + nowUs - bucket.lastUs);
    bucket.lastUs = nowUs;
    if (bucket.creditUs < costUs) return false;
    bucket.creditUs -= costUs;
    return true;
  }

  #sweep(nowUs: number): void {
    if (nowUs - this.#lastSweepUs < forgetAfterUs) return;
    this.#lastSweepUs = nowUs;
    for (const [address, bucket] of this.#buckets) {
      if (nowUs - bucket.lastUs >= forgetAfterUs) this.#buckets.delete(address);
    }
  }
}
