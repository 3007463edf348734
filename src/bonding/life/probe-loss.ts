/**
 * What one path loses of its probes, and in which direction. The peer answers a probe by the path it came by and once more by another:
 * an answer that came by another path only got lost on the way back by this one; where none came, the probe never arrived. A path
 * that carries no data because it loses so much shows it by nothing else.
 */
import { doubleZero } from '../../base/double.ts';

/** A probe is judged when so many more have left: at 50 ms between two, 400 ms later. */
const judgedAfter = 8;
const kept = 2 * judgedAfter;
/** Of the newest probe in the share. */
const leastGain = 1 / 16;
/** Loses much: from, and until. */
const lossyFrom = 0.1;
const lossyUntil = 0.05;

const outcome = { none: 0, unanswered: 1, answeredElsewhere: 2, answered: 3 } as const;

export class ProbeLoss {
  /** Shares of probes, 0 to 1: those that never arrived, and those whose answer got lost on its way back by this path. */
  forward = doubleZero;
  backward = doubleZero;
  /** Since when either is much, microseconds; 0 = neither is. */
  lossyUs = 0;
  readonly #outcomes = new Uint8Array(kept);
  #judged = 0;

  handleSent(sequence: number, nowUs: number): void {
    this.#outcomes[sequence % kept] = outcome.unanswered;
    const at = (sequence - judgedAfter + kept) % kept;
    const result = this.#outcomes[at] as number;
    this.#outcomes[at] = outcome.none;
    if (result !== outcome.none) this.#judge(result, nowUs);
  }

  /** `cameBack`: by this path itself. */
  handleReply(sequence: number, cameBack: boolean): void {
    const at = sequence % kept;
    const before = this.#outcomes[at] as number;
    if (before === outcome.none) return;
    this.#outcomes[at] = Math.max(before, cameBack ? outcome.answered : outcome.answeredElsewhere);
  }

  #judge(result: number, nowUs: number): void {
    this.#judged += 1;
    const gain = Math.max(leastGain, 1 / this.#judged);
    this.forward += ((result === outcome.unanswered ? 1 : 0) - this.forward) * gain;
    // Of a probe that did not arrive nothing came back: it says nothing of the way back.
    if (result !== outcome.unanswered)
      this.backward += ((result === outcome.answeredElsewhere ? 1 : 0) - this.backward) * gain;
    const worst = Math.max(this.forward, this.backward);
    if (this.lossyUs === 0 && worst >= lossyFrom && this.#judged >= judgedAfter) this.lossyUs = nowUs;
    else if (worst < lossyUntil) this.lossyUs = 0;
  }
}
