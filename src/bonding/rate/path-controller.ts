/**
 * How fast one path may be used: learns the bottleneck's rate from what the receiver says arrived, and keeps the queue in front of
 * it at a few milliseconds. Pure: times are arguments. docs/adr/0004-sending-controller.md says why this way.
 */
import { doubleZero, never } from '../../base/double.ts';
import { DryRun } from './dry-run.ts';
import { HoldTime } from './hold-time.ts';
import { trialPace, trialRate } from './loss-floor.ts';
import { LossShare } from './loss-share.ts';
import { MarkResponse } from './mark-response.ts';
import { Pacer } from './pacer.ts';
import { PathGauge, type PathSample } from './path-gauge.ts';
import { firstBytesPerUs, firstWindowBytes, RateSearch } from './rate-search.ts';
import { ShallowBuffer } from './shallow-buffer.ts';

export type { PathSample } from './path-gauge.ts';

export interface PathControllerOptions {
  /** Upper bound, bits a second; 0 = none. */
  readonly configuredBps: number;
}

const packetBytes = 1_500;
/** Packets over which the loss is smoothed that schedulers see, and that queues are made for: flows feel the latter for longer. */
const lossMemory = 500;
const lastingLossMemory = 4_000;
/** 0.8 Mbit/s: whatever was measured, a path that lives is tried with so much. */
const leastBytesPerUs = 0.1;
const floorBytes = 4 * packetBytes;
/** A standing queue this long is wanted: while it is there, what arrives is what the bottleneck can do. */
const targetUs = 3_000;
const shallowTargetUs = 500;
const mostGrainUs = 12_000;
const windowSlackUs = 6_000;
const leastStep = 0.01;
const mostStep = 0.25;
/** Loss above the floor that begins a trial. */
const trialExcess = 0.015;
/** A cut by more takes two, so that one odd measurement does not ruin a path. */
const mostCut = 0.6;
/** After the search the queue that it made has to go. */
const drainGain = 0.6;
/** Of the rate: what a dry run takes for the bottleneck's, at least. */
const leastDryShare = 0.5;
/** Of a rate that was too much: from here on it is near, and from there on passed. */
const ceilingNear = 0.9;
const ceilingPassed = 1.05;
const burstUs = 25_000;
/** Half more each round trip: less than a search takes, and enough to find a rate by a flow that does not yield. */
const burstGain = 1.5;

export class PathController {
  readonly #gauge = new PathGauge();
  readonly #search = new RateSearch(this.#gauge);
  readonly #hold = new HoldTime(this.#gauge);
  readonly #pacer = new Pacer();
  readonly #loss = new LossShare(lossMemory);
  readonly #lastingLoss = new LossShare(lastingLossMemory);
  readonly #dryRun = new DryRun();
  readonly #marks = new MarkResponse();
  readonly #shallow = new ShallowBuffer();
  readonly #mostBytesPerUs: number;
  #rate = doubleZero;
  #rateUs = doubleZero;
  #windowBytes = firstWindowBytes;
  #step = leastStep;
  #roundUs = doubleZero;
  #reports = 0;
  #limitedReports = 0;
  #isOverRound = false;
  /** The rate before a trial of sending less, and the one that it supposes. */
  #rateBefore = doubleZero;
  #trialRate = doubleZero;
  #trialPace = doubleZero;
  /** The rate before a queue showed; 0 = none does. */
  #episodeRate = doubleZero;
  /** Since when less arrives than was sent; `never`: it does not. */
  #overUs = never;
  #comingUs = doubleZero;
  /** The rate after marks, and until when no more is believed: what arrives until then was sent before. */
  #markedRate = doubleZero;
  #markedUntilUs = doubleZero;
  /** The rate that was marked, or that a short buffer did not hold; 0 = none of late. */
  #ceilingRate = doubleZero;
  #inFlightBytes = doubleZero;

  constructor(options: PathControllerOptions) {
    this.#mostBytesPerUs = options.configuredBps > 0 ? options.configuredBps / 8e6 : Number.POSITIVE_INFINITY;
    this.#pacer.setPace(Math.min(firstBytesPerUs, this.#mostBytesPerUs));
  }

  /** Still looking for the rate, and has seen no bottleneck yet: what waits meanwhile says nothing about who sends too much. */
  get isStarting(): boolean {
    return !this.#search.isOver && !this.#search.isBound;
  }

  /** The bottleneck's buffer holds less than the queue that is wanted elsewhere. */
  get isShallow(): boolean {
    return this.#shallow.isKnown(this.#gauge.sampleUs);
  }

  /** Believed rate of the bottleneck; 0 = unknown. */
  get rateBytesPerUs(): number {
    return this.#rate;
  }

  /** When the path was last so full that its rate was measured and not merely kept, microseconds; 0 = never. */
  get rateUs(): number {
    return this.#rateUs;
  }

  get minRttUs(): number {
    return this.#gauge.trip.minUs;
  }

  get smoothedRttUs(): number {
    return this.#gauge.trip.smoothedUs;
  }

  get jitterUs(): number {
    return this.#gauge.trip.jitterUs;
  }

  /** Reports come back by a way that much longer than `minRttUs` and `smoothedRttUs` have it. */
  get wayBackUs(): number {
    return this.#gauge.wayBackUs;
  }

  get queueDelayUs(): number {
    return this.#gauge.trip.queueUs;
  }

  /** Smoothed, 0 to 1. */
  get loss(): number {
    return this.#loss.value;
  }

  /** The same as far as it is the path's own: what a search for the rate overflows is ours, until a trial has shown that it stays. */
  get ownLoss(): number {
    return this.#search.isOver ? this.loss : Math.min(this.loss, this.#gauge.floor.loss);
  }

  /** The same, but a while without a loss does not make it small. */
  get lastingLoss(): number {
    return Math.max(this.#loss.value, this.#lastingLoss.value);
  }

  /** Sent within the last round trip and so much before: no report need have named it. */
  freshBytes(waitUs: number, nowUs: number): number {
    return this.#gauge.sentWithin(this.smoothedRttUs + waitUs, nowUs);
  }

  get paceBytesPerUs(): number {
    return this.#pacer.bytesPerUs;
  }

  handleSample(sample: PathSample): void {
    const { nowUs } = sample;
    this.#loss.handleReport(sample.ackedPackets, sample.lostPackets, nowUs);
    this.#lastingLoss.handleReport(sample.ackedPackets, sample.lostPackets, nowUs);
    if (!this.#gauge.handleSample(sample)) return;
    this.#reports += 1;
    if (sample.isAppLimited) this.#limitedReports += 1;
    else this.#rateUs = nowUs;
    this.#pacer.refill(nowUs);
    this.#gauge.trip.grainUs = this.#rate > 0 ? packetBytes / this.#rate : 0;
    const kept = this.#marks.answer(sample.isAppLimited, nowUs, this.#gauge.lossLagUs());
    if (this.#search.isOver) this.#cruise(sample, kept);
    else this.#seek(sample, kept < 1);
    this.#pacer.isEven = this.#gauge.floor.isTrying || this.#shallow.isKnown(nowUs);
    this.#hold.handleReport(this.#inFlightBytes, nowUs);
    this.#setWindow();
  }

  /** Before the sample of a report that came back by a way that much longer than the shortest. */
  handleWayBack(longerUs: number): void {
    this.#gauge.handleWayBack(longerUs);
  }

  /** So many packets that counted as lost, because nothing was heard of them, have come after all. */
  handleSpurious(packets: number): void {
    this.#loss.takeBack(packets);
    this.#lastingLoss.takeBack(packets);
  }

  /** Packets with an ECN field that arrived, and those of them that a queue on the way has marked; before the report's sample. */
  handleMarks(ecnPackets: number, markedPackets: number): void {
    this.#marks.note(ecnPackets, markedPackets);
  }

  /** Bytes that may be sealed at `nowUs`, when so many wait for this path and others; zero or less: none. */
  allowedBytes(nowUs: number, inFlightBytes: number, waitingBytes: number): number {
    this.#inFlightBytes = inFlightBytes;
    return Math.min(this.#pacer.refill(nowUs), this.#windowBytes - inFlightBytes, this.#burstBytes(waitingBytes));
  }

  /**
   * While a rate is being found, the pace is several times what arrives: right for a flow that grows by what is acknowledged, too
   * much for a queue that waits already, as after the death of another path. What is known of the rate bounds that one.
   */
  #burstBytes(waitingBytes: number): number {
    const rate = this.#rate;
    if (this.#search.isOver || rate === 0 || waitingBytes < rate * burstUs) return Number.POSITIVE_INFINITY;
    // Little traffic has shown little of the rate.
    return Math.max(firstWindowBytes, burstGain * rate * (this.#gauge.trip.minUs + burstUs)) - this.#inFlightBytes;
  }

  spend(bytes: number): void {
    this.#gauge.handleSent(bytes);
    this.#pacer.spend(bytes);
  }

  /** Microseconds after which `allowedBytes` is worth asking again. */
  retryUs(): number {
    return this.#pacer.retryUs();
  }

  /**
   * Round trip of a probe, there and back by this path. It serves until data has been acknowledged: reports come back by the
   * nearest path, and the difference must not look like a queue. That it came back at all speaks against losses of long ago.
   */
  handleProbe(rttUs: number, nowUs: number): void {
    this.#loss.handleProbe(nowUs);
    if (this.#gauge.isIdle) this.#gauge.trip.handleSample(rttUs, nowUs, this.#gauge.intervalUs);
  }

  /** What probes have shown of the bottleneck (`ProbeTrain`), 0 = nothing: where the search for the rate begins. */
  handleBottleneck(bytesPerUs: number): void {
    if (bytesPerUs === 0 || !this.#search.beginAt(bytesPerUs)) return;
    this.#rate = bytesPerUs;
    this.#setPace(this.#search.boundPace);
    this.#setWindow();
  }

  /** What was lost since its loss was `share` was longer than the path takes: that says nothing about the path. */
  handleHole(share: number, nowUs: number): void {
    const untilUs = nowUs + this.#gauge.lossLagUs();
    this.#loss.forgive(share, untilUs);
    this.#lastingLoss.forgive(Math.max(share, this.#gauge.floor.loss), untilUs);
    if (this.#gauge.floor.isTrying && this.#search.isOver) this.#rate = Math.max(this.#rate, this.#rateBefore);
    this.#gauge.forgetLosses(untilUs);
  }

  /** Nothing has been in flight for a while. */
  handleIdle(nowUs: number): void {
    this.#gauge.handleIdle();
    this.#step = leastStep;
    this.#overUs = never;
    this.#episodeRate = 0;
    this.#dryRun.reset(nowUs);
  }

  #seek(sample: PathSample, isMarked: boolean): void {
    const { nowUs } = sample;
    const gauge = this.#gauge;
    const pace = this.#search.handleReport(sample, this.#pacer.bytesPerUs, isMarked);
    this.#rate = this.#search.rateBytesPerUs;
    if (!this.#search.isOver) {
      this.#setPace(pace);
      return;
    }
    gauge.trip.forgetJitter();
    if (!this.#search.isUnfilled) {
      this.#loss.forgive(gauge.floor.loss, nowUs + gauge.lossLagUs());
      this.#lastingLoss.forgive(gauge.floor.loss, nowUs + gauge.lossLagUs());
    }
    this.#dryRun.checkSoon(nowUs);
    this.#setPace(this.#rate * drainGain);
    this.#roundUs = nowUs + gauge.lagUs();
  }

  #cruise(sample: PathSample, kept: number): void {
    const { nowUs } = sample;
    if (kept < 1) this.#yield(kept, nowUs);
    const gauge = this.#gauge;
    const { trip } = gauge;
    const spanUs = gauge.spanUs();
    const delivery = gauge.measure(spanUs);
    const arriving = gauge.arriving(delivery);
    if (arriving <= 0) return;
    // What a packet more or less at both ends, a quantum and the jitter do to a rate.
    const noise = (trip.jitterUs + 2_000 + packetBytes / arriving) / spanUs;
    const chance = 1.5 * noise + (1.5 * trip.jitterUs) / spanUs;
    if (delivery.sentRate <= arriving * (1.02 + chance)) this.#overUs = never;
    else if (this.#overUs < 0) this.#overUs = nowUs;
    if (this.#dryRun.isUnderWay || gauge.floor.isTrying) this.#overUs = never;
    this.#predict(nowUs);
    const target = this.#targetUs(nowUs) + 2 * trip.uncertaintyUs;
    if (trip.queueUs > target) this.#queueIs(arriving, delivery.sentRate, noise, nowUs);
    else this.#noQueueIs(arriving, delivery.sentRate, noise, nowUs);
    const { queueUs, uncertaintyUs } = trip;
    // What arrives may be little because little was sent: with less than that no report would come to end a dry run by.
    const dryable = Math.max(arriving, this.#rate * leastDryShare);
    if (this.#dryRun.handleReport(nowUs, queueUs, uncertaintyUs, target, gauge.lagUs() + spanUs, dryable)) {
      trip.rebase(nowUs);
      this.#rate = Math.max(this.#rate, this.#episodeRate);
    }
    if (this.#dryRun.isDrying) this.#pacer.setPace(Math.min(this.#pacer.bytesPerUs, this.#dryRun.bytesPerUs));
    this.#tryLess(sample, delivery.rate);
    if (nowUs < this.#markedUntilUs && this.#rate > this.#markedRate) {
      this.#rate = this.#markedRate;
      this.#setPace(Math.min(this.#pacer.bytesPerUs, this.#markedRate));
    }
  }

  /** A queue on the way has marked packets: others want some of it. */
  #yield(kept: number, nowUs: number): void {
    this.#ceilingRate = this.#rate;
    this.#markedRate = this.#rate * kept;
    this.#markedUntilUs = nowUs + this.#gauge.lagUs() + this.#gauge.spanUs();
    this.#episodeRate = Math.min(this.#episodeRate, this.#markedRate);
    this.#rateBefore = Math.min(this.#rateBefore, this.#markedRate);
    this.#step = leastStep;
  }

  /** Loss above what is known as chance: less is sent for a while to see whether it ends. */
  #tryLess(sample: PathSample, arrivedRate: number): void {
    const { floor } = this.#gauge;
    const verdict = this.#gauge.judgeLoss(sample, trialExcess);
    if (verdict === 'begin') {
      this.#rateBefore = this.#rate;
      this.#trialRate = trialRate(arrivedRate, this.#rate);
      this.#trialPace = trialPace(arrivedRate, this.#rate);
      this.#step = leastStep;
    }
    if (verdict === 'overflow') this.#rate = Math.min(this.#rate, Math.max(this.#rate * 0.7, this.#trialRate));
    const { queueUs, uncertaintyUs, grainUs } = this.#gauge.trip;
    const isShallow = this.#shallow.handleReport(verdict, queueUs + uncertaintyUs, targetUs + grainUs, sample.nowUs);
    if (isShallow) this.#ceilingRate = this.#rate;
    if (verdict === 'chance') this.#rate = Math.max(this.#rate, this.#rateBefore);
    if (floor.isTrying) this.#pacer.setPace(Math.min(this.#pacer.bytesPerUs, this.#trialPace));
  }

  #queueIs(arriving: number, sentRate: number, noise: number, nowUs: number): void {
    if (this.#episodeRate === 0) this.#episodeRate = this.#rate;
    this.#step = leastStep;
    const isOver = this.#overUs >= 0 && nowUs - this.#overUs > this.#gauge.spanUs();
    // A stall makes one gap in what arrives; a slower bottleneck shows for as long as too much is sent.
    if (isOver && arriving < this.#rate) {
      this.#rate = Math.max(arriving, this.#rate * mostCut);
      this.#overUs = nowUs;
      this.#dryRun.reset(nowUs);
    } // More arrives than was sent: the queue drains, and at the bottleneck's rate.
    else if (arriving > sentRate * (1 + noise / 2)) this.#rate += (arriving - this.#rate) / 8;
    // Neither: on average a queue lets through what the bottleneck can do.
    else if (sentRate > 0.97 * this.#rate)
      this.#rate += (arriving - this.#rate) * Math.min(0.1, this.#gauge.intervalUs / (4 * this.#gauge.spanUs()));
    this.#pace(1 - Math.max(-0.05, Math.min(0.5, this.#gain() * (this.#comingUs - this.#targetUs(nowUs) / 2))));
  }

  #noQueueIs(arriving: number, sentRate: number, noise: number, nowUs: number): void {
    const isShort = this.#gauge.trip.queueUs < this.#targetUs(nowUs) / 2 + this.#gauge.trip.uncertaintyUs;
    this.#episodeRate = 0;
    // Without a queue no more arrives than was sent: what seems more is chance.
    const shown = Math.min(arriving, sentRate);
    if (shown > this.#rate) this.#rate += ((shown - this.#rate) * 0.5) / (1 + 5 * noise);
    this.#isOverRound ||= this.#overUs >= 0;
    if (nowUs >= this.#roundUs) {
      this.#roundUs = nowUs + this.#gauge.lagUs();
      const isQuiet = isShort && 2 * this.#limitedReports < this.#reports && !this.#isOverRound;
      this.#step = isQuiet ? Math.min(this.#mostStep(), this.#step * 2) : leastStep;
      this.#reports = 0;
      this.#limitedReports = 0;
      this.#isOverRound = false;
    }
    this.#pace(1 + (isShort ? this.#step : this.#gain() * (this.#targetUs(nowUs) - this.#comingUs)));
  }

  /** Near a rate that was too much probing is gentle; well above it, it was another time's. */
  #mostStep(): number {
    if (this.#rate > this.#ceilingRate * ceilingPassed) this.#ceilingRate = 0;
    return this.#rate > this.#ceilingRate * ceilingNear && this.#ceilingRate > 0 ? leastStep : mostStep;
  }

  /** The queue that the last round trip's sending will have made, which no report can have told yet (Smith 1957). */
  #predict(nowUs: number): void {
    const lagUs = this.#gauge.lagUs() + this.#gauge.trip.levelLagUs;
    const sent = this.#gauge.sentWithin(lagUs, nowUs);
    this.#comingUs = Math.max(0, this.#gauge.trip.queueUs + (this.#rate > 0 ? sent / this.#rate - lagUs : 0));
  }

  /** A probe is small: a full packet alone takes so much longer, and two of them would look like a queue. */
  #targetUs(nowUs: number): number {
    return (
      (this.#shallow.isKnown(nowUs) ? shallowTargetUs : targetUs) + Math.min(mostGrainUs, this.#gauge.trip.grainUs)
    );
  }

  /** Share of the rate for each microsecond of queue; a doubtful queue is corrected slowly, and bounded by the window meanwhile. */
  #gain(): number {
    return (0.5 / this.#gauge.spanUs()) * (targetUs / (targetUs + this.#gauge.trip.uncertaintyUs));
  }

  #pace(gain: number): void {
    this.#setPace(this.#rate * gain);
  }

  #setPace(bytesPerUs: number): void {
    this.#pacer.setPace(Math.min(this.#mostBytesPerUs, Math.max(bytesPerUs, leastBytesPerUs)));
  }

  #setWindow(): void {
    if (this.#rate === 0) return;
    const { trip } = this.#gauge;
    // What arrived counts as in flight until the next report, and none of it may keep new data from leaving.
    const tripUs = trip.baseUs + this.#gauge.wayBackUs + this.#gauge.longIntervalUs;
    const slackUs = windowSlackUs + trip.jitterUs / 2;
    // While the rate is sought, what stays in flight for long is queue and loss of our own making.
    this.#windowBytes = this.#search.isOver
      ? Math.max(floorBytes, this.#pacer.bytesPerUs * (Math.max(tripUs, this.#hold.leastUs) + slackUs) * 1.08)
      : Math.max(this.#search.leastWindowBytes, this.#rate * (tripUs + slackUs) * this.#search.windowGain);
  }
}
