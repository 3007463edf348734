/**
 * Says how long packets are held for one that is missing before them: until the deadline learnt for its peer, or until every path
 * that could still bring it has brought something later, and the peer had the time to send it again.
 */

import { doubleZero } from '../../base/double.ts';
import { RowNumbers } from '../../base/row-numbers.ts';
import { ReorderDeadline } from '../../bonding/receive/reorder-deadline.ts';
import { gaps, lateness } from '../../contract/columns.ts';
import { path, pathState, peer, session } from '../../contract/peer-tables.ts';
import { trafficClass } from '../../contract/records.ts';
import type { Opener } from '../../native/opener-api.ts';
import type { PathChain } from '../../rings/path-chain.ts';
import type { SessionTable } from '../../rings/session-table.ts';
import type { RowTable } from '../../rings/table.ts';

/** Gaps are looked at so often: deadlines are milliseconds. */
const lookSpacingUs = 250;
/** The tun-writer's ring was full: it drains in less. */
const fullPauseUs = 100;
/** A path without data for so long brings control frames only, and nobody waits for those. */
const idlePathUs = 500_000;
/** A path whose delay variation is not known yet. */
const unknownJitterUs = 2_000;
/** A round trip that is not known yet. */
const unknownRoundTripUs = 20_000;
/** Gaps of one slot that are dealt with in one turn. */
const mostAtOnce = 64;
/** For the sender's turn, and for a report that had to wait for its budget. */
const repairMarginUs = 10_000;
/**
 * A report and the repair that it asks for may both be late by what the delay varies by, and a sender waits half a sigma before it calls a
 * packet lost: 99 of 100 are here within 3.7. What is given up too soon is an inner flow's loss, and keeps its window from growing.
 */
const repairSigmas = 3;
/**
 * A repair is lost as often as anything else, and one packet of two thousand that stays lost keeps a CUBIC flow of 80 ms below 8 Mbit/s
 * (RFC 9438 5.1).
 */
const repairTries = 2;
/** What overtakes it on its path may just have missed a report. */
const repairReports = 2;

export interface GapKeeperParts {
  readonly native: Pick<Opener, 'gaps' | 'giveUp'>;
  /** `gaps` and `lateness` of the native opener. */
  readonly gaps: Float64Array;
  readonly lateness: Float64Array;
  readonly sessions: SessionTable;
  readonly peers: RowTable;
  readonly paths: RowTable;
  readonly chain: PathChain;
  /** From the configuration; 'auto' = learn it. */
  readonly reorderMs: number | 'auto';
  readonly reportSpacingUs: (slot: number) => number;
  /** Packets of the slot wait for one that is missing. */
  readonly onGap: (slot: number, nowUs: number) => void;
  readonly wakeAt: (atUs: number) => void;
}

/** What the path table says about the ways from a peer. */
interface Ways {
  /** All that brought data lately have brought something beyond the gap. */
  havePassed: boolean;
  /** The nearest way's, as it is on average: where delays vary, the least one is luck. */
  bestRttUs: number;
  skewUs: number;
  jitterUs: number;
  /** How many there are. */
  count: number;
}

export class GapKeeper {
  readonly #parts: GapKeeperParts;
  readonly #deadlines = new Map<number, ReorderDeadline>();
  readonly #ways: Ways = {
    havePassed: false,
    bestRttUs: doubleZero,
    skewUs: doubleZero,
    jitterUs: doubleZero,
    count: 0,
  };
  // By key slot: the gap that all paths have passed, and when that was seen.
  readonly #passed = new RowNumbers(-1);
  readonly #passedUs = new RowNumbers();
  #lookUs = doubleZero;

  constructor(parts: GapKeeperParts) {
    this.#parts = parts;
  }

  /** Gives up the gaps that nobody should wait for any longer; returns how many. */
  turn(nowUs: number): number {
    if ((this.#parts.lateness[0] as number) > 0) this.#learn();
    if (this.#parts.gaps[0] === 0) return 0;
    if (nowUs < this.#lookUs) {
      this.#parts.wakeAt(this.#lookUs);
      return 0;
    }
    this.#lookUs = nowUs + lookSpacingUs;
    let total = 0;
    let given = 0;
    do {
      given = this.#lookOnce(nowUs);
      total += given;
    } while (given > 0 && total < mostAtOnce);
    if (given > 0) this.#lookUs = nowUs;
    return total;
  }

  /** Every slot's first gap; returns how many were given up. */
  #lookOnce(nowUs: number): number {
    const { native, wakeAt } = this.#parts;
    const count = native.gaps();
    let given = 0;
    for (let row = 0; row < count; row += 1) {
      const at = 1 + row * gaps.columns;
      const slot = this.#parts.gaps[at + gaps.slot] as number;
      const isReady = this.#parts.gaps[at + gaps.isReady] === 1;
      this.#parts.onGap(slot, nowUs);
      const dueUs = isReady ? 0 : this.#dueUs(at, nowUs);
      if (nowUs < dueUs) {
        wakeAt(Math.max(dueUs, this.#lookUs));
        continue;
      }
      if (native.giveUp(slot, nowUs) < 0) {
        this.#lookUs = nowUs + fullPauseUs;
        wakeAt(this.#lookUs);
      }
      if (isReady) continue;
      this.#deadlineOf(this.#parts.gaps[at + gaps.peer] as number).handleGivenUp();
      given += 1;
    }
    return given;
  }

  /** When the gap in the row at `at` is given up. */
  #dueUs(at: number, nowUs: number): number {
    const { gaps: rows, peers, reportSpacingUs } = this.#parts;
    const slot = rows[at + gaps.slot] as number;
    const peerRow = rows[at + gaps.peer] as number;
    const missing = rows[at + gaps.missing] as number;
    const ways = this.#look(slot, peerRow, missing, nowUs);
    const deadline = this.#deadlineOf(peerRow);
    const reportUs = reportSpacingUs(slot);
    deadline.update(nowUs, ways.skewUs, reportUs, ways.bestRttUs, ways.count < 2);
    const deadlineUs = deadline.deadlineUs(trafficClass.bulk);
    peers.setNumber(peerRow, peer.reorderDeadlineUsAt, deadlineUs);
    const latestUs = (rows[at + gaps.sinceUs] as number) + deadlineUs;
    if (!ways.havePassed) return latestUs;
    if (this.#passed.get(slot) !== missing) {
      this.#passed.set(slot, missing);
      this.#passedUs.set(slot, nowUs);
    }
    const repairUs =
      repairSigmas * ways.jitterUs + repairTries * (repairReports * reportUs + ways.bestRttUs) + repairMarginUs;
    return Math.min(latestUs, this.#passedUs.get(slot) + Math.max(repairUs, ways.skewUs));
  }

  #look(slot: number, peerRow: number, missing: number, nowUs: number): Ways {
    const { paths, chain } = this.#parts;
    const ways = this.#ways;
    let bestUs = Number.POSITIVE_INFINITY;
    let worstUs = 0;
    ways.havePassed = true;
    ways.jitterUs = 0;
    ways.count = 0;
    for (let row = chain.first(peerRow); row >= 0; row = chain.next(row, peerRow)) {
      if (paths.int(row, path.stateAt) === pathState.free) continue;
      const isIdle = paths.number(row, path.lastDataReceivedAt) < nowUs - idlePathUs;
      if (isIdle && paths.int(row, path.stateAt) !== pathState.up) continue;
      ways.count += 1;
      const rttUs = paths.number(row, path.smoothedRttUsAt);
      if (rttUs > 0) {
        bestUs = Math.min(bestUs, rttUs);
        worstUs = Math.max(worstUs, rttUs);
      }
      // The first that comes by it will be late by the skew; until then nothing is under way there.
      if (isIdle) continue;
      if (!this.#hasPassed(row, slot, missing)) ways.havePassed = false;
      ways.jitterUs = Math.max(ways.jitterUs, paths.number(row, path.jitterUsAt) || unknownJitterUs);
    }
    ways.bestRttUs = Number.isFinite(bestUs) ? bestUs : unknownRoundTripUs;
    ways.skewUs = Math.max(0, worstUs - ways.bestRttUs) / 2;
    return ways;
  }

  /** A path keeps its order: it has brought a later counter of the slot, or anything under younger keys. */
  #hasPassed(row: number, slot: number, missing: number): boolean {
    const { paths, sessions } = this.#parts;
    const largestSlot = paths.int(row, path.largestSlotAt);
    if (largestSlot !== slot)
      return sessions.number(largestSlot, session.birthAt) > sessions.number(slot, session.birthAt);
    const low = paths.int(row, path.largestAt) >>> 0;
    return (paths.int(row, path.largestAt + 4) >>> 0) * 2 ** 32 + low > missing;
  }

  #learn(): void {
    const rows = this.#parts.lateness;
    const count = rows[0] as number;
    for (let row = 0; row < count; row += 1) {
      const at = 1 + row * lateness.columns;
      const deadline = this.#deadlineOf(rows[at + lateness.peer] as number);
      deadline.handleFilled(rows[at + lateness.lateUs] as number, rows[at + lateness.wasGivenUp] === 1);
    }
    rows[0] = 0;
  }

  #deadlineOf(peerRow: number): ReorderDeadline {
    let deadline = this.#deadlines.get(peerRow);
    if (deadline === undefined) {
      const { reorderMs } = this.#parts;
      deadline = new ReorderDeadline(reorderMs === 'auto' ? -1 : reorderMs * 1000);
      this.#deadlines.set(peerRow, deadline);
    }
    return deadline;
  }
}
