/**
 * The first sign of a bottleneck: a train that takes longer to arrive than it took to leave, because it left faster than the
 * bottleneck lets it through. What arrives then is the bottleneck's rate (packet trains: Dovrolis, Ramanathan and Moore, INFOCOM 2001),
 * a round trip before a queue stands and before one overflows.
 */

/** Fewer packets say more about a driver that hands them up in batches than about the path. */
const leastBytes = 8 * 1_500;
/** It arrives over a time longer by this share of it, by more than a pause of the receiver's thread, and than two samples differ by chance. */
const leastShare = 0.3;
const leastUs = 2_000;
const leastSigmas = 4;

export class TrainSpread {
  #rttUs = -1;

  /**
   * The rate of the bottleneck in bytes a microsecond if this report shows it, else 0. `rttUs` of the newest packet that came, -1 =
   * unknown; the bytes that came since the report before, and the receiver's time that they took; `jitterUs`: one sigma of the samples
   * before this one.
   */
  handleReport(rttUs: number, deliveredBytes: number, deliveryUs: number, jitterUs: number): number {
    if (rttUs < 0) return 0;
    const before = this.#rttUs;
    this.#rttUs = rttUs;
    if (before < 0 || deliveredBytes < leastBytes || deliveryUs <= 0) return 0;
    const longerUs = rttUs - before;
    const chanceUs = Math.max(leastUs, leastShare * deliveryUs, leastSigmas * jitterUs);
    return longerUs > chanceUs ? deliveredBytes / deliveryUs : 0;
  }

  /** What comes next is no train with what came before. */
  forget(): void {
    this.#rttUs = -1;
  }
}
