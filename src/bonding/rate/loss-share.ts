/** The share of packets that a path loses, smoothed: what schedulers and health see. */
import { doubleZero } from '../../base/double.ts';

/** Losses seen before this are believed less with each probe that is answered. */
const staleUs = 500_000;
const probeShare = 0.2;

export class LossShare {
  #value = doubleZero;
  /** When losses could last be told from arrivals. */
  #judgedUs = doubleZero;
  /** Losses reported before then were of our own making. */
  #fromUs = doubleZero;
  /** Packets over which it is smoothed. */
  readonly #memory: number;

  constructor(memory: number) {
    this.#memory = memory;
  }

  /** 0 to 1. */
  get value(): number {
    return this.#value;
  }

  handleReport(acked: number, lost: number, nowUs: number): void {
    const packets = acked + lost;
    if (packets === 0 || nowUs < this.#fromUs) return;
    this.#value += (lost / packets - this.#value) * Math.min(1, packets / this.#memory);
    this.#judgedUs = nowUs;
  }

  /** So many that counted as lost have come after all. */
  takeBack(packets: number): void {
    this.#value = Math.max(0, this.#value - packets / this.#memory);
  }

  /** A probe was answered: that speaks against losses of long ago. */
  handleProbe(nowUs: number): void {
    if (nowUs - this.#judgedUs > staleUs) this.#value *= 1 - probeShare;
  }

  /** A search for the rate ended by overflowing a queue: only `share` is the link's, and what is reported until `untilUs` is ours. */
  forgive(share: number, untilUs: number): void {
    this.#value = Math.min(this.#value, share);
    this.#fromUs = untilUs;
  }
}
