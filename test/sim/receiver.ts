/**
 * The other end of the rope: counters come by many paths and leave in order. What it waits for, and when it reports, the real GapKeeper
 * and Reporter say, over tables of its own.
 */
import { GapKeeper } from '../../src/actors/opener/gap-keeper.ts';
import { Reporter } from '../../src/actors/opener/reporter.ts';
import { gaps, lateness } from '../../src/contract/columns.ts';
import { path, peer, session } from '../../src/contract/peer-tables.ts';
import { PathChain } from '../../src/rings/path-chain.ts';
import { SessionTable } from '../../src/rings/session-table.ts';
import { createRowTable, peerTable, type RowTable } from '../../src/rings/table.ts';
import { givePath } from '../support/given-paths.ts';
import { usedSessionMemory } from '../support/session-memory.ts';
import type { Packet, ReportFacts, ReportSection } from './flight.ts';
import type { VirtualClock } from './virtual-clock.ts';

/** Of a REPORT: header, and what each path and each word of its bitmap add. */
const headerBytes = 60;
const sectionBytes = 24;

export interface ReceiverParts {
  readonly clock: VirtualClock;
  /** Both ends', for each measures the same. */
  readonly paths: RowTable;
  /** Paths whose packets may bear marks. */
  readonly marks: readonly boolean[];
  /** What is missing is waited for. */
  readonly keepsOrder: boolean;
  readonly deliver: (packet: Packet) => void;
  readonly report: (facts: ReportFacts) => void;
}

class Arrivals {
  newest: Packet | undefined;
  arrivalUs = 0;
  /** When it came, itself included. */
  newestBytes = 0;
  packets = 0;
  bytes = 0;
  marked = 0;
}

export class Receiver {
  readonly #parts: ReceiverParts;
  readonly #sessions = new SessionTable(usedSessionMemory(1, 128));
  readonly #unreported = new Int32Array(2);
  readonly #gaps = new Float64Array(1 + gaps.max * gaps.columns);
  readonly #lateness = new Float64Array(1 + lateness.max * lateness.columns);
  readonly #reporter: Reporter;
  readonly #keeper: GapKeeper;
  readonly #arrivals: Arrivals[];
  readonly #came: boolean[] = [];
  // Since the last report, and between it and the one before: a report that is lost is made good by the next.
  #arrived: Packet[] = [];
  #arrivedBefore: readonly Packet[] = [];
  #rebuilt: Packet[] = [];
  #rebuiltBefore: readonly Packet[] = [];
  /** By counter: what is held, when it came. */
  readonly #held = new Map<number, { readonly packet: Packet; readonly atUs: number }>();
  /** What has come before its turn, and waited for nobody. */
  readonly #passed = new Set<number>();
  #givenUp: { readonly from: number; readonly to: number; readonly sinceUs: number }[] = [];
  #next = 0;
  #sinceUs = 0;
  #wakeUs = Number.POSITIVE_INFINITY;
  reports = 0;
  /** Gaps that were given up, and filled after all: losses to an inner flow that were none. */
  givenUpTooSoon = 0;

  constructor(parts: ReceiverParts) {
    const { paths } = parts;
    this.#parts = parts;
    this.#arrivals = parts.marks.map(() => new Arrivals());
    const sessions = this.#sessions;
    const peers = peerTable(createRowTable(peer, 1));
    const chain = new PathChain(peers, paths);
    for (const row of parts.marks.keys()) givePath(peers, paths, row);
    const wakeAt = (atUs: number): void => this.#wakeAt(atUs);
    this.#reporter = new Reporter({
      native: { report: () => this.#report() },
      unreported: this.#unreported,
      sessions,
      paths,
      chain,
      wakeAt,
    });
    this.#keeper = new GapKeeper({
      native: { gaps: () => this.#describe(), giveUp: () => this.#giveUp() },
      gaps: this.#gaps,
      lateness: this.#lateness,
      sessions,
      peers,
      paths,
      chain,
      reorderMs: 'auto',
      reportSpacingUs: (slot) => this.#reporter.spacingUs(slot),
      onGap: (slot, nowUs) => this.#reporter.noteGap(slot, nowUs),
      wakeAt,
    });
  }

  /** Packets that wait for one before them. */
  get held(): number {
    return this.#held.size;
  }

  /** A packet came by path `number`. */
  handleArrival(packet: Packet, number: number, isMarked: boolean): void {
    const { paths, clock } = this.#parts;
    const { nowUs } = clock;
    const by = this.#arrivals[number] as Arrivals;
    by.packets += 1;
    by.bytes += packet.bytes;
    if (isMarked) by.marked += 1;
    paths.setNumber(number, path.receivedPacketsAt, by.packets);
    paths.setNumber(number, path.lastDataReceivedAt, nowUs);
    if (by.newest === undefined || packet.counter > by.newest.counter) {
      by.newest = packet;
      by.arrivalUs = nowUs;
      by.newestBytes = by.bytes;
      paths.setInt(number, path.largestAt, packet.counter);
    }
    this.#sessions.setNumber(0, session.lastReceivedAt, nowUs);
    // What the replay window does with a copy.
    if (this.#came[packet.counter] !== true) {
      this.#arrived.push(packet);
      this.#accept(packet);
    }
    this.#noteNews();
    this.#turn();
  }

  /** A packet that was missing has been made of parity. */
  handleRebuilt(packet: Packet): void {
    if (this.#came[packet.counter] === true) return;
    this.#rebuilt.push(packet);
    this.#accept(packet);
    this.#noteNews();
  }

  has(packet: Packet): boolean {
    return this.#came[packet.counter] === true;
  }

  #noteNews(): void {
    this.#unreported[0] = 1;
    this.#unreported[1] = 0;
  }

  #accept(packet: Packet): void {
    const { nowUs } = this.#parts.clock;
    const { counter } = packet;
    this.#came[counter] = true;
    if (!this.#parts.keepsOrder) {
      this.#parts.deliver(packet);
      return;
    }
    if (counter < this.#next) {
      this.#tellLate(counter, nowUs);
      this.#parts.deliver(packet);
      return;
    }
    if (counter > this.#next && !packet.waits) {
      this.#passed.add(counter);
      this.#parts.deliver(packet);
      return;
    }
    if (counter > this.#next) {
      if (this.#held.size === 0) this.#sinceUs = nowUs;
      this.#held.set(counter, { packet, atUs: nowUs });
      this.#gaps[0] = 1;
      return;
    }
    if (this.#held.size > 0) this.#learn(nowUs - this.#sinceUs, false);
    this.#next += 1;
    this.#parts.deliver(packet);
    this.#advance();
  }

  /** What is held right behind what has left leaves as well. */
  #advance(): void {
    for (;;) {
      const held = this.#held.get(this.#next);
      if (held === undefined && !this.#passed.delete(this.#next)) break;
      this.#held.delete(this.#next);
      this.#next += 1;
      if (held !== undefined) this.#parts.deliver(held.packet);
    }
    const [oldest] = this.#held.values();
    this.#gaps[0] = oldest === undefined ? 0 : 1;
    // In the order in which they came.
    if (oldest !== undefined) this.#sinceUs = oldest.atUs;
  }

  #giveUp(): number {
    const from = this.#next;
    while (this.#held.size > 0 && !this.#held.has(this.#next)) {
      this.#passed.delete(this.#next);
      this.#next += 1;
    }
    this.#givenUp.push({ from, to: this.#next, sinceUs: this.#sinceUs });
    if (this.#givenUp.length > 64) this.#givenUp.shift();
    this.#advance();
    return this.#next - from;
  }

  #tellLate(counter: number, nowUs: number): void {
    const found = this.#givenUp.find((one) => counter >= one.from && counter < one.to);
    if (found === undefined) return;
    this.#givenUp = this.#givenUp.filter((one) => one !== found);
    this.givenUpTooSoon += 1;
    this.#learn(nowUs - found.sinceUs, true);
  }

  #learn(lateUs: number, wasGivenUp: boolean): void {
    const count = this.#lateness[0] as number;
    if (count === lateness.max) return;
    this.#lateness.set([0, lateUs, wasGivenUp ? 1 : 0], 1 + count * lateness.columns);
    this.#lateness[0] = count + 1;
  }

  #describe(): number {
    if (this.#held.size === 0) return 0;
    this.#gaps.set([0, 0, this.#next, this.#sinceUs, this.#held.size, 0], 1);
    return 1;
  }

  #report(): number {
    const sections: ReportSection[] = [];
    for (const [number, by] of this.#arrivals.entries()) {
      const { newest, arrivalUs, packets, newestBytes } = by;
      if (newest === undefined) continue;
      const marked = this.#parts.marks[number] === true ? by.marked : undefined;
      sections.push({ path: number, newest, arrivalUs, packets, bytes: newestBytes, marked });
    }
    const arrived = [...this.#arrivedBefore, ...this.#arrived];
    const rebuilt = [...this.#rebuiltBefore, ...this.#rebuilt];
    const facts = { timeUs: this.#parts.clock.nowUs, arrived, rebuilt, sections };
    this.#arrivedBefore = this.#arrived;
    this.#rebuiltBefore = this.#rebuilt;
    this.#arrived = [];
    this.#rebuilt = [];
    this.#unreported[0] = 0;
    this.reports += 1;
    this.#parts.report(facts);
    return headerBytes + sections.length * sectionBytes;
  }

  #turn(): void {
    const { nowUs } = this.#parts.clock;
    this.#keeper.turn(nowUs);
    this.#reporter.turn(nowUs);
  }

  #wakeAt(atUs: number): void {
    const { clock } = this.#parts;
    const dueUs = Math.max(atUs, clock.nowUs + 1);
    if (dueUs >= this.#wakeUs) return;
    this.#wakeUs = dueUs;
    clock.at(dueUs, () => {
      if (this.#wakeUs !== dueUs) return;
      this.#wakeUs = Number.POSITIVE_INFINITY;
      this.#turn();
    });
  }
}
