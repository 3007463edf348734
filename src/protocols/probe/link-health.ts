/**
 * Judges one link by the outcomes of probes past the tunnel: numbers in, a state and the next interval out.
 *
 * ```
 * unknown ──answer──► up ◄──────► degraded      by loss and latency, with a fifth of hysteresis
 *    │                 │ ▲           │
 *    └── failures ──►  ▼ │ answers ◄─┘          failures in a row, or loss, latency, jitter beyond the limits
 *                     down                      back after `successes` in a row, twice as many for each death of the last minute
 * ```
 * A probe that is late counts as a failure until its answer comes after all (`handleAnswer(…, true)`), so that a link whose queue
 * has just filled is not taken for dead.
 */
import { linkHealth, linkHealthReason } from '../../contract/link-tables.ts';

export interface HealthLimits {
  readonly intervalMs: number;
  readonly failures: number;
  readonly successes: number;
  readonly degraded: { readonly latencyMs: number; readonly lossPercent: number };
  readonly down: { readonly latencyMs: number; readonly jitterMs: number; readonly lossPercent: number };
}

/** What was known before a restart. */
export interface KnownTimes {
  readonly knownUs: number;
  readonly upUs: number;
}

/** Loss, latency and jitter are of this many probes: with 2 % of true loss, 20 % of them are lost once in years. */
const windowProbes = 100;
/** Fewer say nothing about a share. */
const leastProbes = 20;
/** A limit that was reached is left again at this share of it. */
const hysteresis = 0.8;
/** RFC 6298 section 2 for the round trip, RFC 3550 section 6.4.1 for its variation. */
const roundTripGain = 1 / 8;
const jitterGain = 1 / 16;
const fastestIntervalUs = 100_000;
/** How the interval grows while a link is long down: nobody wants five packets a second into the void for days. */
const longDown = [
  { afterUs: 60_000_000, intervalUs: 5_000_000 },
  { afterUs: 10_000_000, intervalUs: 1_000_000 },
] as const;
/** Deaths within it make the way back longer. */
const flapWindowUs = 60_000_000;
const flapDeaths = 3;
const mostSuccesses = 50;
/** A probe is late after four smoothed round trips and four of their variations, but not before this. */
const leastPatienceUs = 150_000;

export class LinkHealth {
  state: number = linkHealth.unknown;
  reason: number = linkHealthReason.none;
  /** Positive: answers in a row; negative: failures. */
  inRow = 0;
  smoothedRttUs = 0;
  jitterUs = 0;
  changedUs = 0;
  probes = 0;
  answers = 0;
  readonly #limits: HealthLimits;
  /** Round trips; -1 = lost. */
  readonly #window = new Float64Array(windowProbes);
  #count = 0;
  #lastRttUs = 0;
  #deathsUs: number[] = [];
  #knownUs: number;
  #upUs: number;
  #countedToUs = 0;

  constructor(limits: HealthLimits, before: KnownTimes = { knownUs: 0, upUs: 0 }) {
    this.#limits = limits;
    this.#knownUs = before.knownUs;
    this.#upUs = before.upUs;
  }

  /** `wasCounted`: the same probe was handed to `handleFailure` because it was late. True when the state changed. */
  handleAnswer(nowUs: number, rttUs: number, wasCounted = false): boolean {
    this.#learnRoundTrip(rttUs);
    this.answers += 1;
    if (wasCounted) this.#replaceLoss(rttUs);
    else this.#push(rttUs);
    this.inRow = Math.max(this.inRow, 0) + 1;
    return this.#judge(nowUs);
  }

  handleFailure(nowUs: number): boolean {
    this.#push(-1);
    this.inRow = Math.min(this.inRow, 0) - 1;
    return this.#judge(nowUs);
  }

  /** Share of the last probes that was lost, 0 to 1. */
  get loss(): number {
    const size = this.#size;
    if (size === 0) return 0;
    let lost = 0;
    for (let index = 0; index < size; index++) if ((this.#window[index] as number) < 0) lost += 1;
    return lost / size;
  }

  /** Of the last probes; 0 = none was answered. */
  get minRttUs(): number {
    const answered = this.#window.subarray(0, this.#size).filter((rttUs) => rttUs >= 0);
    return answered.length === 0 ? 0 : Math.min(...answered);
  }

  get maxRttUs(): number {
    return Math.max(0, ...this.#window.subarray(0, this.#size));
  }

  /** Dying again and again: `flapDeaths` times within a minute. */
  get isFlapping(): boolean {
    return this.#deathsUs.length >= flapDeaths;
  }

  times(nowUs: number): KnownTimes {
    this.#countTime(nowUs);
    return { knownUs: this.#knownUs, upUs: this.#upUs };
  }

  /** When a probe that was sent now counts as lost, in microseconds from now. */
  patienceUs(): number {
    const mostUs = this.#limits.down.latencyMs * 1000;
    if (this.smoothedRttUs === 0) return mostUs;
    return Math.min(mostUs, Math.max(leastPatienceUs, 4 * this.smoothedRttUs + 4 * this.jitterUs));
  }

  /** From one probe to the next, in microseconds. */
  nextIntervalUs(nowUs: number): number {
    const intervalUs = this.#limits.intervalMs * 1000;
    const isInDoubt = this.state === linkHealth.down ? this.inRow > 0 : this.inRow < 0;
    if (isInDoubt || this.state === linkHealth.unknown) return Math.min(intervalUs, fastestIntervalUs);
    if (this.state !== linkHealth.down) return intervalUs;
    const downUs = nowUs - this.changedUs;
    const slow = longDown.find(({ afterUs }) => downUs >= afterUs);
    return Math.max(intervalUs, slow?.intervalUs ?? 0);
  }

  get #size(): number {
    return Math.min(this.#count, windowProbes);
  }

  #push(rttUs: number): void {
    this.#window[this.#count % windowProbes] = rttUs;
    this.#count += 1;
    this.probes += 1;
  }

  #replaceLoss(rttUs: number): void {
    for (let back = 1; back <= this.#size; back++) {
      const index = (this.#count - back) % windowProbes;
      if ((this.#window[index] as number) >= 0) continue;
      this.#window[index] = rttUs;
      return;
    }
  }

  #learnRoundTrip(rttUs: number): void {
    if (this.smoothedRttUs === 0) this.smoothedRttUs = rttUs;
    else {
      this.smoothedRttUs += (rttUs - this.smoothedRttUs) * roundTripGain;
      this.jitterUs += (Math.abs(rttUs - this.#lastRttUs) - this.jitterUs) * jitterGain;
    }
    this.#lastRttUs = rttUs;
  }

  #judge(nowUs: number): boolean {
    this.#countTime(nowUs);
    this.#deathsUs = this.#deathsUs.filter((atUs) => nowUs - atUs < flapWindowUs);
    const { failures } = this.#limits;
    if (this.inRow <= -failures) return this.#become(linkHealth.down, linkHealthReason.failures, nowUs);
    if (this.state === linkHealth.unknown && this.inRow <= 0) return false;
    if (this.state === linkHealth.down) {
      if (this.inRow < this.#neededSuccesses()) return false;
      // What was lost while it was dead says nothing about the link that came back.
      if (this.reason === linkHealthReason.failures) this.#forget();
    }
    const worst = this.#qualityReason(this.#limits.down, linkHealth.down);
    if (worst !== linkHealthReason.none) return this.#become(linkHealth.down, worst, nowUs);
    const weak = this.#qualityReason(this.#limits.degraded, linkHealth.degraded);
    if (weak !== linkHealthReason.none) return this.#become(linkHealth.degraded, weak, nowUs);
    return this.#become(linkHealth.up, linkHealthReason.answers, nowUs);
  }

  /** Which of the limits is reached; a state that is held is left only a fifth below them. */
  #qualityReason(
    limits: { readonly latencyMs: number; readonly jitterMs?: number; readonly lossPercent: number },
    state: number,
  ): number {
    const share = this.state >= state ? hysteresis : 1;
    if (this.#size >= leastProbes && this.loss * 100 >= limits.lossPercent * share) return linkHealthReason.loss;
    if (this.smoothedRttUs >= limits.latencyMs * 1000 * share) return linkHealthReason.latency;
    const { jitterMs = Number.POSITIVE_INFINITY } = limits;
    return this.jitterUs >= jitterMs * 1000 * share ? linkHealthReason.jitter : linkHealthReason.none;
  }

  #neededSuccesses(): number {
    const deaths = Math.max(1, this.#deathsUs.length);
    return Math.min(mostSuccesses, this.#limits.successes * 2 ** (deaths - 1));
  }

  #forget(): void {
    this.#count = 0;
    this.smoothedRttUs = this.#lastRttUs;
    this.jitterUs = 0;
  }

  #become(state: number, reason: number, nowUs: number): boolean {
    if (state === this.state) {
      // The first reason of a death stays: what comes after is the same death.
      if (state !== linkHealth.down) this.reason = reason;
      return false;
    }
    if (state === linkHealth.down) this.#deathsUs.push(nowUs);
    this.state = state;
    this.reason = reason;
    this.changedUs = nowUs;
    return true;
  }

  #countTime(nowUs: number): void {
    if (this.state !== linkHealth.unknown) {
      const passedUs = Math.max(0, nowUs - this.#countedToUs);
      this.#knownUs += passedUs;
      if (this.state !== linkHealth.down) this.#upUs += passedUs;
    }
    this.#countedToUs = nowUs;
  }
}
