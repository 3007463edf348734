/**
 * The round trips of one path: what is distance, what is chance, and what must therefore be queue. The queue is the median of the
 * newest samples above the least such median of the last ten seconds: medians of enough samples stay put when single ones jitter.
 */
import { doubleZero } from '../../base/double.ts';
import { WindowedMinimum } from './windowed-extreme.ts';

const capacity = 64;
/** Samples so far apart are compared for a delay that wanders; a queue of ours moves more slowly. */
const wanderUs = 50_000;
const mostApart = 24;
/** Share of the sample-to-sample jitter that chance may add to the wander. */
const wanderFloor = 1.5;
/** So far the queue that we make ourselves may wander. */
const ownUs = 4_000;
/** Long enough that a drained moment falls into it, short enough to learn a longer route (BBR's, draft-ietf-ccwg-bbr 4.5). */
const baseWindowUs = 10_000_000;
const leastSpanUs = 20_000;
/** Samples the median is taken of once the jitter reaches 4 ms. */
const mostSamples = 16;
/** A queue must be seen soon, even where reports are rare. */
const mostSpanUs = 160_000;
/** Mean of the second difference of independent normal values: sqrt(6) * sqrt(2/pi) sigma; a queue that grows evenly has none. */
const differencePerSigma = 1.95;

/** What is so many times what the probes of late tell, and what a queue may do to these, was another time's. */
const untrueTimes = 4;
const untrueTripTimes = 2;
const untrueTripUs = 20_000;

/**
 * A jitter of long ago, or of the first few probes, unless the probes of late show that it is over; these are few, so that twice what they
 * tell may be true. `probedUs`: -1 = nothing is known of it.
 */
export function calmed(jitterUs: number, probedUs: number): number {
  const mostUs = 2 * probedUs + ownUs;
  return probedUs < 0 || jitterUs < untrueTimes * mostUs ? jitterUs : mostUs;
}

export class RoundTrip {
  readonly #samples = new Float64Array(capacity);
  readonly #sorted = new Float64Array(capacity);
  readonly #base = new WindowedMinimum(baseWindowUs);
  readonly #least = new WindowedMinimum(baseWindowUs);
  #count = 0;
  #smoothedUs = doubleZero;
  #jitterUs = doubleZero;
  #wanderUs = doubleZero;
  #levelUs = doubleZero;
  #levelJitterUs = doubleZero;
  #levelLagUs = doubleZero;
  #baseUs = doubleZero;
  #minUs = doubleZero;

  /** Time of one full packet at the bottleneck: round trips are no finer than this. */
  grainUs = 0;

  /** 0 = unknown, as for all others. */
  get minUs(): number {
    return this.#minUs;
  }

  get smoothedUs(): number {
    return this.#smoothedUs;
  }

  /** Standard deviation from sample to sample. */
  get jitterUs(): number {
    return this.#wanderUs > ownUs + 2 * this.grainUs ? Math.max(this.#jitterUs, this.#wanderUs) : this.#jitterUs;
  }

  /** The part of the jitter that lasts for longer than from one sample to the next. */
  get swayUs(): number {
    return Math.sqrt(Math.max(0, this.#wanderUs ** 2 - wanderFloor * this.#jitterUs ** 2));
  }

  /** How far the queue's estimate may be off by chance (one sigma). */
  get uncertaintyUs(): number {
    return this.#levelJitterUs;
  }

  /** How old the queue's estimate is when it moves evenly. */
  get levelLagUs(): number {
    return this.#levelLagUs;
  }

  /** The median round trip without a queue. */
  get baseUs(): number {
    return this.#baseUs;
  }

  get latestUs(): number {
    return this.#count === 0 ? 0 : (this.#samples[(this.#count - 1) % capacity] ?? 0);
  }

  /** Estimated wait in the bottleneck's queue. */
  get queueUs(): number {
    return this.#count === 0 ? 0 : Math.max(0, this.#levelUs - this.#baseUs);
  }

  handleSample(rttUs: number, nowUs: number, intervalUs: number): void {
    this.#jitterUs = this.#smoothDeviation(this.#jitterUs, rttUs, 1, 32);
    const apart = Math.min(mostApart, Math.ceil(wanderUs / intervalUs));
    this.#wanderUs = apart > 1 ? this.#smoothDeviation(this.#wanderUs, rttUs, apart, 100) : this.#jitterUs;
    this.#samples[this.#count % capacity] = rttUs;
    this.#count += 1;
    this.#smoothedUs = this.#smoothedUs === 0 ? rttUs : this.#smoothedUs + (rttUs - this.#smoothedUs) / 8;
    this.#least.add(rttUs, nowUs);
    this.#minUs = this.#least.least(nowUs);
    const span = Math.ceil(Math.max(leastSpanUs, this.#minUs / 4) / intervalUs);
    const calm = Math.ceil((mostSamples * this.#jitterUs) / 4_000);
    const most = Math.max(3, Math.min(mostSamples, mostSpanUs / intervalUs));
    const count = Math.floor(Math.min(this.#count, most, Math.max(1, span, calm)));
    this.#levelUs = this.#medianOf(count);
    this.#levelLagUs = ((count - 1) / 2) * intervalUs;
    // The median of n independent normal values has 1.25 sigma / sqrt(n); what wanders slowly does not become less by counting.
    const wander = Math.max(
      0,
      this.#wanderUs ** 2 - wanderFloor * this.#jitterUs ** 2 - (ownUs + 2 * this.grainUs) ** 2,
    );
    const sampleJitterUs = (1.25 * this.#jitterUs) / Math.sqrt(count);
    this.#levelJitterUs = Math.sqrt(sampleJitterUs ** 2 + wander);
    this.#base.add(this.#levelUs, nowUs);
    // The least of some hundred medians lies 2.5 sigma below their mean; of slow wandering there are fewer that differ.
    this.#baseUs = this.#base.least(nowUs) + 2.5 * sampleJitterUs + 1.5 * Math.sqrt(wander);
  }

  /** The queue of a search for the rate swelled and went: that was no jitter, and real jitter shows again within a few samples. */
  forgetJitter(): void {
    this.#jitterUs /= 4;
    this.#wanderUs = this.#jitterUs;
  }

  /** Nothing was under way for a while, and probes tell of a round trip and a jitter since: what stood in the way before has gone. */
  settle(probedUs: number, probedJitterUs: number): void {
    if (this.#smoothedUs > untrueTripTimes * probedUs + untrueTripUs) this.#smoothedUs = probedUs;
    this.#jitterUs = calmed(this.#jitterUs, probedJitterUs);
    this.#wanderUs = calmed(this.#wanderUs, probedJitterUs);
  }

  /** What is seen now is the distance: a queue it cannot be, for it does not drain. */
  rebase(nowUs: number): void {
    this.#base.reset();
    this.#least.reset();
    this.#base.add(this.#levelUs, nowUs);
    this.#least.add(this.#levelUs, nowUs);
    this.#minUs = this.#levelUs;
    this.#baseUs = this.#levelUs + 1.5 * this.#levelJitterUs;
  }

  /** Deviation of samples `apart` from each other, in sigma, smoothed. */
  #smoothDeviation(smoothedUs: number, rttUs: number, apart: number, memory: number): number {
    if (this.#count < 2 * apart) return smoothedUs;
    const middle = this.#samples[(this.#count - apart) % capacity] ?? 0;
    const oldest = this.#samples[(this.#count - 2 * apart) % capacity] ?? 0;
    const sigmaUs = Math.abs(rttUs - 2 * middle + oldest) / differencePerSigma;
    // One stall of a radio is no jitter: it counts as three sigmas at most once there is an estimate.
    const bounded = this.#count < 8 + 2 * apart ? sigmaUs : Math.min(sigmaUs, 3 * smoothedUs + 1_000);
    const held = Math.min(this.#count - 2 * apart + 1, bounded > smoothedUs ? 16 : memory);
    return smoothedUs + (bounded - smoothedUs) / held;
  }

  /** Insertion sort of at most 16: no allocation, and most are in order from the turn before. */
  #medianOf(count: number): number {
    const sorted = this.#sorted;
    for (let index = 0; index < count; index += 1) {
      const value = this.#samples[(this.#count - 1 - index) % capacity] ?? 0;
      let at = index;
      for (; at > 0 && (sorted[at - 1] ?? 0) > value; at -= 1) sorted[at] = sorted[at - 1] ?? 0;
      sorted[at] = value;
    }
    return sorted[(count - 1) >> 1] ?? 0;
  }
}
