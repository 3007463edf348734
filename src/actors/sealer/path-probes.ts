/** The probes of one path: what was asked and when, and how long the way there and back takes by this path alone. */
const kept = 16;
/** Of a new round trip in the smoothed one. */
const gain = 1 / 4;

export class PathProbes {
  /** Smoothed, microseconds; 0 = unknown. What schedulers compare, for the delay of one way is half of it. */
  rttUs = 0;
  readonly #leftUs = new Float64Array(kept);
  #newest = 0;

  /** Sequence number of a probe that leaves now. */
  start(nowUs: number): number {
    this.#newest += 1;
    this.#leftUs[this.#newest % kept] = nowUs;
    return this.#newest;
  }

  /** Round trip of an answered probe that the peer held for `heldUs`; -1 = too old, or never sent. */
  roundTripUs(sequence: number, heldUs: number, nowUs: number): number {
    if (sequence > this.#newest || sequence <= this.#newest - kept) return -1;
    return Math.max(1, nowUs - (this.#leftUs[sequence % kept] as number) - heldUs);
  }

  /** A round trip of which both halves were this path. */
  note(rttUs: number): void {
    this.rttUs = this.rttUs === 0 ? rttUs : this.rttUs + (rttUs - this.rttUs) * gain;
  }
}
