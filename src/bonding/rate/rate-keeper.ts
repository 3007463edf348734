/**
 * Keeps a rate that was found (`RateSearch`) near the bottleneck's: more is sent while no queue shows, less while one does or while more is
 * lost than by chance, and now and then so little that the queue runs dry and the base of the round trip shows.
 */
import { doubleZero, never } from '../../base/double.ts';
import { DryRun } from './dry-run.ts';
import { trialPace, trialRate } from './loss-floor.ts';
import type { Pacer } from './pacer.ts';
import type { PathGauge, PathSample } from './path-gauge.ts';
import { ShallowBuffer } from './shallow-buffer.ts';

const packetBytes = 1_500;
/** A standing queue this long is wanted: while it is there, what arrives is what the bottleneck can do. */
const targetUs = 3_000;
const shallowTargetUs = 500;
const mostGrainUs = 12_000;
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

export class RateKeeper {
  readonly #gauge: PathGauge;
  readonly #pacer: Pacer;
  readonly #dryRun = new DryRun();
  readonly #shallow = new ShallowBuffer();
  /** Believed rate of the bottleneck, bytes a microsecond. */
  #rate = doubleZero;
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

  constructor(gauge: PathGauge, pacer: Pacer) {
    this.#gauge = gauge;
    this.#pacer = pacer;
  }

  get rateBytesPerUs(): number {
    return this.#rate;
  }

  /** The bottleneck's buffer holds less than the queue that is wanted elsewhere. */
  isShallow(nowUs: number): boolean {
    return this.#shallow.isKnown(nowUs);
  }

  /** A search is over and has found `rateBytesPerUs`: the queue that it made has to go first. */
  begin(rateBytesPerUs: number, nowUs: number): void {
    this.#rate = rateBytesPerUs;
    this.#dryRun.checkSoon(nowUs);
    this.#pacer.setPace(rateBytesPerUs * drainGain);
    this.#roundUs = nowUs + this.#gauge.lagUs();
  }

  /** Some of what was sent was acknowledged or lost. */
  handleSample(sample: PathSample): void {
    this.#reports += 1;
    if (sample.isAppLimited) this.#limitedReports += 1;
  }

  /** After `handleSample`; `kept` is the share of the rate that marks leave of it, 1 = all. */
  keep(sample: PathSample, kept: number): void {
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
    if (this.#dryRun.isDrying) this.#pacer.lowerTo(this.#dryRun.bytesPerUs);
    this.#tryLess(sample, delivery.rate);
    if (nowUs < this.#markedUntilUs && this.#rate > this.#markedRate) {
      this.#rate = this.#markedRate;
      this.#pacer.setPace(Math.min(this.#pacer.bytesPerUs, this.#markedRate));
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
    if (floor.isTrying) this.#pacer.lowerTo(this.#trialPace);
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
    this.#pacer.setPace(this.#rate * gain);
  }

  /** What was lost says nothing of the path: nor does a trial that is under way. */
  handleHole(): void {
    if (this.#gauge.floor.isTrying) this.#rate = Math.max(this.#rate, this.#rateBefore);
  }

  /** Nothing has been in flight for a while. */
  handleIdle(nowUs: number): void {
    this.#step = leastStep;
    this.#overUs = never;
    this.#episodeRate = 0;
    this.#dryRun.reset(nowUs);
  }
}
