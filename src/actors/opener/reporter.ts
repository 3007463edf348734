/**
 * Says when the peer hears which counters arrived. Often while data comes, a last time when it stops, and never for more than a
 * small share of what the way back can carry: each report costs a packet on two paths.
 */

import { RowNumbers } from '../../base/row-numbers.ts';
import { path, pathState, session } from '../../contract/peer-tables.ts';
import type { Opener } from '../../native/opener-api.ts';
import type { PathChain } from '../../rings/path-chain.ts';
import type { SessionTable } from '../../rings/session-table.ts';
import type { RowTable } from '../../rings/table.ts';
import { familyV4 } from '../../wire/sockaddr.ts';

/** Between reports on a near path, and on a far one: the sender learns of a loss an eighth of a round trip later at most. */
const leastSpacingUs = 3_000;
const usualSpacingUs = 20_000;
const roundTripShare = 1 / 8;
/** Where only one path leads to the peer, nothing can be sent by another: the sender learns its rate, and each report costs a turn. */
const leastAloneUs = 10_000;
const aloneShare = 1 / 4;
/** Unless something was missed within this time: what that path has lost goes out again by itself. */
const gapMemoryUs = 200_000;
/** What the budget may stretch that to: the sender takes a longer silence for a dead path. */
const mostSpacingUs = 100_000;
/** No data for so long: it has stopped, and the sender waits for word of its last packets. */
const quietUs = 1_000;
/**
 * Of the rate of all ways back together (issue 3): a report names every path, and the more there are the longer it is. Where that
 * does not pay for the usual spacing it may be more: the forward direction would lose more than the way back gains (docs/adr/0006).
 */
const budgetShare = 0.005;
const mostBudgetShare = 0.015;
const unknownRateBps = 20e6;
/** What was saved up in silence may be spent on this many reports in a row. */
const burstReports = 4;
/** Per copy: data message header and tag, UDP and IPv4 or IPv6. */
const overheadBytes = 32 + 28;
const overheadV6Bytes = 32 + 48;
/** A report of one path, before any was written. */
const firstFrameBytes = 88;
/**
 * When a stream of so many packets between two reports breaks off, the same is said again so often and so far apart: if the path
 * died and was the only one with data, nothing else tells the sender that its packets could have been named and were not.
 */
const streamPackets = 8;
const repeats = 3;
const repeatSpacingUs = 15_000;

export interface ReporterParts {
  readonly native: Pick<Opener, 'report'>;
  /** `unreported` of the native opener. */
  readonly unreported: Int32Array;
  readonly sessions: SessionTable;
  readonly paths: RowTable;
  readonly chain: PathChain;
  readonly wakeAt: (atUs: number) => void;
}

export class Reporter {
  readonly #parts: ReporterParts;
  // By key slot.
  readonly #lastUs = new RowNumbers();
  readonly #spacingUs = new RowNumbers();
  readonly #leastUs = new RowNumbers();
  readonly #costBytes = new RowNumbers();
  /** What may be spent, and since when it is counted. */
  readonly #savedBytes = new RowNumbers();
  readonly #bytesPerUs = new RowNumbers();
  readonly #packets = new RowNumbers();
  /** When something was last missed. */
  readonly #gapUs = new RowNumbers(Number.NEGATIVE_INFINITY);
  /** Slots whose last report will be said again → how often. */
  readonly #repeating = new Map<number, number>();

  constructor(parts: ReporterParts) {
    this.#parts = parts;
  }

  /** Time between two reports on a slot while data comes: as wished for, or as the budget allows. */
  spacingUs(slot: number): number {
    const wishUs = this.#spacingUs.get(slot) || usualSpacingUs;
    const paidUs = this.#costBytes.get(slot) / this.#bytesPerUs.get(slot);
    return Math.min(mostSpacingUs, Math.max(wishUs, paidUs || 0));
  }

  /**
   * Packets of a slot wait for one that is missing: the sooner its sender hears of it, the better. A flow that waits sends nothing that would
   * cause a report, and without one its sender does not learn that a repair is lost as well.
   */
  noteGap(slot: number, nowUs: number): void {
    this.#gapUs.set(slot, nowUs);
    if (!this.#repeating.has(slot)) this.#repeating.set(slot, 1);
  }

  /** Writes the reports that are due; returns how many. */
  turn(nowUs: number): number {
    const { unreported } = this.#parts;
    let written = 0;
    for (let at = unreported[0] as number; at > 0; at -= 1) {
      const slot = unreported[at] as number;
      const dueUs = this.#dueUs(slot);
      if (nowUs < dueUs) this.#parts.wakeAt(dueUs);
      else if (this.#write(slot, nowUs)) written += 1;
    }
    return this.#repeating.size === 0 ? written : written + this.#repeat(nowUs);
  }

  #repeat(nowUs: number): number {
    let written = 0;
    for (const [slot, left] of this.#repeating) {
      const dueUs = this.#lastUs.get(slot) + repeatSpacingUs;
      if (nowUs < dueUs) {
        this.#parts.wakeAt(dueUs);
        continue;
      }
      if (this.#write(slot, nowUs)) written += 1;
      if (left > 1) {
        this.#repeating.set(slot, left - 1);
        this.#parts.wakeAt(nowUs + repeatSpacingUs);
      } else this.#repeating.delete(slot);
    }
    return written;
  }

  #dueUs(slot: number): number {
    const lastUs = this.#lastUs.get(slot);
    if (lastUs === 0) return 0;
    const quietFromUs = this.#parts.sessions.number(slot, session.lastReceivedAt) + quietUs;
    const soonUs = Math.min(
      lastUs + this.#spacingUs.get(slot),
      Math.max(quietFromUs, lastUs + this.#leastUs.get(slot)),
    );
    const missingBytes = this.#costBytes.get(slot) - this.#savedBytes.get(slot);
    const paidUs = lastUs + Math.max(0, missingBytes) / this.#bytesPerUs.get(slot);
    return Math.min(Math.max(soonUs, paidUs), lastUs + mostSpacingUs);
  }

  #write(slot: number, nowUs: number): boolean {
    const lengthBytes = this.#parts.native.report(slot, nowUs);
    if (lengthBytes < 0) {
      // The sealer is behind: a report it finds later says no less.
      this.#parts.wakeAt(nowUs + leastSpacingUs);
      return false;
    }
    this.#look(slot, lengthBytes === 0 ? firstFrameBytes : lengthBytes, nowUs);
    return lengthBytes > 0;
  }

  /** Books a report, and reads from the path table what the next may cost and how far away the peer is. */
  #look(slot: number, lengthBytes: number, nowUs: number): void {
    const { sessions, paths, chain } = this.#parts;
    const peerRow = sessions.int(slot, session.peerAt);
    let rateBps = 0;
    let roundTripUs = Number.POSITIVE_INFINITY;
    let copies = 0;
    let overhead = overheadBytes;
    let packets = 0;
    for (let row = chain.first(peerRow); row >= 0; row = chain.next(row, peerRow)) {
      // By whichever path the peer sends: it may have left another one than we.
      packets += paths.number(row, path.receivedPacketsAt);
      if (paths.int(row, path.stateAt) !== pathState.up) continue;
      copies += 1;
      rateBps += paths.number(row, path.rateBpsAt) || unknownRateBps;
      roundTripUs = Math.min(roundTripUs, paths.number(row, path.minRttUsAt) || Number.POSITIVE_INFINITY);
      if ((paths.int(row, path.endpointAt) & 0xffff) !== familyV4) overhead = overheadV6Bytes;
    }
    const costBytes = Math.min(2, Math.max(1, copies)) * (Math.ceil(lengthBytes / 16) * 16 + overhead);
    const backBytesPerUs = (rateBps || unknownRateBps) / 8e6;
    const usualBytesPerUs = Math.min(costBytes / usualSpacingUs, backBytesPerUs * mostBudgetShare);
    const bytesPerUs = Math.max(backBytesPerUs * budgetShare, usualBytesPerUs);
    const lastUs = this.#lastUs.get(slot);
    const mostBytes = burstReports * costBytes;
    const savedBytes =
      lastUs === 0
        ? mostBytes
        : Math.min(mostBytes, this.#savedBytes.get(slot) + (nowUs - lastUs) * this.#bytesPerUs.get(slot));
    const isHeeded = copies > 1 || nowUs - this.#gapUs.get(slot) < gapMemoryUs;
    const leastUs = isHeeded ? leastSpacingUs : leastAloneUs;
    const wishUs = Number.isFinite(roundTripUs) ? roundTripUs * (isHeeded ? roundTripShare : aloneShare) : 0;
    this.#savedBytes.set(slot, Math.max(0, savedBytes - costBytes));
    this.#costBytes.set(slot, costBytes);
    this.#bytesPerUs.set(slot, bytesPerUs);
    this.#leastUs.set(slot, leastUs);
    this.#spacingUs.set(slot, Math.min(usualSpacingUs, Math.max(leastUs, wishUs)));
    this.#lastUs.set(slot, nowUs);
    if (packets - this.#packets.get(slot) >= streamPackets) this.#repeating.set(slot, repeats);
    this.#packets.set(slot, packets);
  }
}
