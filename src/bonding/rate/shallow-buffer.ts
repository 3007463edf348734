/**
 * Tells a bottleneck whose buffer holds less than the queue that a path is wanted to have: it overflows (`LossFloor`) though no such queue was
 * seen. To such a one packets go evenly and probing is gentle, or its losses never end.
 */
import { doubleZero } from '../../base/double.ts';
import type { LossVerdict } from './loss-floor.ts';

/** Then it is tried again with trains, for the bottleneck may be another. */
const rememberedUs = 30_000_000;

export class ShallowBuffer {
  #untilUs = Number.NEGATIVE_INFINITY;
  #longestUs = doubleZero;

  /** Call for each report; `queueUs`: the longest that what is seen may be, `targetUs`: the one that is wanted. True when this report shows it. */
  handleReport(verdict: LossVerdict, queueUs: number, targetUs: number, nowUs: number): boolean {
    this.#longestUs = Math.max(this.#longestUs, queueUs);
    if (verdict === 'none' || verdict === 'begin') return false;
    const isShallow = verdict === 'overflow' && this.#longestUs < targetUs;
    this.#longestUs = 0;
    if (isShallow) this.#untilUs = nowUs + rememberedUs;
    return isShallow;
  }

  isKnown(nowUs: number): boolean {
    return nowUs < this.#untilUs;
  }
}
