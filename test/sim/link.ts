/**
 * One direction of a link under the virtual clock: a drop-tail queue in front of a bottleneck whose rate changes at given times,
 * then loss (independent or bursty), then delay with jitter. Seeded: the same options and packets give the same arrivals.
 */
import { randomOf } from '../support/random.ts';
import type { VirtualClock } from './virtual-clock.ts';

export interface LinkOptions {
  readonly rateBps: number;
  readonly delayUs: number;
  /** Sigma of the normal distribution around the delay. */
  readonly jitterUs?: number;
  /** With jitter, the delay wanders smoothly and no packet overtakes another (as on one radio link); otherwise each has its own. */
  readonly keepsOrder?: boolean;
  /** Share of packets lost independently. */
  readonly loss?: number;
  /** Gilbert-Elliott: mean lengths in packets of the good and the bad state; every packet of the bad state is lost. */
  readonly bursts?: { readonly goodPackets: number; readonly badPackets: number };
  /** What the queue holds, as time at the first rate. */
  readonly queueUs: number;
  /** Packets that wait longer are marked (ECN), as a queue does that tells of itself before it drops; left out = none is. */
  readonly marksAboveUs?: number;
  /** In order of time; a rate of 0 stalls the link and keeps its queue. */
  readonly changes?: readonly RateChange[];
  /** Everything sent in here vanishes. */
  readonly blackholes?: readonly { readonly fromUs: number; readonly untilUs: number }[];
  readonly seed: number;
}

interface RateChange {
  readonly atUs: number;
  readonly rateBps?: number;
  readonly delayUs?: number;
  readonly loss?: number;
}

/** A link that stalls for ever would never let its queue go. */
const leastBytesPerUs = 1e-9;
/** Sigmas of time between two independent values of a jitter that keeps the order. */
const jitterPeriods = 4;

export class Link {
  readonly #clock: VirtualClock;
  readonly #options: LinkOptions;
  readonly #random: () => number;
  readonly #queueBytes: number;
  /** When each waiting packet has left the bottleneck, and its size; `#head` = first of them. */
  readonly #leaveUs: number[] = [];
  readonly #sizes: number[] = [];
  #head = 0;
  #waitingBytes = 0;
  #freeUs = 0;
  #lastArrivalUs = 0;
  #isBad = false;
  #jitterUs = 0;
  #jitterFrom = 0;
  #jitterTo = 0;
  droppedPackets = 0;
  lostPackets = 0;
  sentPackets = 0;

  constructor(clock: VirtualClock, options: LinkOptions) {
    this.#clock = clock;
    this.#options = options;
    this.#random = randomOf(options.seed * 7_919 + 13);
    this.#queueBytes = Math.max(3_000, (options.rateBps / 8e6) * options.queueUs);
  }

  /** Bytes a microsecond now. */
  get rate(): number {
    return this.#rateAt(this.#clock.nowUs);
  }

  get delayUs(): number {
    return this.#valueAt('delayUs', this.#clock.nowUs) ?? this.#options.delayUs;
  }

  /** Share of packets lost independently, now. */
  get loss(): number {
    return this.#valueAt('loss', this.#clock.nowUs) ?? this.#options.loss ?? 0;
  }

  /** How long a packet sent now would wait for those before it. */
  get queueUs(): number {
    return Math.max(0, this.#freeUs - this.#clock.nowUs);
  }

  /** It is in no blackhole now. */
  get isOpen(): boolean {
    return !this.#isHole(this.#clock.nowUs);
  }

  /** Packets may be marked. */
  get marks(): boolean {
    return this.#options.marksAboveUs !== undefined;
  }

  /** `arrive` is called when the packet arrives, never when it is lost, and told whether it bears a mark. */
  send(bytes: number, arrive: (isMarked: boolean) => void): void {
    const nowUs = this.#clock.nowUs;
    this.sentPackets += 1;
    this.#expire(nowUs);
    if (this.#waitingBytes + bytes > this.#queueBytes && this.#waitingBytes > 0) {
      this.droppedPackets += 1;
      return;
    }
    const isMarked = this.queueUs > (this.#options.marksAboveUs ?? Number.POSITIVE_INFINITY);
    this.#freeUs = this.#leave(Math.max(nowUs, this.#freeUs), bytes);
    this.#leaveUs.push(this.#freeUs);
    this.#sizes.push(bytes);
    this.#waitingBytes += bytes;
    if (this.#isLost(nowUs)) {
      this.lostPackets += 1;
      return;
    }
    const jitterUs = this.#options.jitterUs ?? 0;
    let arrivalUs =
      this.#freeUs + Math.max(0, this.delayUs + (jitterUs > 0 ? jitterUs * this.#jitter(this.#freeUs, jitterUs) : 0));
    if (this.#options.keepsOrder === true) arrivalUs = Math.max(arrivalUs, this.#lastArrivalUs);
    this.#lastArrivalUs = arrivalUs;
    this.#clock.at(arrivalUs, () => arrive(isMarked));
  }

  #expire(nowUs: number): void {
    while (this.#head < this.#leaveUs.length && (this.#leaveUs[this.#head] ?? 0) <= nowUs) {
      this.#waitingBytes -= this.#sizes[this.#head] ?? 0;
      this.#head += 1;
    }
    if (this.#head > 4_096) {
      this.#leaveUs.splice(0, this.#head);
      this.#sizes.splice(0, this.#head);
      this.#head = 0;
    }
  }

  #isHole(nowUs: number): boolean {
    return this.#options.blackholes?.some((hole) => nowUs >= hole.fromUs && nowUs < hole.untilUs) === true;
  }

  #isLost(nowUs: number): boolean {
    const { bursts } = this.#options;
    if (this.#isHole(nowUs)) return true;
    if (bursts !== undefined) {
      if (this.#random() < 1 / (this.#isBad ? bursts.badPackets : bursts.goodPackets)) this.#isBad = !this.#isBad;
      if (this.#isBad) return true;
    }
    const { loss } = this;
    return loss > 0 && this.#random() < loss;
  }

  #valueAt(name: 'rateBps' | 'delayUs' | 'loss', us: number): number | undefined {
    let value: number | undefined;
    for (const change of this.#options.changes ?? []) if (change.atUs <= us) value = change[name] ?? value;
    return value;
  }

  #rateAt(us: number): number {
    return Math.max(leastBytesPerUs, (this.#valueAt('rateBps', us) ?? this.#options.rateBps) / 8e6);
  }

  /** When the last of `bytes` has left, if the first begins at `fromUs`, over all changes of the rate. */
  #leave(fromUs: number, bytes: number): number {
    let atUs = fromUs;
    let left = bytes;
    for (const change of this.#options.changes ?? []) {
      if (change.atUs <= atUs) continue;
      const until = (change.atUs - atUs) * this.#rateAt(atUs);
      if (until >= left) break;
      left -= until;
      atUs = change.atUs;
    }
    return atUs + left / this.#rateAt(atUs);
  }

  /**
   * In sigmas. Order kept: independent values joined by sine and cosine, so that sigma holds at every instant (as the emulator of
   * test/netns/ does it).
   */
  #jitter(us: number, sigmaUs: number): number {
    if (this.#options.keepsOrder !== true) return this.#normal();
    const periodUs = sigmaUs * jitterPeriods;
    while (us >= this.#jitterUs + periodUs) {
      this.#jitterUs = Math.max(this.#jitterUs + periodUs, us - 2 * periodUs);
      this.#jitterFrom = this.#jitterTo;
      this.#jitterTo = this.#normal();
    }
    const angle = (Math.min(1, (us - this.#jitterUs) / periodUs) * Math.PI) / 2;
    return Math.cos(angle) * this.#jitterFrom + Math.sin(angle) * this.#jitterTo;
  }

  /** Box and Muller 1958. */
  #normal(): number {
    return Math.sqrt(-2 * Math.log(1 - this.#random())) * Math.cos(2 * Math.PI * this.#random());
  }
}
