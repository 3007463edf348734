/**
 * How much later than a packet another of the same path must have left, and have arrived, before the first is lost: the window for
 * reordering of RACK (RFC 8985 6.2), wider after every loss that was none.
 */
const leastUs = 1_000;
/** It may grow to half the round trip, and to this on near paths. */
const nearMostUs = 20_000;
const decay = 0.98;

export class LossDelay {
  #us = leastUs;

  /** Takes in a report: packets that it shows as lost, and earlier ones of those that came after all. */
  handleReport(lost: number, spurious: number, rttUs: number): void {
    if (spurious > 0) this.#us = Math.min(Math.max(rttUs / 2, nearMostUs), this.#us * 2);
    else if (lost > 0) this.#us = Math.max(leastUs, this.#us * decay);
  }

  /** Microseconds, on a path of this jitter (one sigma). */
  us(jitterUs: number): number {
    return Math.max(this.#us, jitterUs / 2);
  }
}
