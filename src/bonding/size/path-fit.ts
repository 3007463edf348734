/**
 * How long a packet one path takes: the search for it (`bonding/size/path-size.ts`), fed by what link, kernel and feedback say. People and the
 * tables count bytes of the outer IP packet; the sealer counts sealed ones, which are shorter by the headers of IP and UDP.
 */
import { doubleZero } from '../../base/double.ts';
import { feedback } from '../../contract/columns.ts';
import type { PathRow } from '../path-row.ts';
import { fit, PathSize } from './path-size.ts';

/** Header and tag. */
const dataMessageBytes = 32;
/** Of Ethernet; no path is asked for more unless the tunnel makes longer packets. */
const usualMtu = 1500;
const unlimited = Number.POSITIVE_INFINITY;
/** So many long packets in a row lost by chance are few. */
const vanishedPackets = 4;

export class PathFit {
  readonly #cells: PathRow;
  readonly #size: PathSize;
  readonly #wantedBytes: number;
  #headerBytes = 0;
  #refused = doubleZero;
  #hints = 0;
  #vanished = doubleZero;
  #holes = 0;

  /** `wantedBytes`: of the longest sealed packet the tunnel makes. */
  constructor(cells: PathRow, wantedBytes: number) {
    this.#cells = cells;
    this.#wantedBytes = wantedBytes;
    this.#size = new PathSize(cells.knownMtu);
    this.#refused = cells.refusedPackets;
    this.#hints = cells.hints;
  }

  /** The search; whoever sends its probes asks it. */
  get size(): PathSize {
    return this.#size;
  }

  /** Reads what link and kernel say. */
  follow(nowUs: number): void {
    const { headerBytes, interfaceMtu, refusedPackets, hints } = this.#cells;
    this.#headerBytes = headerBytes;
    const wanted = this.#wantedBytes + headerBytes;
    this.#size.setGoal(wanted, Math.min(interfaceMtu || this.#guessedMtu, Math.max(usualMtu, wanted)), nowUs);
    if (refusedPackets !== this.#refused) {
      this.#refused = refusedPackets;
      this.#size.handleRefused(this.#cells.refusedBytes + headerBytes, nowUs);
    }
    if (hints === this.#hints) return;
    this.#hints = hints;
    this.#size.handleHint(this.#cells.hintBytes, nowUs);
  }

  /**
   * Of an interface that nobody has told of: for some milliseconds, or for good where a link names none. Most take what Ethernet takes, and
   * a kernel whose interface does not refuses what is longer; who wants long packets in the tunnel has wide links.
   */
  get #guessedMtu(): number {
    return this.#wantedBytes <= usualMtu ? usualMtu : unlimited;
  }

  /** Of a frame that is so many bytes of the outer IP packet, without padding. */
  innerBytes(outerBytes: number): number {
    return outerBytes - this.#headerBytes - dataMessageBytes;
  }

  /** Of `fit`. */
  passes(sealedBytes: number): number {
    return this.#size.passes(sealedBytes + this.#headerBytes);
  }

  /** Longest sealed packet that is known to pass. */
  get sealedBytes(): number {
    return Math.max(0, this.#size.bytes - this.#headerBytes);
  }

  /** Longest sealed packet to reckon with. */
  get expectedBytes(): number {
    return Math.max(0, this.#size.expectedBytes - this.#headerBytes);
  }

  /** Longest sealed packet to send for now, if it is the only path. */
  get usableBytes(): number {
    return Math.max(0, this.#size.usableBytes - this.#headerBytes);
  }

  /** It takes whatever the tunnel makes. */
  get isFull(): boolean {
    return this.expectedBytes >= this.#wantedBytes;
  }

  /** Longest sealed packet that passes as surely (of `fit`) as that. */
  longest(how: number): number {
    return Math.max(0, (how === fit.yes ? this.#size.safeBytes : this.#size.mostBytes) - this.#headerBytes);
  }

  /** What a report or the lack of one says. Returns true when packets that were long vanished one after another. */
  handleFeedback(cells: Float64Array, at: number, nowUs: number): void {
    const acked = cells[at + feedback.ackedLongest] as number;
    const lost = cells[at + feedback.lostLongest] as number;
    if (acked > 0) this.#size.handleDelivered(acked + this.#headerBytes, nowUs);
    if (acked > 0 && acked >= lost) this.#vanished = 0;
    else if (lost > 0) this.#vanished += cells[at + feedback.lostPackets] as number;
    if (this.#vanished < vanishedPackets) return;
    this.#vanished = 0;
    if (this.#size.passes(lost + this.#headerBytes) === fit.yes) this.#size.handleDoubt(nowUs, true);
  }

  /** Long packets were lost, and none was acknowledged since. */
  get isVanishing(): boolean {
    return this.#vanished > 0 || this.#size.isDoubted;
  }

  /** True once for every time that what it took before is found too long. */
  takeHole(): boolean {
    const isNews = this.#size.holes !== this.#holes;
    this.#holes = this.#size.holes;
    return isNews;
  }
}
