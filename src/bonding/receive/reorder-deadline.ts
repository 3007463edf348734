/**
 * How long the opener holds what came after a gap. Learnt: it covers the 99th percentile of how late packets really were, and a
 * quarter more; it adds the time of a re-injection where losses are usually repaired, and falls to nothing where gaps never fill.
 */
import { doubleZero, never } from '../../base/double.ts';
import { trafficClass } from '../../contract/records.ts';

/** Lateness in steps of a quarter octave: percentiles are at most 19 % too high. */
const stepsPerOctave = 4;
const firstStepUs = 250;
const steps = 4 * 11 + 1;
/** `reorder: auto` holds nobody for longer. */
const mostUs = 250_000;
/** Where only one path leads to the peer a flow has no other round trips to go by, and its sender's timer is 200 ms (RFC 6298 2.4, Linux). */
const mostAloneUs = 200_000;
const percentile = 0.99;
const headroom = 1.25;
const slackUs = 3_000;
/** What was learnt halves in weight in this time: a new path is followed, a quiet second forgets nothing. */
const halfLifeUs = 10_000_000;
/** Recomputed at most so often. */
const updateUs = 50_000;
/** Gaps that fill more rarely than this are losses, and waiting for them only adds delay. */
const leastFilledShare = 0.02;
/** Fewer gaps than this say nothing yet. */
const fewGaps = 16;
/**
 * After a rest, paths look for their rates for about so long, and flows double: what comes next is later than all that has come, and
 * what was learnt says too little.
 */
const youngUs = 3_000_000;
const restUs = 5_000_000;
const leastFirstUs = 40_000;
const tailUs = 10_000;
/** Losses repaired more often than this are worth waiting for. */
const usuallyRepaired = 0.5;
/** What is later than this share of a round trip, and than the skew explains, was sent again. */
const repairShare = 0.75;
/** Paths this close to each other reorder nothing by themselves. */
const symmetricUs = 1_000;

export class ReorderDeadline {
  readonly #fixedUs: number;
  readonly #late = new Float64Array(steps);
  #filled = doubleZero;
  #repaired = doubleZero;
  #givenUp = doubleZero;
  #repairUs = doubleZero;
  #leastRepairUs = Number.POSITIVE_INFINITY;
  #updatedUs = never;
  #youngUntilUs = doubleZero;
  #deadlineUs = doubleZero;

  /** `fixedUs`: from the configuration; 0 = off, -1 = auto. */
  constructor(fixedUs: number) {
    this.#fixedUs = fixedUs;
  }

  /**
   * Microseconds to hold what came after a gap. Control and latency traffic is never held: what people wait for is worth more in
   * the wrong order than late.
   */
  deadlineUs(kind: number): number {
    if (kind !== trafficClass.bulk) return 0;
    return this.#fixedUs >= 0 ? this.#fixedUs : this.#deadlineUs;
  }

  /**
   * A packet came `latenessUs` after one of a higher counter; `wasGivenUp`: it was no longer waited for. Those must be told as
   * well, or a deadline that is too short would never learn so. Once a gap, with the first packet that fills it.
   */
  handleFilled(latenessUs: number, wasGivenUp: boolean): void {
    const step = Math.ceil(Math.log2(Math.max(1, latenessUs / firstStepUs)) * stepsPerOctave);
    const index = Math.min(steps - 1, step);
    this.#late[index] = (this.#late[index] as number) + 1;
    this.#filled += 1;
    if (wasGivenUp) this.#givenUp = Math.max(0, this.#givenUp - 1);
    if (latenessUs > this.#leastRepairUs) this.#repaired += 1;
  }

  /** A gap was still open at its deadline; one call a gap. */
  handleGivenUp(): void {
    this.#givenUp += 1;
  }

  /**
   * Call it every turn or every report. `skewUs`: slowest less fastest one-way delay of the paths that may be used (half the difference of
   * their round trips does); `reportIntervalUs` and `bestRttUs` tell when a re-injection can be here; `isAlone`: only one path leads to
   * the peer, and nobody waits for what cannot be here in time.
   */
  update(nowUs: number, skewUs: number, reportIntervalUs: number, bestRttUs: number, isAlone = false): void {
    if (this.#updatedUs >= 0 && nowUs - this.#updatedUs < updateUs) return;
    if (this.#updatedUs < 0 || nowUs - this.#updatedUs > restUs) this.#youngUntilUs = nowUs + youngUs;
    if (this.#updatedUs >= 0) this.#forget(nowUs - this.#updatedUs);
    this.#updatedUs = nowUs;
    // Two tries: what overtakes a lost packet may just have missed a report, and the repair may be lost as well.
    this.#repairUs = 2 * (2 * reportIntervalUs + bestRttUs) + tailUs;
    this.#leastRepairUs = Math.max(bestRttUs * repairShare, skewUs * headroom);
    const isTooFar = isAlone && reportIntervalUs + bestRttUs + tailUs > mostAloneUs;
    this.#deadlineUs = isTooFar ? 0 : Math.min(isAlone ? mostAloneUs : mostUs, this.#learn(skewUs));
  }

  #learn(skewUs: number): number {
    const isSkewed = skewUs > symmetricUs;
    const gaps = this.#filled + this.#givenUp;
    if (gaps >= fewGaps && this.#filled < gaps * leastFilledShare) return 0;
    // Too little seen yet: what the round trips say of a repair, and no less than what two paths that fill up for the first time may
    // differ by. A flow that begins with packets in the wrong order, or one loss, leaves its slow start for good.
    const firstUs =
      gaps < fewGaps || this.#updatedUs < this.#youngUntilUs
        ? Math.max(leastFirstUs, (this.#repairUs + (isSkewed ? skewUs : 0)) * headroom + slackUs)
        : 0;
    if (gaps < fewGaps) return firstUs;
    const learntUs = this.#lateness() * headroom + slackUs;
    const losses = this.#repaired + this.#givenUp;
    const areRepaired = this.#repaired >= 1 && this.#repaired >= losses * usuallyRepaired;
    const repairUs = areRepaired ? (this.#repairUs + (isSkewed ? skewUs : 0)) * headroom + slackUs : 0;
    return Math.max(firstUs, learntUs, repairUs, isSkewed ? skewUs * headroom + slackUs : 0);
  }

  /** The percentile of lateness, microseconds: the upper edge of its step. */
  #lateness(): number {
    let beyond = this.#filled * (1 - percentile);
    for (let index = steps - 1; index > 0; index -= 1) {
      beyond -= this.#late[index] as number;
      if (beyond < 0) return firstStepUs * 2 ** (index / stepsPerOctave);
    }
    return firstStepUs;
  }

  #forget(elapsedUs: number): void {
    const share = 2 ** (-elapsedUs / halfLifeUs);
    this.#filled *= share;
    this.#repaired *= share;
    this.#givenUp *= share;
    for (let index = 0; index < steps; index += 1) this.#late[index] = (this.#late[index] as number) * share;
  }
}
