/**
 * How fast one path may be used: learns the bottleneck's rate from what the receiver says arrived, and keeps the queue in front of
 * it at a few milliseconds. Pure: times are arguments. docs/adr/0004-sending-controller.md says why this way.
 */
import { DeliveryHistory } from './delivery-history.ts';
import { Pacer } from './pacer.ts';
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
  readonly startRateBps?: number;
  readonly startMinRttUs?: number;
}

const packetBytes = 1_500;
const floorBytes = 4 * packetBytes;
/** Enough to measure a train by; RFC 6928 gives 10, and a modem of 5 Mbit/s drains this in 50 ms. */
const firstWindowBytes = 20 * packetBytes;
const firstBytesPerUs = 1.5;
const targetUs = 4_000;
const windowSlackUs = 6_000;
const minRttWindowUs = 10_000_000;
const leastStep = 0.01;
const mostStep = 0.25;

export class PathController {
  readonly #history = new DeliveryHistory();
  readonly #pacer = new Pacer();
  readonly #base = new WindowedMinimum(minRttWindowUs);
  readonly #standing = new WindowedMinimum(30_000);
  readonly #mostBytesPerUs: number;
  #isStarting = true;
  #rate = 0;
  #minRttUs = 0;
  #smoothedRttUs = 0;
  #jitterUs = 0;
  #queueUs = 0;
  #loss = 0;
  #intervalUs = 10_000;
  #sampleUs = -1;
  #lastRttUs = -1;
  #sentBytes = 0;
  #windowBytes = firstWindowBytes;
  #step = leastStep;
  #roundUs = 0;
  #isLimitedRound = false;

  constructor(options: PathControllerOptions) {
    this.#mostBytesPerUs = options.configuredBps > 0 ? options.configuredBps / 8e6 : Number.POSITIVE_INFINITY;
    const start = options.startRateBps === undefined ? firstBytesPerUs : options.startRateBps / 8e6;
    this.#pacer.setPace(Math.min(start, this.#mostBytesPerUs));
    if (options.startMinRttUs !== undefined) this.#minRttUs = options.startMinRttUs;
  }

  /** Believed rate of the bottleneck; 0 = unknown. */
  get rateBytesPerUs(): number {
    return this.#rate;
  }

  get minRttUs(): number {
    return this.#minRttUs;
  }

  get smoothedRttUs(): number {
    return this.#smoothedRttUs;
  }

  get jitterUs(): number {
    return this.#jitterUs;
  }

  get queueDelayUs(): number {
    return this.#queueUs;
  }

  /** Smoothed, 0 to 1. */
  get loss(): number {
    return this.#loss;
  }

  get windowBytes(): number {
    return this.#windowBytes;
  }

  get paceBytesPerUs(): number {
    return this.#pacer.bytesPerUs;
  }

  handleSample(sample: PathSample): void {
    this.#noteTime(sample.nowUs);
    if (sample.rttUs >= 0) this.#noteRtt(sample.rttUs, sample.nowUs);
    const packets = sample.ackedPackets + sample.lostPackets;
    if (packets > 0) this.#loss += (sample.lostPackets / packets - this.#loss) * Math.min(1, packets / 500);
    this.#history.add(
      sample.nowUs,
      this.#sentBytes,
      sample.deliveredBytes,
      sample.deliveryUs,
      sample.ackedPackets,
      sample.lostPackets,
      sample.isAppLimited,
    );
    if (sample.isAppLimited) this.#isLimitedRound = true;
    this.#pacer.refill(sample.nowUs);
    if (this.#isStarting) this.#start(sample);
    else this.#cruise(sample);
    this.#setWindow();
  }

  /** Bytes that may be sealed at `nowUs`; zero or less: none. */
  allowedBytes(nowUs: number, inFlightBytes: number): number {
    return Math.min(this.#pacer.refill(nowUs), this.#windowBytes - inFlightBytes);
  }

  spend(bytes: number): void {
    this.#sentBytes += bytes;
    this.#pacer.spend(bytes);
  }

  /** Microseconds after which `allowedBytes` is worth asking again. */
  retryUs(): number {
    return this.#pacer.retryUs();
  }

  /** Round trip of a probe on an idle path. */
  handleProbe(rttUs: number, nowUs: number): void {
    this.#noteRtt(rttUs, nowUs);
  }

  /** Nothing has been in flight for a while. */
  handleIdle(_nowUs: number): void {
    this.#history.clear();
    this.#sampleUs = -1;
    this.#step = leastStep;
  }

  #noteTime(nowUs: number): void {
    const intervalUs = nowUs - this.#sampleUs;
    if (this.#sampleUs >= 0 && intervalUs < 100_000) this.#intervalUs += (intervalUs - this.#intervalUs) / 8;
    this.#sampleUs = nowUs;
  }

  #noteRtt(rttUs: number, nowUs: number): void {
    if (this.#lastRttUs >= 0) {
      // Mean difference of neighbours is 1.13 sigma when they are independent and normal.
      const sigmaUs = Math.abs(rttUs - this.#lastRttUs) / 1.13;
      this.#jitterUs += (sigmaUs - this.#jitterUs) / 16;
    }
    this.#lastRttUs = rttUs;
    this.#smoothedRttUs = this.#smoothedRttUs === 0 ? rttUs : this.#smoothedRttUs + (rttUs - this.#smoothedRttUs) / 8;
    this.#base.add(rttUs, nowUs);
    this.#minRttUs = this.#base.least(nowUs);
    this.#standing.resize(Math.max(30_000, this.#minRttUs / 2), nowUs);
    this.#standing.add(rttUs, nowUs);
    this.#queueUs = Math.max(0, this.#standing.least(nowUs) - this.#minRttUs - 1.4 * this.#jitterUs);
  }

  #windowUs(): number {
    return Math.min(250_000, Math.max(20_000, this.#minRttUs / 2, 8 * this.#jitterUs, 3 * this.#intervalUs));
  }

  #lagUs(): number {
    return Math.max(0, this.#lastRttUs) + this.#intervalUs / 2;
  }

  /** Doubles each round trip until a queue shows. */
  #start(sample: PathSample): void {
    const delivery = this.#history.measure(Math.max(10_000, 2 * this.#intervalUs), this.#lagUs());
    if (delivery.rate > this.#rate) this.#rate = delivery.rate;
    if (this.#queueUs > 2 * targetUs && this.#rate > 0) {
      this.#isStarting = false;
      this.#rate = delivery.rate;
      this.#pace(0.6);
      this.#roundUs = sample.nowUs + this.#lagUs();
      return;
    }
    if (2 * this.#rate > this.#pacer.bytesPerUs) this.#pace(2);
  }

  #cruise(sample: PathSample): void {
    const windowUs = this.#windowUs();
    const delivery = this.#history.measure(windowUs, this.#lagUs());
    const gain = 0.5 / (this.#lagUs() + windowUs);
    if (this.#queueUs > targetUs) {
      this.#step = leastStep;
      if (delivery.rate > 0) {
        const isOver = delivery.sentRate * (1 - delivery.loss) > 1.02 * delivery.rate;
        if (isOver && delivery.rate < this.#rate) this.#rate = delivery.rate;
        else this.#rate += (delivery.rate - this.#rate) / 16;
      }
      this.#pace(1 - Math.min(0.5, gain * (this.#queueUs - targetUs / 2)));
      return;
    }
    if (delivery.rate > this.#rate) this.#rate += (delivery.rate - this.#rate) / 2;
    if (sample.nowUs >= this.#roundUs) {
      this.#roundUs = sample.nowUs + this.#lagUs();
      const isQuiet = this.#queueUs < targetUs / 2 && !this.#isLimitedRound;
      this.#step = isQuiet ? Math.min(mostStep, this.#step * 2) : leastStep;
      this.#isLimitedRound = false;
    }
    this.#pace(1 + (this.#queueUs < targetUs / 2 ? this.#step : gain * (targetUs - this.#queueUs)));
  }

  #pace(gain: number): void {
    this.#pacer.setPace(Math.min(this.#mostBytesPerUs, Math.max(this.#rate * gain, packetBytes / 100_000)));
  }

  #setWindow(): void {
    if (this.#rate === 0) return;
    const spanUs = this.#minRttUs + this.#intervalUs + windowSlackUs + 2 * this.#jitterUs;
    const gain = this.#isStarting ? 2.5 : 1.15;
    this.#windowBytes = Math.max(
      this.#isStarting ? firstWindowBytes : floorBytes,
      this.#pacer.bytesPerUs * spanUs * gain,
    );
  }
}
