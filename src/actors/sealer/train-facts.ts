/** What the addon's `look` has found out about the trains that wait in the ring, by their index from its head on. */
import { classify } from '../../bonding/queue/classify.ts';
import { facts } from '../../contract/columns.ts';

/** Trains that one look tells of, at most (native/sys/train_intake.h). */
const mostTrains = 64;
/** A train is sealed in pieces of so many segments at most: room of a run in the flight record. */
const mostSegments = 4096;
/** Headers alone: what a segment is taken for at least. */
const leastSegmentBytes = 64;

export class TrainFacts {
  /** Rows of `facts.columns`; the addon writes them. */
  readonly columns = new Int32Array(mostTrains * facts.columns);
  readonly memory = new Uint8Array(this.columns.buffer);

  /** Offset of the row of train `index`. */
  at(index: number): number {
    return index * facts.columns;
  }

  /** Row of the peer it is for, -1 = no route leads to one, -2 = malformed. */
  peer(index: number): number {
    return this.columns[this.at(index) + facts.peer] as number;
  }

  /** Hash of its flow. */
  flow(index: number): number {
    return this.columns[this.at(index) + facts.flow] as number;
  }

  bytes(index: number): number {
    return this.columns[this.at(index) + facts.bytes] as number;
  }

  segments(index: number): number {
    return this.columns[this.at(index) + facts.segments] as number;
  }

  /** One of `trafficClass`. */
  trafficClass(index: number): number {
    return classify(this.columns, this.at(index));
  }

  /** Bytes of its longest packet, at most. */
  longest(index: number): number {
    const bytes = this.bytes(index);
    const segments = this.segments(index);
    if (segments < 2) return bytes;
    const payload = this.columns[this.at(index) + facts.payloadBytes] as number;
    // All but the last are alike.
    return bytes - payload + Math.ceil(payload / (segments - 1));
  }

  /** All its segments are sealed. */
  isDone(index: number): boolean {
    return (this.columns[this.at(index) + facts.progress] as number) >= this.segments(index);
  }

  /** Segments that `allowed` bytes pay for: at least one, or a small credit would never be used. */
  segmentBudget(index: number, allowed: number): number {
    const bytesEach = Math.max(leastSegmentBytes, this.bytes(index) / this.segments(index));
    return Math.max(1, Math.min(mostSegments, Math.floor(allowed / bytesEach)));
  }
}
