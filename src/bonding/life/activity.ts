/** Whether data leaves for a peer: while none does its paths are asked less and less, and may be dead without anybody knowing. */
import { doubleZero } from '../../base/double.ts';

/** Without data for so long, paths are probed less and less. */
const idleUs = 10_000_000;
/** What leaves first after that goes by two paths until the first has proven itself, for so long at most. */
const wakingUs = 1_000_000;
/** Longer than any path takes: data that left before this has arrived. */
const sendingUs = 500_000;

export class Activity {
  /** When data began to leave that has not paused since. */
  sinceUs = doubleZero;
  #sentUs = doubleZero;
  #wokenUs = Number.NEGATIVE_INFINITY;

  /** Data left lately. */
  isSending(nowUs: number): boolean {
    return this.#sentUs > 0 && nowUs - this.#sentUs < sendingUs;
  }

  isIdle(nowUs: number): boolean {
    return nowUs - this.#sentUs > idleUs;
  }

  /** Nobody knows yet which paths have died while nothing was sent. */
  isWaking(nowUs: number): boolean {
    return this.isIdle(nowUs) || nowUs - this.#wokenUs < wakingUs;
  }

  /** Since when a path must have answered to be known to live; Infinity: nothing has left yet that it could have answered. */
  provenFromUs(nowUs: number): number {
    return this.isIdle(nowUs) ? Number.POSITIVE_INFINITY : this.#wokenUs;
  }

  /** Data left. True when it was the first after an idle time. */
  handleSent(nowUs: number): boolean {
    const wasIdle = this.isIdle(nowUs);
    if (!this.isSending(nowUs)) this.sinceUs = nowUs;
    if (wasIdle) this.#wokenUs = nowUs;
    this.#sentUs = nowUs;
    return wasIdle;
  }
}
