/**
 * How long a packet one path takes: the search for it (`bonding/size/path-size.ts`), fed by what link, kernel and feedback say. People and the
 * tables count bytes of the outer IP packet; the sealer counts sealed ones, which are shorter by the headers of IP and UDP.
 */
import { fit, PathSize } from '../../bonding/size/path-size.ts';
import { feedback } from '../../contract/columns.ts';
import { link, path } from '../../rings/layout.ts';
import type { RowTable } from '../../rings/table.ts';

/** RFC 791, RFC 8200, RFC 768. */
const ipv4Bytes = 20 + 8;
const ipv6Bytes = 40 + 8;
/** Header and tag. */
const dataMessageBytes = 32;
/** Linux' AF_INET6, in the first two bytes of a sockaddr. */
const inet6 = 10;
/** What an interface whose MTU is not known takes, as far as is worth asking. */
const usualMtu = 1500;
/** So many long packets in a row lost by chance are few. */
const vanishedPackets = 4;

export class PathFit {
  readonly #size: PathSize;
  readonly #row: number;
  readonly #linkRow: number;
  readonly #paths: RowTable;
  readonly #links: RowTable;
  readonly #wantedBytes: number;
  #headerBytes = 0;
  #refused = 0;
  #hints = 0;
  #vanished = 0;
  #holes = 0;

  /** `wantedBytes`: of the longest sealed packet the tunnel makes. */
  constructor(
    row: number,
    linkRow: number,
    tables: { readonly paths: RowTable; readonly links: RowTable },
    wantedBytes: number,
  ) {
    this.#row = row;
    this.#linkRow = linkRow;
    this.#paths = tables.paths;
    this.#links = tables.links;
    this.#wantedBytes = wantedBytes;
    this.#size = new PathSize(tables.paths.int(row, path.mtuAt));
    this.#refused = tables.paths.number(row, path.tooLongPacketsAt);
    this.#hints = tables.paths.number(row, path.hintsAt);
  }

  /** The search; whoever sends its probes asks it. */
  get size(): PathSize {
    return this.#size;
  }

  /** Reads what link and kernel say. */
  follow(nowUs: number): void {
    const paths = this.#paths;
    const family = paths.slice(this.#row, path.sockaddrAt, 1)[0];
    this.#headerBytes = family === inet6 ? ipv6Bytes : ipv4Bytes;
    const wanted = this.#wantedBytes + this.#headerBytes;
    const interfaceMtu = this.#links.int(this.#linkRow, link.interfaceMtuAt);
    this.#size.setGoal(
      wanted,
      interfaceMtu > 0 ? Math.min(interfaceMtu, Math.max(usualMtu, wanted)) : Math.max(usualMtu, wanted),
      nowUs,
    );
    const refused = paths.number(this.#row, path.tooLongPacketsAt);
    if (refused !== this.#refused) {
      this.#refused = refused;
      this.#size.handleRefused(paths.int(this.#row, path.tooLongBytesAt) + this.#headerBytes, nowUs);
    }
    const hints = paths.number(this.#row, path.hintsAt);
    if (hints === this.#hints) return;
    this.#hints = hints;
    this.#size.handleHint(paths.int(this.#row, path.hintBytesAt), nowUs);
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

  publish(nowUs: number): void {
    const { bytes } = this.#size;
    if (this.#paths.int(this.#row, path.mtuAt) === bytes) return;
    this.#paths.setInt(this.#row, path.mtuAt, bytes);
    this.#paths.setNumber(this.#row, path.mtuUsAt, nowUs);
  }
}
