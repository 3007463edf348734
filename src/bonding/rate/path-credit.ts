/**
 * How many bytes may be sealed for a path now, so that what waits behind the sealer stays short: at most about 2 ms of what the
 * path drains. It steers by what it can see locally: bytes sealed and not yet given to the kernel (the pipeline), and bytes the
 * kernel has not sent yet (SIOCOUTQ: the local device is the bottleneck). A configured rate is paced by a token bucket, for
 * bottlenecks further on.
 */
import { doubleZero, never } from '../../base/double.ts';

/** Most bytes that may be under way to the kernel: a few trains, about 1 ms at 4 Gbit/s. */
const pipelineBytes = 512 * 1024;
/** Two full packets: less would leave a slow link idle between two turns. */
const leastBytes = 3_000;
/** Before anything is known: small enough that a slow modem is not handed a second's worth. */
const firstBytes = 128 * 1024;
const targetUs = 2_000;
/** A rate sample needs this long, or it is mostly the kernel's batching. */
const sampleUs = 4_000;
/** Share of a new sample in the smoothed rate. */
const sampleShare = 0.25;

export class PathCredit {
  readonly #paceBytesPerUs: number;
  #limitBytes = firstBytes;
  #tokens = doubleZero;
  #tokensUs = never;
  #sampleFromUs = never;
  #sampleDelivered = doubleZero;
  #bytesPerUs = 0;

  /** `rateBps`: configured upper bound, bits a second; 0 = none. */
  constructor(rateBps: number) {
    this.#paceBytesPerUs = rateBps / 8e6;
  }

  /**
   * Why the last `allowed` was not enough: the path cannot take more (true: queue, others must not wait), or this machine's own
   * threads are behind (false: leave it where it is, for it will be its turn within a millisecond).
   */
  isPathLimited = false;

  /**
   * Bytes that may be sealed at `nowUs`; zero or less = none. `sealed` and `drained` are running totals of the sealer and the
   * link, `outq` what waits in the kernel.
   */
  allowed(nowUs: number, sealed: number, drained: number, outq: number): number {
    this.#observe(nowUs, drained, outq);
    const free = this.#limitBytes - (sealed - drained + outq);
    const inKernel = outq > this.#limitBytes / 2;
    // Full, but not of bytes the device is slow to send: the pipeline itself may be longer.
    if (free <= 0 && !inKernel) this.#limitBytes = Math.min(pipelineBytes, this.#limitBytes * 2);
    this.isPathLimited = inKernel;
    if (this.#paceBytesPerUs === 0) return free;
    const tokens = this.#refill(nowUs);
    if (tokens < free) this.isPathLimited = true;
    return Math.min(free, tokens);
  }

  /** What was sealed, for the token bucket. */
  spend(bytes: number): void {
    this.#tokens -= bytes;
  }

  /** Microseconds after which it is worth asking again, when `allowed` was not enough. */
  retryUs(): number {
    if (this.#paceBytesPerUs > 0)
      return Math.max(100, Math.min(2_000, (leastBytes - this.#tokens) / this.#paceBytesPerUs));
    return this.#bytesPerUs > 0 ? Math.max(100, Math.min(1_000, leastBytes / this.#bytesPerUs)) : 200;
  }

  /** While the device never runs dry, what leaves is what it can do, and the limit follows it. */
  #observe(nowUs: number, drained: number, outq: number): void {
    const delivered = drained - outq;
    if (outq <= this.#limitBytes / 4 || this.#sampleFromUs < 0) {
      this.#sampleFromUs = nowUs;
      this.#sampleDelivered = delivered;
      return;
    }
    const elapsedUs = nowUs - this.#sampleFromUs;
    if (elapsedUs < sampleUs) return;
    const rate = (delivered - this.#sampleDelivered) / elapsedUs;
    this.#bytesPerUs = this.#bytesPerUs === 0 ? rate : this.#bytesPerUs + (rate - this.#bytesPerUs) * sampleShare;
    this.#limitBytes = Math.max(leastBytes, Math.min(pipelineBytes, this.#bytesPerUs * targetUs));
    this.#sampleFromUs = nowUs;
    this.#sampleDelivered = delivered;
  }

  #refill(nowUs: number): number {
    const burst = Math.max(leastBytes, this.#paceBytesPerUs * targetUs);
    if (this.#tokensUs < 0) this.#tokens = burst;
    else this.#tokens = Math.min(burst, this.#tokens + (nowUs - this.#tokensUs) * this.#paceBytesPerUs);
    this.#tokensUs = nowUs;
    return this.#tokens;
  }
}
