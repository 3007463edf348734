/**
 * Finds the rate of a path that nothing is known of: doubles each round trip until a queue, a train that is spread, or loss that ends
 * when less is sent, shows the bottleneck.
 */
import { doubleZero, never } from '../../base/double.ts';
import type { Delivery } from './delivery-history.ts';
import { trialPace } from './loss-floor.ts';
import type { PathGauge, PathSample } from './path-gauge.ts';

const packetBytes = 1_500;
/** Enough to measure a train by; RFC 6928 gives 10, and a modem of 5 Mbit/s drains this in 50 ms. */
export const firstWindowBytes = 44 * packetBytes;
const boundWindowBytes = 4 * packetBytes;
/** 100 Mbit/s. */
export const firstBytesPerUs = 12.5;
/** Loss above the floor that begins a trial: only what an overflowing queue makes of it. */
const excess = 0.1;
const leastMeasureUs = 10_000;
const mostMeasureUs = 300_000;
/** Less is our own queue's doing. */
const notableJitterUs = 4_000;
/** Over so many sigmas what comes too close together and what comes too far apart are even. */
const measuredJitters = 10;
const slowShare = 0.7;
/**
 * So many bytes that came this many times as fast as all did on average were not held up by a bottleneck of that average: there was no
 * more to send. A delay that falls as fast as a radio's does brings packets closer together by half of it.
 */
const leastTrainBytes = 12 * packetBytes;
const trainGain = 3;
/** A queue shorter than this may be chance. */
const queueUs = 6_000;
/** One that is this long says enough by itself. */
const fullQueueUs = 30_000;
/** Who has sent less within a round trip has made no queue by it: what looks like one is a delay that varies, or somebody else's. */
const leastQueueBytes = 8 * packetBytes;
/** Rounds for which a queue may stand. */
const queueLags = 3;
/** A flow that doubles each round trip is followed when what arrived a round trip ago is exceeded by 2 / ln 2 (BBR's start-up). */
const gain = 4;
const kept = 0.85;
/** BBR's full pipe: so many rounds without a growth worth the name (draft-ietf-ccwg-bbr 5.3.1.2). */
const plateauRounds = 3;
const plateauGrowth = 1.15;
/**
 * A flow that its own window bounds never fills a path, and its bursts of several times the rate overflow what is in front of it. When a
 * round trip brings no more than others before it for so many and so long, has used this share of the rate that was seen, and something was
 * lost or waited, that is the rate: if it was more, it is found when more is sent.
 */
const settledRounds = 8;
const settledUs = 1_000_000;
const settledShare = 1 / 3;
/**
 * Flows that wait for repairs come in bursts, whose queue passes for jitter. On a path that loses by chance, what was sent this much
 * faster than it arrived, and brought no more, has met the bottleneck.
 */
const burstGain = 1.5;
const chanceLoss = 0.001;
/** One round trip's worth of queue is what a search may leave behind. */
const windowGain = 2;
/** Once a train has shown the bottleneck's rate, the search goes on this much above it: enough to see it disproved. */
const boundGain = 1.3;

export class RateSearch {
  /** The highest rate seen to arrive; once the search is over, what it found. */
  rateBytesPerUs = doubleZero;
  isOver = false;
  /** Nothing filled the path: what was lost meanwhile was not lost by an overflow. */
  isUnfilled = false;
  /** A train of data or of probes has shown a bottleneck: the rate is about right. */
  isBound = false;
  readonly #gauge: PathGauge;
  #plateauRounds = 0;
  #roundUs = doubleZero;
  #train = doubleZero;
  #trainUntilUs = doubleZero;
  #carried = doubleZero;
  #carriedUs = doubleZero;
  #settledRounds = 0;
  #settledFromUs = doubleZero;
  /** Meanwhile something was lost or waited: without that a limit in front of us, or somebody who sends evenly, bounds the flow. */
  #isPressed = false;
  #queuedSinceUs = never;
  #paceBefore = doubleZero;
  #trialPace = doubleZero;
  #isMarked = false;

  constructor(gauge: PathGauge) {
    this.#gauge = gauge;
  }

  /** Round trips' worth of the rate that may be under way: no more than the pace is above it. */
  get windowGain(): number {
    return this.isBound ? boundGain : windowGain;
  }

  /** Below this a window is too small to measure by; a path that is known to be slow needs less. */
  get leastWindowBytes(): number {
    return this.isBound ? boundWindowBytes : firstWindowBytes;
  }

  /** The pace while a bottleneck is known: bytes a microsecond. */
  get boundPace(): number {
    return this.rateBytesPerUs * boundGain;
  }

  /** Begins at what probes have shown of the bottleneck; false when data has shown more already. */
  beginAt(bytesPerUs: number): boolean {
    if (this.isOver || this.rateBytesPerUs > 0) return false;
    this.isBound = true;
    this.rateBytesPerUs = bytesPerUs;
    return true;
  }

  /** The pace wanted from now on, when it is `pace` now; both in bytes a microsecond. `isMarked`: a queue on the way says that it grows. */
  handleReport(sample: PathSample, pace: number, isMarked: boolean): number {
    const gauge = this.#gauge;
    const { nowUs } = sample;
    let delivery = gauge.measure(Math.max(leastMeasureUs, 2 * gauge.intervalUs));
    if (this.#isSwaying(delivery))
      delivery = gauge.measure(Math.min(mostMeasureUs, measuredJitters * gauge.trip.jitterUs));
    const arriving = gauge.arriving(delivery);
    const verdict = gauge.judgeLoss(sample, excess);
    if (verdict === 'begin') {
      this.#paceBefore = pace;
      this.#trialPace = trialPace(delivery.rate, this.rateBytesPerUs);
    }
    if (gauge.floor.isTrying) return this.#trialPace;
    this.#isMarked ||= isMarked;
    // A first train may be marked before anything is known of a rate.
    const isCalledFull = this.#isMarked && Math.max(arriving, this.rateBytesPerUs, gauge.bottleneckBytesPerUs) > 0;
    const isSpread = gauge.floor.loss > chanceLoss && delivery.sentRate > burstGain * arriving;
    const isFull = isCalledFull || verdict === 'overflow' || this.#isFull(sample, pace);
    const isFilled = isFull || this.#isPlateau(arriving, isSpread, nowUs);
    this.#isPressed ||= sample.lostPackets > 0 || gauge.trip.smoothedUs - gauge.trip.minUs > queueUs;
    this.isUnfilled = !isFilled && this.#isSettled(nowUs);
    if (isFilled || this.isUnfilled) {
      this.isOver = true;
      // What has arrived once can arrive again; what arrives just now may be what an overflow left over.
      this.rateBytesPerUs = Math.max(arriving, this.rateBytesPerUs * kept, gauge.bottleneckBytesPerUs * kept);
      return pace;
    }
    if (arriving > this.rateBytesPerUs * plateauGrowth) this.#plateauRounds = 0;
    const bottleneck = gauge.bottleneckBytesPerUs;
    if (bottleneck > 0) this.isBound = true;
    // Of a train of which much was lost by chance, less arrives than the bottleneck lets through.
    if (verdict === 'chance') this.isBound = false;
    this.rateBytesPerUs = Math.max(this.rateBytesPerUs, arriving, bottleneck / (1 - gauge.floor.loss));
    if (this.isBound) return this.boundPace;
    return Math.max(pace, firstBytesPerUs, gain * this.rateBytesPerUs, verdict === 'chance' ? this.#paceBefore : 0);
  }

  /**
   * While a delay that sways falls, packets come closer together than the bottleneck lets them through: 72 of 45 Mbit/s were seen, and a
   * search that knows too much never ends. What comes much more slowly than it was sent varies by our own queue.
   */
  #isSwaying(delivery: Delivery): boolean {
    const { jitterUs, swayUs, grainUs } = this.#gauge.trip;
    const isNotable = jitterUs > notableJitterUs + 2 * grainUs && swayUs > jitterUs / 2;
    return isNotable && delivery.rate > slowShare * delivery.sentRate;
  }

  /**
   * Bursts come faster than they leave, and no round brings more than the one before: the rate is found, though there was never
   * enough to send for a queue that stands.
   */
  #isPlateau(arriving: number, isSpread: boolean, nowUs: number): boolean {
    const { smoothedUs, minUs, jitterUs } = this.#gauge.trip;
    const isLate = isSpread || smoothedUs - minUs > queueUs + 2 * jitterUs;
    const isLess = arriving <= 0 || arriving < this.rateBytesPerUs / plateauGrowth;
    if (!isLate || isLess || nowUs < this.#roundUs) return false;
    this.#roundUs = nowUs + this.#gauge.lagUs();
    this.#plateauRounds += 1;
    return this.#plateauRounds > plateauRounds;
  }

  /** Once a round trip: what a whole one carries does not grow any more. */
  #isSettled(nowUs: number): boolean {
    if (nowUs < this.#carriedUs) return false;
    const gauge = this.#gauge;
    const roundUs = gauge.lagUs();
    this.#carriedUs = nowUs + roundUs;
    const carried = gauge.arriving(gauge.measure(Math.min(mostMeasureUs, Math.max(roundUs, gauge.spanUs()))));
    const hasGrown = carried > this.#carried * plateauGrowth;
    if (hasGrown) this.#carried = carried;
    if (hasGrown || carried < this.rateBytesPerUs * settledShare) {
      this.#isPressed = false;
      this.#settledRounds = 0;
      this.#settledFromUs = nowUs;
      return false;
    }
    this.#settledRounds += 1;
    return this.#isPressed && this.#settledRounds >= settledRounds && nowUs - this.#settledFromUs >= settledUs;
  }

  /** Of the fastest train of the last round trip, bytes a microsecond; 0 = none came. */
  #trainRate({ nowUs, deliveredBytes, deliveryUs }: PathSample): number {
    if (nowUs > this.#trainUntilUs) this.#train = 0;
    const rate = deliveredBytes >= leastTrainBytes && deliveryUs > 0 ? deliveredBytes / deliveryUs : 0;
    if (rate > this.#train) {
      this.#train = rate;
      this.#trainUntilUs = nowUs + this.#gauge.lagUs();
    }
    return this.#train;
  }

  /** A queue shows, and less arrives than was sent: with much jitter either alone is chance. */
  #isFull(sample: PathSample, pace: number): boolean {
    const gauge = this.#gauge;
    const { nowUs } = sample;
    const standingUs = gauge.trip.queueUs - 2 * gauge.trip.uncertaintyUs;
    const isOurs = this.isBound || gauge.sentWithin(gauge.lagUs(), nowUs) >= leastQueueBytes;
    if (standingUs < queueUs || !isOurs) {
      this.#queuedSinceUs = never;
      return false;
    }
    if (this.#queuedSinceUs < 0) this.#queuedSinceUs = nowUs;
    const delivery = gauge.measure(gauge.spanUs());
    if (delivery.rate <= 0) return false;
    if (this.#trainRate(sample) > delivery.rate * trainGain) return false;
    const isStanding = delivery.sentRate > 0.3 * pace && nowUs - this.#queuedSinceUs > queueLags * gauge.lagUs();
    // Who sends no more than arrives, and finds a queue all the same, fills the path by a window: an inner flow, for one.
    return isStanding || standingUs > fullQueueUs || delivery.sentRate > 1.1 * gauge.arriving(delivery);
  }
}
