/** What reports say of one path, made into samples for its controller: what arrived and what is lost, how fast, and how long it took. */
import { doubleZero, never } from '../../base/double.ts';
import { feedback } from '../../contract/columns.ts';
import { LossDelay } from '../repair/loss-delay.ts';
import { Arrivals } from './arrivals.ts';
import { Marks } from './marks.ts';
import { OneWayDelay } from './one-way-delay.ts';
import type { PathController } from './path-controller.ts';

/** Credit that stays unused for this long means that there was nothing to send: a turn comes more often under load. */
const unusedUs = 2_000;
/** What was given up and has not come by then is lost. */
const lateUs = 1_000_000;

export class PathSamples {
  // Ever, packets.
  lostPackets = doubleZero;
  ecnPackets = 0;
  markedPackets = 0;
  /** By how much the latest report's way back was longer than the shortest, as this path tells, microseconds; -1 = it told nothing. */
  wayBackUs = -1;
  /** When something sent by the path was last acknowledged, microseconds; 0 = never. */
  progressUs = doubleZero;
  /** What is lost may have been too long for the path: it counts once it is known that it was not. */
  areLossesDoubted = false;
  readonly #controller: PathController;
  readonly #delay = new OneWayDelay();
  readonly #arrivals = new Arrivals();
  readonly #marks = new Marks();
  readonly #lossDelay = new LossDelay();
  #isAppLimited = true;
  #creditSinceUs = never;
  // Since the last sample; what came after all is taken from what is lost.
  #acked = doubleZero;
  #lost = doubleZero;
  /** Given up, and so counted, since nothing was heard of them: they may come after all, as when a busy peer was late to report them. */
  #givenUp = doubleZero;
  #givenUpUs = doubleZero;

  constructor(controller: PathController) {
    this.#controller = controller;
  }

  /** A packet is lost when one that left by this path so much later has arrived, microseconds. */
  lossDelayUs(jitterUs: number): number {
    return this.#lossDelay.us(jitterUs);
  }

  /** Takes in row `at` of the feedback after a report. */
  handleReport(cells: Float64Array, at: number, rttUs: number, nowUs: number): void {
    this.wayBackUs = -1;
    const acked = cells[at + feedback.ackedPackets] as number;
    const lost = cells[at + feedback.lostPackets] as number;
    const spurious = cells[at + feedback.spuriousPackets] as number;
    this.#lossDelay.handleReport(lost, spurious, rttUs);
    if (spurious > 0) this.#takeBack(spurious, nowUs);
    this.#acked += acked + spurious;
    this.#lost += lost - spurious;
    this.lostPackets += lost;
    if (cells[at + feedback.hasSection] !== 1) {
      if (acked > 0 || lost > 0) this.#sample(nowUs, -1, 0, 0);
      return;
    }
    // Control frames alone say nothing about what the path could carry.
    if (acked === 0 && lost === 0) return;
    const arrivals = this.#arrivals;
    if (!arrivals.read(cells, at)) return;
    if (arrivals.isNewer) this.#takeMarks(cells, at);
    const tripUs = arrivals.isNewer ? this.#roundTripUs(cells, at, nowUs) : -1;
    this.#sample(nowUs, tripUs, arrivals.deliveredBytes, arrivals.deliveryUs);
  }

  /** Packets were given up. `doesCount`: they say something about the path. */
  handleGivenUp(lost: number, doesCount: boolean, nowUs: number): void {
    this.lostPackets += lost;
    // What a path swallowed as it died is no share that it loses while it lives.
    if (!doesCount) return;
    this.#lost += lost;
    if (lost > 0) this.#giveUp(lost, nowUs);
    if (this.#lost > 0) this.#sample(nowUs, -1, 0, 0);
  }

  /** The losses since the last sample were none of the path's. */
  forgetLosses(): void {
    this.#lost = 0;
  }

  /** What arrives after an idle time says nothing about the rate together with what arrived before it. */
  handleIdle(): void {
    this.#arrivals.forget();
  }

  handleSent(): void {
    this.#creditSinceUs = never;
  }

  /** Credit that nobody takes: what is delivered then says nothing about what the path could carry. */
  noteCredit(allowedBytes: number, nowUs: number): void {
    if (allowedBytes <= 0) this.#creditSinceUs = never;
    else if (this.#creditSinceUs < 0) this.#creditSinceUs = nowUs;
    else if (nowUs - this.#creditSinceUs > unusedUs) this.#isAppLimited = true;
  }

  #giveUp(lost: number, nowUs: number): void {
    this.#givenUp = nowUs - this.#givenUpUs < lateUs ? this.#givenUp + lost : lost;
    this.#givenUpUs = nowUs;
  }

  #takeBack(spurious: number, nowUs: number): void {
    if (nowUs - this.#givenUpUs > lateUs) return;
    const came = Math.min(spurious, this.#givenUp);
    this.#givenUp -= came;
    if (came > 0) this.#controller.handleSpurious(came);
  }

  #roundTripUs(cells: Float64Array, at: number, nowUs: number): number {
    const rttUs = cells[at + feedback.rttUs] as number;
    if (rttUs < 0) return rttUs;
    const shortestUs = this.#delay.roundTripUs(rttUs, cells[at + feedback.delayUs] as number, nowUs);
    this.wayBackUs = Math.max(0, rttUs - shortestUs);
    this.#controller.handleWayBack(this.wayBackUs);
    return shortestUs;
  }

  #sample(nowUs: number, rttUs: number, deliveredBytes: number, deliveryUs: number): void {
    const ackedPackets = this.#acked;
    // Packets that came after all are set against losses to come.
    const lostPackets = this.areLossesDoubted ? 0 : Math.max(0, this.#lost);
    const isAppLimited = this.#isAppLimited;
    this.#acked = 0;
    this.#lost -= lostPackets;
    this.#controller.handleSample({
      nowUs,
      rttUs,
      deliveredBytes,
      deliveryUs,
      ackedPackets,
      lostPackets,
      isAppLimited,
    });
    if (ackedPackets > 0) this.progressUs = nowUs;
    this.#isAppLimited = false;
  }

  #takeMarks(cells: Float64Array, at: number): void {
    const marks = this.#marks;
    marks.read(cells, at);
    if (marks.ecnPackets === 0) return;
    this.#controller.handleMarks(marks.ecnPackets, marks.markedPackets);
    this.ecnPackets += marks.ecnPackets;
    this.markedPackets += marks.markedPackets;
  }
}
