/**
 * A token bucket that lets bytes go in quanta of about 2 ms of the rate, never less than two full packets; or evenly, one by one where that
 * is what a quarter of a millisecond brings.
 */
import { doubleZero, never } from '../../base/double.ts';

/** Two full packets: less would cut the trains of a slow path into single packets. */
const leastBytes = 3_000;
/** Half a packet: whatever was saved up, no two leave together. */
const leastEvenBytes = 750;
const quantumUs = 2_000;
const evenQuantumUs = 250;
/** A sender that was woken late may make up for this much, or a busy machine would never reach the rate. */
const burstUs = 4_000;
const evenBurstUs = 500;
/** 0.8 Mbit/s: whatever was measured, a path that lives is tried with so much. */
const leastBytesPerUs = 0.1;
const leastRetryUs = 100;
const mostRetryUs = 5_000;

export class Pacer {
  readonly #mostBytesPerUs: number;
  #bytesPerUs = doubleZero;
  #tokens = leastBytes;
  #filledUs = never;
  /** What waits at the bottleneck may be no more than a packet or two. */
  isEven = false;

  /** `mostBytesPerUs`: no pace is higher. */
  constructor(mostBytesPerUs = Number.POSITIVE_INFINITY) {
    this.#mostBytesPerUs = mostBytesPerUs;
  }

  get bytesPerUs(): number {
    return this.#bytesPerUs;
  }

  /** The tokens of the time before are counted at the old pace when `refill` was called for it. */
  setPace(bytesPerUs: number): void {
    this.#bytesPerUs = Math.min(this.#mostBytesPerUs, Math.max(bytesPerUs, leastBytesPerUs));
  }

  /** For a while: also below what a path is tried with. */
  lowerTo(bytesPerUs: number): void {
    this.#bytesPerUs = Math.min(this.#bytesPerUs, bytesPerUs);
  }

  /** Tokens at `nowUs`. */
  refill(nowUs: number): number {
    const burst = this.#quantity(this.isEven ? evenBurstUs : burstUs);
    const elapsedUs = this.#filledUs < 0 ? 0 : Math.max(0, nowUs - this.#filledUs);
    this.#tokens = Math.min(burst, this.#tokens + elapsedUs * this.#bytesPerUs);
    this.#filledUs = nowUs;
    return this.#tokens;
  }

  spend(bytes: number): void {
    this.#tokens -= bytes;
  }

  /** Until a whole quantum may go. */
  retryUs(): number {
    const missing = this.#quantity(this.isEven ? evenQuantumUs : quantumUs) - this.#tokens;
    return Math.max(leastRetryUs, Math.min(mostRetryUs, missing / Math.max(this.#bytesPerUs, 1e-6)));
  }

  #quantity(us: number): number {
    return Math.max(this.isEven ? leastEvenBytes : leastBytes, this.#bytesPerUs * us);
  }
}
