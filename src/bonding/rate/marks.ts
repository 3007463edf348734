/** What reports say of ECN on one path: totals modulo 2^32, turned into differences. */
import { feedback } from '../../contract/columns.ts';

export class Marks {
  #isKnown = false;
  #ecnTotal = 0;
  #markedTotal = 0;
  /** Of the last `read`: packets that are newly told of as arrived with an ECN field, and those of them that were marked on the way. */
  ecnPackets = 0;
  markedPackets = 0;

  /** Takes in row `at` of a report that is newer than those before. */
  read(cells: Float64Array, at: number): void {
    this.ecnPackets = 0;
    this.markedPackets = 0;
    if (cells[at + feedback.hasMarks] !== 1) return;
    const ecnTotal = cells[at + feedback.ecnPackets] as number;
    const markedTotal = cells[at + feedback.markedPackets] as number;
    const ecnPackets = (ecnTotal - this.#ecnTotal) >>> 0;
    const markedPackets = (markedTotal - this.#markedTotal) >>> 0;
    // The first of all says nothing of when; a peer that has begun anew counts from 0.
    if (this.#isKnown && ecnPackets < 0x80000000 && markedPackets <= ecnPackets) {
      this.ecnPackets = ecnPackets;
      this.markedPackets = markedPackets;
    }
    this.#isKnown = true;
    this.#ecnTotal = ecnTotal;
    this.#markedTotal = markedTotal;
  }
}
