/** What is measured of one path: its round trips, what was sent and what arrived, what it loses by chance, and when a change shows. */
import { doubleZero, never } from '../../base/double.ts';
import { type Delivery, DeliveryHistory } from './delivery-history.ts';
import { LossFloor, type LossVerdict } from './loss-floor.ts';
import { RoundTrip } from './round-trip.ts';
import { TrainSpread } from './train-spread.ts';

/** From one acknowledgement report of the peer. */
export interface PathSample {
  readonly nowUs: number;
  /** Newest packet of this path that the report acknowledges: now - sent - the peer's delay; -1 = none. */
  readonly rttUs: number;
  /** Newly arrived since the report before, by the receiver's count. */
  readonly deliveredBytes: number;
  /** Receiver's time between the newest arrival of the report before and of this one; 0 = unknown. */
  readonly deliveryUs: number;
  readonly ackedPackets: number;
  readonly lostPackets: number;
  /** The sender did not have enough to send for this path in the interval. */
  readonly isAppLimited: boolean;
}

const firstIntervalUs = 10_000;
/** Reports farther apart say nothing of how often they come. */
const mostIntervalUs = 150_000;
const leastSpanUs = 20_000;
const mostSpanUs = 300_000;
/** For the receiver's turn, and for a report that had to wait. */
const lossMarginUs = 10_000;

export class PathGauge {
  readonly trip = new RoundTrip();
  readonly floor = new LossFloor();
  readonly #history = new DeliveryHistory();
  readonly #spread = new TrainSpread();
  #intervalUs = firstIntervalUs;
  #longIntervalUs = firstIntervalUs;
  #sampleUs = never;
  #sentBytes = doubleZero;
  #unreportedLost = 0;
  #bottleneck = doubleZero;
  #wayBackUs = doubleZero;

  /** Between two reports, smoothed. */
  get intervalUs(): number {
    return this.#intervalUs;
  }

  /** The longer ones of late. */
  get longIntervalUs(): number {
    return this.#longIntervalUs;
  }

  /** By how much the way back of reports is longer than the one that round trips are measured by (`OneWayDelay`). */
  get wayBackUs(): number {
    return this.#wayBackUs;
  }

  /** Of the last report, microseconds; `never` = none since the beginning, or since an idle time. */
  get sampleUs(): number {
    return this.#sampleUs;
  }

  /** Running total. */
  get sentBytes(): number {
    return this.#sentBytes;
  }

  /** No report has come since the beginning, or since an idle time. */
  get isIdle(): boolean {
    return this.#sampleUs < 0;
  }

  /** The bottleneck's rate if the last report showed it by itself (`train-spread.ts`), else 0. */
  get bottleneckBytesPerUs(): number {
    return this.#bottleneck;
  }

  /** False when only the sender's clock told of losses: no report came, so nothing is known of what arrived. */
  handleSample(sample: PathSample): boolean {
    const { nowUs, rttUs, deliveredBytes, deliveryUs } = sample;
    if (rttUs < 0 && deliveredBytes === 0) {
      this.#unreportedLost += sample.lostPackets;
      return false;
    }
    const elapsedUs = this.isIdle ? 0 : nowUs - this.#sampleUs;
    this.#sampleUs = nowUs;
    if (elapsedUs > 0 && elapsedUs < mostIntervalUs) this.#noteInterval(elapsedUs);
    this.#bottleneck = this.#spread.handleReport(rttUs, deliveredBytes, deliveryUs, this.trip.jitterUs);
    if (rttUs >= 0) this.trip.handleSample(rttUs, nowUs, this.#intervalUs);
    this.#history.add(nowUs, this.#sentBytes, deliveredBytes, deliveryUs, sample.isAppLimited);
    return true;
  }

  #noteInterval(elapsedUs: number): void {
    this.#intervalUs += (elapsedUs - this.#intervalUs) / 8;
    this.#longIntervalUs = Math.max(elapsedUs, this.#longIntervalUs + (elapsedUs - this.#longIntervalUs) / 8);
  }

  /** A report came back by a way that much longer. Longer ones are believed at once: until they are gone too much seems to be under way. */
  handleWayBack(longerUs: number): void {
    this.#wayBackUs = Math.max(longerUs, this.#wayBackUs + (longerUs - this.#wayBackUs) / 8);
  }

  handleSent(bytes: number): void {
    this.#sentBytes += bytes;
  }

  /** Nothing has been in flight for a while. */
  handleIdle(): void {
    this.#history.clear();
    this.#spread.forget();
    this.#sampleUs = never;
  }

  /** Judges a sample's losses and those that no report told of; `excess`: loss above the floor that begins a trial. */
  judgeLoss(sample: PathSample, excess: number): LossVerdict {
    const lost = sample.lostPackets + this.#unreportedLost;
    this.#unreportedLost = 0;
    const { nowUs, rttUs, ackedPackets } = sample;
    const newestSentUs = rttUs < 0 ? -1 : nowUs - rttUs;
    return this.floor.handleReport(ackedPackets, lost, newestSentUs, nowUs, this.lossLagUs(), excess);
  }

  /** What was lost until `untilUs` says nothing of the path. */
  forgetLosses(untilUs: number): void {
    this.#unreportedLost = 0;
    this.floor.forget(untilUs);
  }

  /** From a change of the pace to a report that shows what it did. */
  lagUs(): number {
    return this.trip.latestUs + this.#wayBackUs + this.#intervalUs / 2;
  }

  /** The same for losses: a packet counts as lost an eighth of a round trip late, at least (RFC 9002 6.1.2). */
  lossLagUs(): number {
    return 1.25 * this.lagUs() + this.#intervalUs + lossMarginUs;
  }

  /** Over which the rate is measured: chance at both ends must stay small against it. */
  spanUs(): number {
    const { minUs, jitterUs } = this.trip;
    return Math.min(mostSpanUs, Math.max(leastSpanUs, minUs / 2, 10 * jitterUs, 3 * this.#intervalUs));
  }

  /** What arrived in the last `windowUs`, and what was sent for it; one object for ever. */
  measure(windowUs: number): Delivery {
    return this.#history.measure(windowUs, this.lagUs());
  }

  /** What the bottleneck let through, in terms of what has to be sent for it. */
  arriving(delivery: Delivery): number {
    return delivery.rate / (1 - this.floor.loss);
  }

  /** Bytes sent in the last `durationUs`. */
  sentWithin(durationUs: number, nowUs: number): number {
    return this.#sentBytes - this.#history.sentAt(nowUs - durationUs);
  }
}
