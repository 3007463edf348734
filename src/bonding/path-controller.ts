/**
 * How fast one path may be used: learns the bottleneck's rate from what the receiver says arrived, and keeps the queue in front of
 * it at a few milliseconds. Pure: times are arguments. docs/adr/0004-sending-controller.md says why this way.
 */
import { type Delivery, DeliveryHistory } from './delivery-history.ts';
import { DryRun } from './dry-run.ts';
import { LossFloor, type LossVerdict } from './loss-floor.ts';
import { LossShare } from './loss-share.ts';
import { Pacer } from './pacer.ts';
import { RoundTrip } from './round-trip.ts';
import { TrainSpread } from './train-spread.ts';
import { WindowedMinimum } from './windowed-extreme.ts';

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

export interface PathControllerOptions {
  /** Upper bound, bits a second; 0 = none. */
  readonly configuredBps: number;
}

/** Rounds for which a queue may stand in the beginning. */
const startQueueLags = 3;
const packetBytes = 1_500;
/** 0.8 Mbit/s: whatever was measured, a path that lives is tried with so much. */
const leastBytesPerUs = 0.1;
const floorBytes = 4 * packetBytes;
/** Enough to measure a train by; RFC 6928 gives 10, and a modem of 5 Mbit/s drains this in 50 ms. */
const firstWindowBytes = 44 * packetBytes;
const firstBytesPerUs = 12.5;
/** A standing queue this long is wanted: while it is there, what arrives is what the bottleneck can do. */
const targetUs = 3_000;
const mostGrainUs = 12_000;
const windowSlackUs = 6_000;
const leastStep = 0.01;
const mostStep = 0.25;
/** Loss above the floor that begins a trial; while the rate doubles only what an overflowing queue makes of it. */
const cruiseExcess = 0.015;
const startExcess = 0.1;
/** As the least round trip is remembered, and for the same reason. */
const holdWindowUs = 10_000_000;
/** A cut by more takes two, so that one odd measurement does not ruin a path. */
const mostCut = 0.6;
/** A flow that doubles each round trip is followed when what arrived a round trip ago is exceeded by 2 / ln 2 (BBR's start-up). */
const startGain = 4;
const startKept = 0.85;
/** BBR's full pipe: so many rounds without a growth worth the name (draft-ietf-ccwg-bbr 5.3.1.2). */
const plateauRounds = 3;
const plateauGrowth = 1.15;
/** One round trip's worth of queue is what a search may leave behind. */
const startWindowGain = 2;
/** Once a train has shown the bottleneck's rate, the search goes on this much above it: enough to see it disproved. */
const boundGain = 1.3;
const burstUs = 25_000;
/** Half more each round trip: less than a search takes, and enough to find a rate by a flow that does not yield. */
const burstGain = 1.5;
const trialGain = 0.96;
const leastTrialShare = 0.5;

export class PathController {
  readonly #history = new DeliveryHistory();
  readonly #pacer = new Pacer();
  readonly #trip = new RoundTrip();
  readonly #floor = new LossFloor();
  readonly #loss = new LossShare();
  readonly #dryRun = new DryRun();
  readonly #spread = new TrainSpread();
  readonly #hold = new WindowedMinimum(holdWindowUs);
  readonly #mostBytesPerUs: number;
  #isStarting = true;
  /** While it starts: a train has shown a bottleneck. */
  #isBound = false;
  #plateauRounds = 0;
  #queuedSinceUs = -1;
  #rate = 0;
  #unreportedLost = 0;
  #intervalUs = 10_000;
  #sampleUs = -1;
  #sentBytes = 0;
  #windowBytes = firstWindowBytes;
  #step = leastStep;
  #roundUs = 0;
  #reports = 0;
  #limitedReports = 0;
  #isOverRound = false;
  /** The rate before a trial of sending less, and before a queue showed (0: there is none). */
  #rateBefore = 0;
  #trialBytesPerUs = 0;
  #episodeRate = 0;
  /** Since when less arrives than was sent; -1: it does not. */
  #overUs = -1;
  #comingUs = 0;
  #inFlightBytes = 0;
  #smoothedHoldUs = 0;
  #holdUs = 0;

  constructor(options: PathControllerOptions) {
    this.#mostBytesPerUs = options.configuredBps > 0 ? options.configuredBps / 8e6 : Number.POSITIVE_INFINITY;
    this.#pacer.setPace(Math.min(firstBytesPerUs, this.#mostBytesPerUs));
  }

  /** Still looking for the rate, and has seen no bottleneck yet: what waits meanwhile says nothing about who sends too much. */
  get isStarting(): boolean {
    return this.#isStarting && !this.#isBound;
  }

  /** Believed rate of the bottleneck; 0 = unknown. */
  get rateBytesPerUs(): number {
    return this.#rate;
  }

  get minRttUs(): number {
    return this.#trip.minUs;
  }

  get smoothedRttUs(): number {
    return this.#trip.smoothedUs;
  }

  get jitterUs(): number {
    return this.#trip.jitterUs;
  }

  get queueDelayUs(): number {
    return this.#trip.queueUs;
  }

  /** Smoothed, 0 to 1. */
  get loss(): number {
    return this.#loss.value;
  }

  get windowBytes(): number {
    return this.#windowBytes;
  }

  get paceBytesPerUs(): number {
    return this.#pacer.bytesPerUs;
  }

  handleSample(sample: PathSample): void {
    this.#loss.handleReport(sample.ackedPackets, sample.lostPackets, sample.nowUs);
    // Only the sender's clock told of these losses: no report came, so nothing is known of what arrived.
    if (sample.rttUs < 0 && sample.deliveredBytes === 0) {
      this.#unreportedLost += sample.lostPackets;
      return;
    }
    this.#noteTime(sample.nowUs);
    const bottleneck = this.#isStarting ? this.#bottleneckOf(sample) : 0;
    if (sample.rttUs >= 0) this.#trip.handleSample(sample.rttUs, sample.nowUs, this.#intervalUs);
    this.#history.add(sample.nowUs, this.#sentBytes, sample.deliveredBytes, sample.deliveryUs, sample.isAppLimited);
    this.#reports += 1;
    if (sample.isAppLimited) this.#limitedReports += 1;
    this.#pacer.refill(sample.nowUs);
    this.#trip.grainUs = this.#rate > 0 ? packetBytes / this.#rate : 0;
    if (this.#isStarting) this.#start(sample, bottleneck);
    else this.#cruise(sample);
    this.#noteHold(sample.nowUs);
    this.#setWindow();
  }

  /**
   * How long a byte counts as in flight when no queue holds it: longer than the round trip of the newest packets when others take
   * longer than those, or are lost and wait to be declared so (Little 1961).
   */
  #noteHold(nowUs: number): void {
    const lagUs = Math.max(20_000, this.#lagUs());
    const sent = this.#sentBytes - this.#history.sentAt(nowUs - lagUs);
    if (sent < floorBytes) return;
    const queueUs = Math.max(0, this.#trip.queueUs - 2 * this.#trip.uncertaintyUs);
    const holdUs = (this.#inFlightBytes * lagUs) / sent - queueUs;
    const share = Math.min(1, this.#intervalUs / (100_000 + 40 * this.#trip.jitterUs));
    this.#smoothedHoldUs += (holdUs - this.#smoothedHoldUs) * (this.#smoothedHoldUs === 0 ? 1 : share);
    this.#hold.add(this.#smoothedHoldUs, nowUs);
    this.#holdUs = this.#hold.least(nowUs);
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
    if (!this.#isStarting || rate === 0 || waitingBytes < rate * burstUs) return Number.POSITIVE_INFINITY;
    // Little traffic has shown little of the rate.
    return Math.max(firstWindowBytes, burstGain * rate * (this.#trip.minUs + burstUs)) - this.#inFlightBytes;
  }

  spend(bytes: number): void {
    this.#sentBytes += bytes;
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
    if (this.#sampleUs < 0) this.#trip.handleSample(rttUs, nowUs, this.#intervalUs);
  }

  /** Nothing has been in flight for a while. */
  handleIdle(nowUs: number): void {
    this.#history.clear();
    this.#spread.forget();
    this.#sampleUs = -1;
    this.#step = leastStep;
    this.#overUs = -1;
    this.#episodeRate = 0;
    this.#dryRun.reset(nowUs);
  }

  #noteTime(nowUs: number): void {
    const elapsedUs = this.#sampleUs < 0 ? 0 : nowUs - this.#sampleUs;
    this.#sampleUs = nowUs;
    if (elapsedUs > 0 && elapsedUs < 100_000) this.#intervalUs += (elapsedUs - this.#intervalUs) / 8;
  }

  /** From a change of the pace to a report that shows what it did. */
  #lagUs(): number {
    return this.#trip.latestUs + this.#intervalUs / 2;
  }

  /** Over which the rate is measured: chance at both ends must stay small against it. */
  #spanUs(): number {
    return Math.min(300_000, Math.max(20_000, this.#trip.minUs / 2, 10 * this.#trip.jitterUs, 3 * this.#intervalUs));
  }

  #bottleneckOf({ rttUs, deliveredBytes, deliveryUs }: PathSample): number {
    return this.#spread.handleReport(rttUs, deliveredBytes, deliveryUs, this.#trip.jitterUs);
  }

  /** Doubles each round trip until a queue, or loss that ends when less is sent, shows. */
  #start(sample: PathSample, bottleneck: number): void {
    const { nowUs } = sample;
    const delivery = this.#history.measure(Math.max(10_000, 2 * this.#intervalUs), this.#lagUs());
    const arriving = this.#arriving(delivery);
    const verdict = this.#noteLoss(sample, startExcess);
    if (verdict === 'begin') this.#rateBefore = this.#pacer.bytesPerUs;
    if (verdict === 'begin') this.#beginTrial(delivery.rate);
    if (this.#floor.isTrying) this.#pacer.setPace(this.#trialBytesPerUs);
    if (this.#floor.isTrying) return;
    if (verdict === 'overflow' || this.#isFull(nowUs) || this.#isPlateau(arriving, nowUs)) {
      this.#isStarting = false;
      this.#trip.forgetJitter();
      this.#loss.forgive(this.#floor.loss, nowUs + this.#lossLagUs());
      this.#dryRun.checkSoon(nowUs);
      // What has arrived once can arrive again; what arrives just now may be what an overflow left over.
      this.#rate = Math.max(arriving, this.#rate * startKept);
      this.#pace(0.6);
      this.#roundUs = nowUs + this.#lagUs();
      return;
    }
    if (arriving > this.#rate * plateauGrowth) this.#plateauRounds = 0;
    if (bottleneck > 0) this.#isBound = true;
    // Of a train of which much was lost by chance, less arrives than the bottleneck lets through.
    if (verdict === 'chance') this.#isBound = false;
    this.#rate = Math.max(this.#rate, arriving, bottleneck / (1 - this.#floor.loss));
    if (this.#isBound) {
      this.#pace(boundGain);
      return;
    }
    const pace = Math.max(firstBytesPerUs, startGain * this.#rate, verdict === 'chance' ? this.#rateBefore : 0);
    if (pace > this.#pacer.bytesPerUs) this.#pacer.setPace(Math.min(this.#mostBytesPerUs, pace));
  }

  /**
   * Bursts come faster than they leave, and no round brings more than the one before: the rate is found, though there was never
   * enough to send for a queue that stands.
   */
  #isPlateau(arriving: number, nowUs: number): boolean {
    const isLate = this.#trip.smoothedUs - this.#trip.minUs > 2 * (targetUs + this.#trip.jitterUs);
    if (!isLate || arriving <= 0 || arriving < this.#rate / plateauGrowth || nowUs < this.#roundUs) return false;
    this.#roundUs = nowUs + this.#lagUs();
    this.#plateauRounds += 1;
    return this.#plateauRounds > plateauRounds;
  }

  /** A packet counts as lost an eighth of a round trip late, at least (RFC 9002 6.1.2). */
  #lossLagUs(): number {
    return 1.25 * this.#lagUs() + this.#intervalUs + 10_000;
  }

  #noteLoss(sample: PathSample, excess: number): LossVerdict {
    const effectUs = this.#lossLagUs();
    const lost = sample.lostPackets + this.#unreportedLost;
    this.#unreportedLost = 0;
    return this.#floor.handleReport(sample.ackedPackets, lost, sample.nowUs, effectUs, excess);
  }

  /** A queue shows, and less arrives than was sent: with much jitter either alone is chance. */
  #isFull(nowUs: number): boolean {
    const queueUs = this.#trip.queueUs - 2 * this.#trip.uncertaintyUs;
    if (queueUs < 2 * targetUs) {
      this.#queuedSinceUs = -1;
      return false;
    }
    if (this.#queuedSinceUs < 0) this.#queuedSinceUs = nowUs;
    const delivery = this.#history.measure(this.#spanUs(), this.#lagUs());
    const isUsed = delivery.rate > 0 && delivery.sentRate > 0.3 * this.#pacer.bytesPerUs;
    const isStanding = isUsed && nowUs - this.#queuedSinceUs > startQueueLags * this.#lagUs();
    // Who sends no more than arrives, and finds a queue all the same, fills the path by a window: an inner flow, for one.
    if (isStanding || (delivery.rate > 0 && queueUs > 10 * targetUs)) return true;
    return delivery.rate > 0 && delivery.sentRate > 1.1 * this.#arriving(delivery);
  }

  /** What the bottleneck let through, in terms of what has to be sent for it. */
  #arriving(delivery: Delivery): number {
    return delivery.rate / (1 - this.#floor.loss);
  }

  #cruise(sample: PathSample): void {
    const { nowUs } = sample;
    const spanUs = this.#spanUs();
    const delivery = this.#history.measure(spanUs, this.#lagUs());
    const arriving = this.#arriving(delivery);
    if (arriving <= 0) return;
    // What a packet more or less at both ends, a quantum and the jitter do to a rate.
    const noise = (this.#trip.jitterUs + 2_000 + packetBytes / arriving) / spanUs;
    const chance = 1.5 * noise + (1.5 * this.#trip.jitterUs) / spanUs;
    if (delivery.sentRate <= arriving * (1.02 + chance)) this.#overUs = -1;
    else if (this.#overUs < 0) this.#overUs = nowUs;
    if (this.#dryRun.isUnderWay || this.#floor.isTrying) this.#overUs = -1;
    this.#predict(nowUs);
    const target = this.#targetUs() + 2 * this.#trip.uncertaintyUs;
    if (this.#trip.queueUs > target) this.#queueIs(arriving, delivery.sentRate, noise, nowUs);
    else this.#noQueueIs(arriving, delivery.sentRate, noise, nowUs);
    const { queueUs, uncertaintyUs } = this.#trip;
    if (this.#dryRun.handleReport(nowUs, queueUs, uncertaintyUs, target, this.#lagUs() + spanUs, arriving)) {
      this.#trip.rebase(nowUs);
      this.#rate = Math.max(this.#rate, this.#episodeRate);
    }
    if (this.#dryRun.isDrying) this.#pacer.setPace(Math.min(this.#pacer.bytesPerUs, this.#dryRun.bytesPerUs));
    this.#tryLess(sample, delivery.rate);
  }

  /** Loss above what is known as chance: less is sent for a while to see whether it ends. */
  #tryLess(sample: PathSample, arrivedRate: number): void {
    const verdict = this.#noteLoss(sample, cruiseExcess);
    if (verdict === 'begin') {
      this.#rateBefore = this.#rate;
      this.#beginTrial(arrivedRate);
      this.#step = leastStep;
    }
    if (verdict === 'overflow')
      this.#rate = Math.min(this.#rate, Math.max(this.#rate * 0.7, this.#trialBytesPerUs / trialGain));
    if (verdict === 'chance') this.#rate = Math.max(this.#rate, this.#rateBefore);
    if (this.#floor.isTrying) this.#pacer.setPace(Math.min(this.#pacer.bytesPerUs, this.#trialBytesPerUs));
  }

  /** What arrived may have been little because little was sent. */
  #beginTrial(arrivedRate: number): void {
    this.#trialBytesPerUs = Math.max(arrivedRate, this.#rate * leastTrialShare) * trialGain;
  }

  #queueIs(arriving: number, sentRate: number, noise: number, nowUs: number): void {
    if (this.#episodeRate === 0) this.#episodeRate = this.#rate;
    this.#step = leastStep;
    const isOver = this.#overUs >= 0 && nowUs - this.#overUs > this.#spanUs();
    // A stall makes one gap in what arrives; a slower bottleneck shows for as long as too much is sent.
    if (isOver && arriving < this.#rate) {
      this.#rate = Math.max(arriving, this.#rate * mostCut);
      this.#overUs = nowUs;
      this.#dryRun.reset(nowUs);
    } // More arrives than was sent: the queue drains, and at the bottleneck's rate.
    else if (arriving > sentRate * (1 + noise / 2)) this.#rate += (arriving - this.#rate) / 8;
    // Neither: on average a queue lets through what the bottleneck can do.
    else if (sentRate > 0.97 * this.#rate)
      this.#rate += (arriving - this.#rate) * Math.min(0.1, this.#intervalUs / (4 * this.#spanUs()));
    this.#pace(1 - Math.max(-0.05, Math.min(0.5, this.#gain() * (this.#comingUs - this.#targetUs() / 2))));
  }

  #noQueueIs(arriving: number, sentRate: number, noise: number, nowUs: number): void {
    const isShort = this.#trip.queueUs < this.#targetUs() / 2 + this.#trip.uncertaintyUs;
    this.#episodeRate = 0;
    // Without a queue no more arrives than was sent: what seems more is chance.
    const shown = Math.min(arriving, sentRate);
    if (shown > this.#rate) this.#rate += ((shown - this.#rate) * 0.5) / (1 + 5 * noise);
    this.#isOverRound ||= this.#overUs >= 0;
    if (nowUs >= this.#roundUs) {
      this.#roundUs = nowUs + this.#lagUs();
      const isQuiet = isShort && 2 * this.#limitedReports < this.#reports && !this.#isOverRound;
      this.#step = isQuiet ? Math.min(mostStep, this.#step * 2) : leastStep;
      this.#reports = 0;
      this.#limitedReports = 0;
      this.#isOverRound = false;
    }
    this.#pace(1 + (isShort ? this.#step : this.#gain() * (this.#targetUs() - this.#comingUs)));
  }

  /** The queue that the last round trip's sending will have made, which no report can have told yet (Smith 1957). */
  #predict(nowUs: number): void {
    const lagUs = this.#lagUs() + this.#trip.levelLagUs;
    const sent = this.#sentBytes - this.#history.sentAt(nowUs - lagUs);
    this.#comingUs = Math.max(0, this.#trip.queueUs + (this.#rate > 0 ? sent / this.#rate - lagUs : 0));
  }

  /** A probe is small: a full packet alone takes so much longer, and two of them would look like a queue. */
  #targetUs(): number {
    return targetUs + Math.min(mostGrainUs, this.#trip.grainUs);
  }

  /** Share of the rate for each microsecond of queue; a doubtful queue is corrected slowly, and bounded by the window meanwhile. */
  #gain(): number {
    return (0.5 / this.#spanUs()) * (targetUs / (targetUs + this.#trip.uncertaintyUs));
  }

  #pace(gain: number): void {
    this.#pacer.setPace(Math.min(this.#mostBytesPerUs, Math.max(this.#rate * gain, leastBytesPerUs)));
  }

  #setWindow(): void {
    if (this.#rate === 0) return;
    const tripUs = this.#trip.baseUs + this.#intervalUs;
    // While the rate is sought, what stays in flight for long is queue and loss of our own making.
    const spanUs =
      (this.#isStarting ? tripUs : Math.max(tripUs, this.#holdUs)) + windowSlackUs + this.#trip.jitterUs / 2;
    // In the beginning the pace is already that much above the rate: no more than that many round trips may be under way.
    const bytes = this.#isStarting
      ? this.#rate * spanUs * (this.#isBound ? boundGain : startWindowGain)
      : this.#pacer.bytesPerUs * spanUs * 1.08;
    this.#windowBytes = Math.max(this.#isStarting ? firstWindowBytes : floorBytes, bytes);
  }
}
