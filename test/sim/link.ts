/**
 * One direction of a link under the virtual clock: a drop-tail queue in front of a bottleneck whose rate changes at given times,
 * then loss (independent or bursty), then delay with jitter. Seeded: the same options and packets give the same arrivals.
 */
import { randomOf } from '../support/random.ts';
import { Jitter } from './jitter.ts';
import type { VirtualClock } from './virtual-clock.ts';

export interface LinkOptions {
  readonly rateBps: number;
  readonly delayUs: number;
  /** Sigma of the normal distribution around the delay. */
  readonly jitterUs?: number;
  /** With jitter, the delay wanders smoothly and no packet overtakes another (as on one radio link); otherwise each has its own. */
  readonly keepsOrder?: boolean;
  /** Of a jitter that keeps the order: sigmas of time between two independent delays (4); 0 = each packet has its own, and waits for those before. */
  readonly jitterPeriods?: number;
  /** Share of packets lost independently. */
  readonly loss?: number;
  /** What is so instead while more than this is sent over the link, as a mean of some 300 ms. */
  readonly underLoad?: { readonly aboveBps: number; readonly loss?: number; readonly jitterUs?: number };
  /** Gilbert-Elliott: mean lengths in packets of the good and the bad state; every packet of the bad state is lost. */
  readonly bursts?: { readonly goodPackets: number; readonly badPackets: number };
  /** What the queue holds, as time at the first rate. */
  readonly queueUs: number;
  /** And so many bytes at least; two full packets if left out. */
  readonly leastQueueBytes?: number;
  /** Packets that wait longer are marked (ECN), as a queue does that tells of itself before it drops; left out = none is. */
  readonly marksAboveUs?: number;
  /** In order of time; a rate of 0 stalls the link and keeps its queue. */
  readonly changes?: readonly RateChange[];
  /** The way back varies and loses in the same way; left out = it has the delay alone. */
  readonly isAlikeBack?: boolean;
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
/** Jitter never brings a packet earlier than this share of the delay. */
const leastDelayShare = 0.1;
/** Reports and acknowledgements are small: nothing on the way back waits for its rate. */
const backRateBps = 1e10;
const backSeed = 524_287;
/** Of the mean of what is sent. */
const loadUs = 300_000;

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
  /** Mean of what is sent, bytes a microsecond, and when it was. */
  #load = 0;
  #loadedUs = 0;
  readonly #jitter: Jitter;
  readonly #loadedJitter: Jitter;
  droppedPackets = 0;
  lostPackets = 0;
  sentPackets = 0;

  constructor(clock: VirtualClock, options: LinkOptions) {
    this.#clock = clock;
    this.#options = options;
    this.#random = randomOf(options.seed * 7_919 + 13);
    const periods = options.keepsOrder === true ? (options.jitterPeriods ?? jitterPeriods) : 0;
    this.#jitter = new Jitter({ sigmaUs: options.jitterUs ?? 0, periods, random: this.#random });
    this.#loadedJitter = new Jitter({ sigmaUs: options.underLoad?.jitterUs ?? 0, periods, random: this.#random });
    this.#queueBytes = Math.max(options.leastQueueBytes ?? 3_000, (options.rateBps / 8e6) * options.queueUs);
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
    this.#load = this.#load * Math.exp((this.#loadedUs - nowUs) / loadUs) + bytes / loadUs;
    this.#loadedUs = nowUs;
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
    const jitter = this.#underLoad?.jitterUs === undefined ? this.#jitter : this.#loadedJitter;
    const delayUs = Math.max(this.delayUs + jitter.addedUs(this.#freeUs), this.delayUs * leastDelayShare);
    let arrivalUs = this.#freeUs + delayUs;
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

  /** What is so now because of the load. */
  get #underLoad(): LinkOptions['underLoad'] {
    const { underLoad } = this.#options;
    return underLoad !== undefined && this.#load * 8e6 > underLoad.aboveBps ? underLoad : undefined;
  }

  #isLost(nowUs: number): boolean {
    const { bursts } = this.#options;
    if (this.#isHole(nowUs)) return true;
    if (bursts !== undefined) {
      if (this.#random() < 1 / (this.#isBad ? bursts.badPackets : bursts.goodPackets)) this.#isBad = !this.#isBad;
      if (this.#isBad) return true;
    }
    const loss = this.#underLoad?.loss ?? this.loss;
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
}

/** The way back of a link. */
export function backLink(clock: VirtualClock, options: LinkOptions): Link {
  const { delayUs, queueUs, seed, changes, jitterUs = 0, loss = 0, keepsOrder = true, jitterPeriods } = options;
  const delays = (changes ?? []).map(({ atUs, delayUs: changedUs }) => ({
    atUs,
    ...(changedUs === undefined ? {} : { delayUs: changedUs }),
  }));
  const plain = { rateBps: backRateBps, delayUs, queueUs, seed: seed + backSeed, changes: delays };
  if (options.isAlikeBack !== true) return new Link(clock, plain);
  return new Link(clock, {
    ...plain,
    jitterUs,
    loss,
    keepsOrder,
    ...(jitterPeriods === undefined ? {} : { jitterPeriods }),
  });
}
