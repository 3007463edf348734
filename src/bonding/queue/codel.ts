/** CoDel (RFC 8289) for one queue: says at dequeue whether what comes out has waited too long for too long. */
import { doubleZero } from '../../base/double.ts';

/** RFC 8289 4.2 and 4.3. */
export const targetUs = 5_000;
export const intervalUs = 100_000;

export class Codel {
  /** When the wait will have been above target for a whole interval; 0 = it is not above. */
  #aboveUntilUs = doubleZero;
  #dropping = false;
  #dropNextUs = doubleZero;
  #count = 0;
  #lastCount = 0;

  /**
   * `waitedUs` is how long the head has waited; `last` whether the queue is empty behind it; `atLeastUs` a target longer than the
   * usual one. True = drop or mark the head. `answerUs`: what its sender takes to answer beyond the usual interval, which is a
   * round trip (RFC 8289 3.2).
   */
  shouldDrop(nowUs: number, waitedUs: number, last: boolean, atLeastUs = 0, answerUs = 0): boolean {
    if (waitedUs < Math.max(targetUs, atLeastUs) || last) {
      this.#aboveUntilUs = doubleZero;
      this.#dropping = false;
      return false;
    }
    if (this.#aboveUntilUs === 0) {
      this.#aboveUntilUs = nowUs + intervalUs;
      return false;
    }
    if (nowUs < this.#aboveUntilUs) return false;
    if (this.#dropping) return this.#dropAgain(nowUs, answerUs);
    this.#dropping = true;
    // Close to the last episode: go on from its rate (RFC 8289 5.4), less one because the first drop counts.
    const recent = this.#count - this.#lastCount;
    this.#count = recent > 1 && nowUs - this.#dropNextUs < 16 * intervalUs ? recent : 1;
    this.#lastCount = this.#count;
    this.#dropNextUs = this.#controlLaw(nowUs, answerUs);
    return true;
  }

  #dropAgain(nowUs: number, answerUs: number): boolean {
    if (nowUs < this.#dropNextUs) return false;
    this.#count += 1;
    this.#dropNextUs = this.#controlLaw(this.#dropNextUs, answerUs);
    return true;
  }

  #controlLaw(fromUs: number, answerUs: number): number {
    return fromUs + (intervalUs + answerUs) / Math.sqrt(this.#count);
  }
}
