/**
 * How fast one path may be used: learns the bottleneck's rate from what the receiver says arrived, and keeps the queue in front of
 * it at a few milliseconds. Pure: times are arguments. docs/adr/0004-sending-controller.md says why this way.
 */
import { doubleZero } from '../../base/double.ts';
import { HoldTime } from './hold-time.ts';
import { LossShare } from './loss-share.ts';
import { MarkResponse } from './mark-response.ts';
import { Pacer } from './pacer.ts';
import { PathGauge, type PathSample } from './path-gauge.ts';
import { RateKeeper } from './rate-keeper.ts';
import { firstBytesPerUs, firstWindowBytes, RateSearch } from './rate-search.ts';

export type { PathSample } from './path-gauge.ts';

export interface PathControllerOptions {
  /** Upper bound, bits a second; 0 = none. */
  readonly configuredBps: number;
}

const packetBytes = 1_500;
/** Packets over which the loss is smoothed that schedulers see, and that queues are made for: flows feel the latter for longer. */
const lossMemory = 500;
const lastingLossMemory = 4_000;
const floorBytes = 4 * packetBytes;
const windowSlackUs = 6_000;
const burstUs = 25_000;
/** Half more each round trip: less than a search takes, and enough to find a rate by a flow that does not yield. */
const burstGain = 1.5;

export class PathController {
  readonly #gauge = new PathGauge();
  readonly #search = new RateSearch(this.#gauge);
  readonly #hold = new HoldTime(this.#gauge);
  readonly #pacer: Pacer;
  readonly #keeper: RateKeeper;
  readonly #loss = new LossShare(lossMemory);
  readonly #lastingLoss = new LossShare(lastingLossMemory);
  readonly #marks = new MarkResponse();
  #rate = doubleZero;
  #rateUs = doubleZero;
  #windowBytes = firstWindowBytes;
  #inFlightBytes = doubleZero;

  constructor(options: PathControllerOptions) {
    this.#pacer = new Pacer(options.configuredBps > 0 ? options.configuredBps / 8e6 : Number.POSITIVE_INFINITY);
    this.#pacer.setPace(firstBytesPerUs);
    this.#keeper = new RateKeeper(this.#gauge, this.#pacer);
  }

  /** Still looking for the rate, and has seen no bottleneck yet: what waits meanwhile says nothing about who sends too much. */
  get isStarting(): boolean {
    return !this.#search.isOver && !this.#search.isBound;
  }

  /** The bottleneck's buffer holds less than the queue that is wanted elsewhere. */
  get isShallow(): boolean {
    return this.#keeper.isShallow(this.#gauge.sampleUs);
  }

  /** Believed rate of the bottleneck; 0 = unknown. */
  get rateBytesPerUs(): number {
    return this.#rate;
  }

  /**
   * What is known of the bottleneck, for others that share it; 0 = nothing: while nothing has ever filled the path and no more has arrived than
   * what any search begins with, what arrives is what little there was to send.
   */
  get bottleneckBytesPerUs(): number {
    const wasNeverFull = this.isStarting || (this.#search.isUnfilled && this.#rateUs === 0);
    return wasNeverFull && this.#rate * this.#gauge.trip.minUs < firstWindowBytes ? 0 : this.#rate;
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
    if (!sample.isAppLimited) this.#rateUs = nowUs;
    this.#keeper.handleSample(sample);
    this.#pacer.refill(nowUs);
    this.#gauge.trip.grainUs = this.#rate > 0 ? packetBytes / this.#rate : 0;
    const kept = this.#marks.answer(sample.isAppLimited, nowUs, this.#gauge.lossLagUs());
    if (this.#search.isOver) this.#keep(sample, kept);
    else this.#seek(sample, kept < 1);
    this.#pacer.isEven = this.#gauge.floor.isTrying || this.#keeper.isShallow(nowUs);
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
    this.#pacer.setPace(this.#search.boundPace);
    this.#setWindow();
  }

  /** What was lost since its loss was `share` was longer than the path takes: that says nothing about the path. */
  handleHole(share: number, nowUs: number): void {
    const untilUs = nowUs + this.#gauge.lossLagUs();
    this.#loss.forgive(share, untilUs);
    this.#lastingLoss.forgive(Math.max(share, this.#gauge.floor.loss), untilUs);
    if (this.#search.isOver) {
      this.#keeper.handleHole();
      this.#rate = this.#keeper.rateBytesPerUs;
    }
    this.#gauge.forgetLosses(untilUs);
  }

  /** Nothing has been in flight for a while; the round trip of probes meanwhile (0 = none was answered), and its jitter (-1 = unknown). */
  handleIdle(nowUs: number, probedUs = 0, probedJitterUs = -1): void {
    if (probedUs > 0) this.#gauge.trip.settle(probedUs, probedJitterUs);
    this.#gauge.handleIdle();
    this.#keeper.handleIdle(nowUs);
  }

  #seek(sample: PathSample, isMarked: boolean): void {
    const { nowUs } = sample;
    const gauge = this.#gauge;
    const pace = this.#search.handleReport(sample, this.#pacer.bytesPerUs, isMarked);
    this.#rate = this.#search.rateBytesPerUs;
    if (!this.#search.isOver) {
      this.#pacer.setPace(pace);
      return;
    }
    gauge.trip.forgetJitter();
    if (!this.#search.isUnfilled) {
      this.#loss.forgive(gauge.floor.loss, nowUs + gauge.lossLagUs());
      this.#lastingLoss.forgive(gauge.floor.loss, nowUs + gauge.lossLagUs());
    }
    this.#keeper.begin(this.#rate, nowUs);
  }

  #keep(sample: PathSample, kept: number): void {
    this.#keeper.keep(sample, kept);
    this.#rate = this.#keeper.rateBytesPerUs;
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
