/**
 * How much less is sent when queues on the way mark packets (ECN, RFC 3168): they say that they grow, before they drop. One answer a
 * round trip, however many marks it brought (RFC 3168 6.1.2).
 */

/** RFC 8511: a queue that marks is a short one, so less has to go than after a loss. */
const leastKept = 0.85;
/**
 * Of the share of packets that is marked, by so much less is sent (RFC 8257): the inner flows have the marks too, and yield by
 * themselves; a path that marks a few by chance must not be starved by both.
 */
const markedGain = 0.5;
/** Who marks nearly all, and still does when a quarter of the rate is left, marks for no reason that sending less could end. */
const wholeShare = 0.9;
const mostInRow = 8;

export class MarkResponse {
  #ecnPackets = 0;
  #markedPackets = 0;
  #untilUs = 0;
  /** Answers since less than nearly all was marked. */
  #inRow = 0;

  /** Told by a report: newly arrived packets with an ECN field, and those of them that were marked. */
  note(ecnPackets: number, markedPackets: number): void {
    this.#ecnPackets += ecnPackets;
    this.#markedPackets += markedPackets;
  }

  /**
   * Share of the rate to keep, 1 = all of it; call for each report. `effectUs`: time after which marks tell of what is sent from now
   * on. When there was too little to send for the path, inner flows decide its rate, and have the marks themselves.
   */
  answer(isAppLimited: boolean, nowUs: number, effectUs: number): number {
    const ecnPackets = this.#ecnPackets;
    const markedPackets = this.#markedPackets;
    this.#ecnPackets = 0;
    this.#markedPackets = 0;
    if (ecnPackets === 0 || nowUs < this.#untilUs) return 1;
    if (markedPackets < ecnPackets * wholeShare) this.#inRow = 0;
    if (markedPackets === 0 || isAppLimited || this.#inRow >= mostInRow) return 1;
    this.#inRow += 1;
    this.#untilUs = nowUs + effectUs;
    return Math.max(leastKept, 1 - (markedGain * markedPackets) / ecnPackets);
  }
}
