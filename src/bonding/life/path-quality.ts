/**
 * How good a living path is, by the thresholds of the configuration; judged only after they were crossed for a while. What is bad under
 * load alone looks good as soon as it bears none: each time that it is bad again soon, it must have been better for longer.
 */
import { never } from '../../base/double.ts';
import { pathHold } from '../path-hold.ts';
import { FlapDamping } from './flap-damping.ts';

export const quality = { good: 0, degraded: 1, bad: 2 } as const;

/** 0 to 1 and microseconds. */
export interface QualityLimits {
  readonly degradedRttUs: number;
  readonly degradedLoss: number;
  readonly badRttUs: number;
  readonly badJitterUs: number;
  readonly badLoss: number;
}

/** The documented defaults of `health`. */
export const qualityDefaults: QualityLimits = {
  degradedRttUs: 200_000,
  degradedLoss: 0.05,
  badRttUs: 500_000,
  badJitterUs: 100_000,
  badLoss: 0.2,
};

/** Never on one spike, nor on a queue that overflows while a rate is being found: it must be worse for this long. */
const worseUs = 2_000_000;
/** The more is lost the sooner, but not before this: whoever loses most of what it gets makes flows wait that fit another path. */
const leastWorseUs = 500_000;
/** So long out halves what it must be better for, and each time as much again. */
const forgiveUs = 120_000_000;
/** To get better, it must be clearly inside the limit. */
const insideShare = 0.8;

export class PathQuality {
  readonly #limits: QualityLimits;
  /** It must be better for the failback time, as after a death; what is bad, for its hold. */
  readonly #betterUs: number;
  readonly #damping: FlapDamping;
  #value: number = quality.good;
  #sinceUs = never;
  /** When it became bad. */
  #badUs = never;
  #candidate: number = quality.good;
  #cause: number = pathHold.none;

  constructor(betterUs: number, limits: QualityLimits = qualityDefaults) {
    this.#betterUs = betterUs;
    this.#damping = new FlapDamping(betterUs);
    this.#limits = limits;
  }

  get value(): number {
    return this.#value;
  }

  get isBad(): boolean {
    return this.#value === quality.bad;
  }

  /** What of it is bad, or was last: of `pathHold`; `none` = it is not. */
  get cause(): number {
    return this.isBad ? this.#cause : pathHold.none;
  }

  /** The path is a new one: it died, and has proven itself again; probes have told for the stability time how far it is. */
  reset(nowUs: number, rttUs: number, jitterUs: number): void {
    this.#become(this.#judge(rttUs, jitterUs, 0, 1), nowUs);
    this.#noteCause(rttUs, jitterUs, 0);
    this.#sinceUs = never;
  }

  /** Smoothed measurements; 0 = unknown. */
  update(nowUs: number, rttUs: number, jitterUs: number, loss: number): void {
    this.#noteCause(rttUs, jitterUs, loss);
    const seen = Math.max(this.#judge(rttUs, jitterUs, loss, 1), this.#better(rttUs, jitterUs, loss));
    if (seen === this.#value) {
      this.#sinceUs = never;
      return;
    }
    const isWorse = seen > this.#value;
    if (this.#sinceUs < 0 || isWorse !== this.#candidate > this.#value) {
      this.#sinceUs = nowUs;
      this.#candidate = seen;
    }
    // A spike of what is degraded does not make it bad: it is what it has been all the time.
    this.#candidate = isWorse ? Math.min(this.#candidate, seen) : Math.max(this.#candidate, seen);
    if (nowUs - this.#sinceUs < (isWorse ? this.#worseUs(loss) : this.#leastBetterUs(nowUs))) return;
    this.#become(this.#candidate, nowUs);
    this.#sinceUs = never;
  }

  /** A spike now and then begins the time anew: the longer it is out, the less it is asked for, down to what a first time asks for. */
  #leastBetterUs(nowUs: number): number {
    if (!this.isBad) return this.#betterUs;
    return Math.max(this.#betterUs, this.#damping.holdUs / 2 ** Math.floor((nowUs - this.#badUs) / forgiveUs));
  }

  #become(value: number, nowUs: number): void {
    const wasBad = this.isBad;
    this.#value = value;
    if (this.isBad === wasBad) return;
    if (wasBad) {
      this.#damping.handleReturn(nowUs);
      return;
    }
    this.#damping.handleDeath(nowUs);
    this.#badUs = nowUs;
  }

  #noteCause(rttUs: number, jitterUs: number, loss: number): void {
    const limits = this.#limits;
    if (loss >= limits.badLoss) this.#cause = pathHold.loss;
    else if (rttUs >= limits.badRttUs) this.#cause = pathHold.trip;
    else if (jitterUs >= limits.badJitterUs) this.#cause = pathHold.jitter;
  }

  /** Not better than the present value unless clearly so. */
  #better(rttUs: number, jitterUs: number, loss: number): number {
    return Math.min(this.#value, this.#judge(rttUs, jitterUs, loss, insideShare));
  }

  #worseUs(loss: number): number {
    const { badLoss } = this.#limits;
    return loss <= badLoss ? worseUs : Math.max(leastWorseUs, worseUs * (badLoss / loss) ** 2);
  }

  #judge(rttUs: number, jitterUs: number, loss: number, share: number): number {
    const limits = this.#limits;
    if (rttUs >= limits.badRttUs * share || jitterUs >= limits.badJitterUs * share || loss >= limits.badLoss * share)
      return quality.bad;
    if (rttUs >= limits.degradedRttUs * share || loss >= limits.degradedLoss * share) return quality.degraded;
    return quality.good;
  }
}
