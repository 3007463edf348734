/**
 * Tells a slow path before data goes by it: full packets that leave at once arrive as far apart as the bottleneck takes for one
 * (packet trains: Dovrolis, Ramanathan and Moore, INFOCOM 2001). Of several trains the closest counts: jitter and other traffic hold
 * packets up by chance, and never bring them nearer for long.
 */
import { doubleZero } from '../../base/double.ts';

export const trainPackets = 4;
/** Trains that must have been measured, and those that may be lost on top. */
const wanted = 2;
const most = 4;
/** Packets that must lie between the first and the last answered. */
const leastSpan = 2;
/** From the first to the last of a train; a shorter time may be made by the receiver's thread. 22 Mbit/s. */
const leastSpreadUs = 1_500;

export class ProbeTrain {
  #started = 0;
  #measured = 0;
  #bytesEach = 0;
  #leastGapUs = Number.POSITIVE_INFINITY;
  /** Sequence number of the train's first packet. */
  #first = 0;
  #isOut = false;
  // Of those that were answered, the first and the last.
  #from = -1;
  #fromRttUs = doubleZero;
  #to = -1;
  #toRttUs = doubleZero;

  /** A train should leave with the next probe. */
  get isWanted(): boolean {
    return !this.#isOut && this.#measured < wanted && this.#started < most;
  }

  /** Of the bottleneck, bytes a microsecond; 0 = not known, or too fast to be seen this way. */
  get bytesPerUs(): number {
    const isSlow = this.#leastGapUs * (trainPackets - 1) > leastSpreadUs;
    return this.#measured >= wanted && isSlow ? this.#bytesEach / this.#leastGapUs : 0;
  }

  /** A train of `trainPackets` packets left, of so many bytes each; `first`: the sequence number of its first. */
  handleSent(first: number, bytesEach: number): void {
    this.#started += 1;
    this.#isOut = true;
    this.#first = first;
    this.#bytesEach = bytesEach;
    this.#from = -1;
    this.#to = -1;
  }

  /** Whether the probe of this number belongs to the train that left last. */
  has(sequence: number): boolean {
    return this.#started > 0 && sequence >= this.#first && sequence < this.#first + trainPackets;
  }

  /** A probe was answered after `rttUs`, of the train or not: when a later one was, what is missing of the train is lost. */
  handleReply(sequence: number, rttUs: number): void {
    if (!this.#isOut || sequence < this.#first) return;
    const last = this.#first + trainPackets - 1;
    if (sequence <= last) this.#note(sequence, rttUs);
    if (sequence >= last) this.#close();
  }

  #note(sequence: number, rttUs: number): void {
    if (this.#from < 0 || sequence < this.#from) {
      this.#from = sequence;
      this.#fromRttUs = rttUs;
    }
    if (sequence > this.#to) {
      this.#to = sequence;
      this.#toRttUs = rttUs;
    }
  }

  #close(): void {
    this.#isOut = false;
    const span = this.#to - this.#from;
    if (span < leastSpan) return;
    this.#measured += 1;
    this.#leastGapUs = Math.min(this.#leastGapUs, Math.max(1, (this.#toRttUs - this.#fromRttUs) / span));
  }
}
