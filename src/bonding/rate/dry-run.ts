/**
 * Lets the queue of a path run dry: now and then, so that the distance is seen again, and when a queue neither grows nor shrinks. What
 * is left after less was sent for long enough was never a queue: the way has become longer, or others fill it.
 */
import { doubleZero, never } from '../../base/double.ts';

/** Well within the window in which the least round trip is remembered. */
const everyUs = 4_000_000;
/** Share of the rate sent meanwhile: the queue shrinks by the rest. */
const gain = 0.75;
const marginUs = 4_000;
const soonUs = 500_000;
const checkAfterUs = 1_000_000;
/** A queue that shrank by this share since the last look is on its way. */
const shrinkShare = 0.7;

export class DryRun {
  #nextUs = never;
  #untilUs = never;
  #verdictUs = never;
  #queueUs = doubleZero;
  #leastUs = doubleZero;
  #checkUs = doubleZero;
  #lookUs = never;
  #lookQueueUs = doubleZero;
  #rate = doubleZero;

  /** Less is sent now. */
  get isDrying(): boolean {
    return this.#untilUs >= 0;
  }

  /** What arrives is less than the path can do, for less was sent. */
  get isUnderWay(): boolean {
    return this.#untilUs >= 0 || this.#verdictUs >= 0;
  }

  /** What to send meanwhile. */
  get bytesPerUs(): number {
    return this.#rate * gain;
  }

  /** The distance may never have been seen without a queue. */
  checkSoon(nowUs: number): void {
    this.reset(nowUs);
    this.#nextUs = nowUs + soonUs;
  }

  /** After an idle time: there is no queue of ours, and what was begun is void. */
  reset(nowUs: number): void {
    this.#untilUs = never;
    this.#verdictUs = never;
    this.#lookUs = never;
    this.#nextUs = this.#checkUs > 0 && this.#nextUs > nowUs ? this.#nextUs : nowUs + everyUs;
  }

  /**
   * Call for each report; `lagUs` is the time after which a report shows an effect, `rate` what the bottleneck lets through (bytes a
   * microsecond), `doubtUs` how far the queue may be off by chance. True when what looked like a queue is distance.
   */
  handleReport(
    nowUs: number,
    queueUs: number,
    doubtUs: number,
    targetUs: number,
    lagUs: number,
    rate: number,
  ): boolean {
    if (this.#nextUs < 0) this.#nextUs = nowUs + everyUs;
    if (this.isUnderWay) return this.#watch(nowUs, queueUs, targetUs + doubtUs, lagUs);
    if (nowUs >= this.#nextUs || this.#isStuck(nowUs, queueUs, targetUs, lagUs)) {
      this.#queueUs = queueUs;
      this.#leastUs = queueUs;
      this.#rate = rate;
      this.#untilUs = nowUs + (queueUs + 2 * doubtUs + this.#checkUs + marginUs) / (1 - gain);
      this.#checkUs = 0;
    }
    return false;
  }

  #watch(nowUs: number, queueUs: number, targetUs: number, lagUs: number): boolean {
    this.#leastUs = Math.min(this.#leastUs, queueUs);
    if (this.#untilUs >= 0 && nowUs >= this.#untilUs) {
      this.#untilUs = never;
      this.#verdictUs = nowUs + lagUs;
    }
    if (this.#untilUs >= 0 || nowUs < this.#verdictUs) return false;
    this.reset(nowUs);
    if (this.#leastUs <= targetUs || this.#leastUs <= this.#queueUs / 2) return false;
    // A wrong verdict would let the queue grow for ever: soon as much is let run dry as was just called distance.
    this.#checkUs = this.#leastUs;
    this.#nextUs = nowUs + checkAfterUs;
    return true;
  }

  #isStuck(nowUs: number, queueUs: number, targetUs: number, lagUs: number): boolean {
    if (queueUs <= targetUs) {
      this.#lookUs = never;
      return false;
    }
    if (this.#lookUs >= 0 && nowUs < this.#lookUs) return false;
    const isStuck = this.#lookUs >= 0 && queueUs > this.#lookQueueUs * shrinkShare;
    this.#lookUs = nowUs + 2 * lagUs;
    this.#lookQueueUs = queueUs;
    return isStuck;
  }
}
