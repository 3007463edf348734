/** The opener's patience with what is missing, against a native opener that only says what is missing. */
import t from 'tap';
import { GapKeeper } from '../../src/actors/opener/gap-keeper.ts';
import { gaps, lateness } from '../../src/contract/columns.ts';
import { path, pathState, peer, session } from '../../src/contract/peer-tables.ts';
import { PathChain } from '../../src/rings/path-chain.ts';
import { SessionTable } from '../../src/rings/session-table.ts';
import { createRowTable, pathTable, peerTable } from '../../src/rings/table.ts';
import { givePath } from '../support/given-paths.ts';
import { usedSessionMemory } from '../support/session-memory.ts';

const slot = 3;
const peerRow = 1;
/** Those before are others'. */
const firstRow = 32;
const reportUs = 5_000;
const roundTripUs = 20_000;
const jitterUs = 1_000;

class Bench {
  readonly sessions = new SessionTable(usedSessionMemory(4, 128));
  readonly peers = peerTable(createRowTable(peer, 2));
  readonly paths = pathTable(createRowTable(path, 64));
  readonly gaps = new Float64Array(1 + gaps.max * gaps.columns);
  readonly lateness = new Float64Array(1 + lateness.max * lateness.columns);
  readonly keeper: GapKeeper;
  readonly givenUpUs: number[] = [];
  nowUs = 10_000_000;
  wakeUs = Number.POSITIVE_INFINITY;
  missing = -1;
  sinceUs = 0;
  isReady = false;
  isFull = false;

  readonly gapsSeen: [number, number][] = [];

  constructor(reorderMs: number | 'auto', paths = 2) {
    for (let index = 0; index < paths; index += 1) {
      const row = firstRow + index;
      givePath(this.peers, this.paths, row, peerRow);
      this.paths.setInt(row, path.stateAt, pathState.up);
      this.paths.setNumber(row, path.smoothedRttUsAt, roundTripUs);
      // The luckiest of ten seconds, where delays vary: no repair comes so soon.
      this.paths.setNumber(row, path.minRttUsAt, roundTripUs / 2);
      this.paths.setNumber(row, path.jitterUsAt, jitterUs);
    }
    this.keeper = new GapKeeper({
      native: { gaps: () => this.#describe(), giveUp: () => this.#giveUp() },
      gaps: this.gaps,
      lateness: this.lateness,
      sessions: this.sessions,
      peers: this.peers,
      paths: this.paths,
      chain: new PathChain(this.peers, this.paths),
      reorderMs,
      reportSpacingUs: () => reportUs,
      onGap: (where, atUs) => this.gapsSeen.push([where, atUs]),
      wakeAt: (atUs) => {
        this.wakeUs = Math.min(this.wakeUs, atUs);
      },
    });
  }

  open(missing: number): void {
    this.missing = missing;
    this.sinceUs = this.nowUs;
    this.gaps[0] = 1;
  }

  /** Data came by a path, of which `counter` is the largest. */
  brings(index: number, counter: number, largestSlot = slot): void {
    const row = firstRow + index;
    this.paths.setNumber(row, path.lastDataReceivedAt, this.nowUs);
    this.paths.setInt(row, path.largestSlotAt, largestSlot);
    this.paths.setInt(row, path.largestAt, counter);
  }

  /** Turns at each wake-up until the gap is given up; returns how long that took since it opened. */
  waitUs(limitUs = 1_000_000): number {
    const before = this.givenUpUs.length;
    const endUs = this.nowUs + limitUs;
    for (;;) {
      this.wakeUs = Number.POSITIVE_INFINITY;
      this.keeper.turn(this.nowUs);
      if (this.givenUpUs.length > before) return (this.givenUpUs.at(-1) ?? 0) - this.sinceUs;
      this.nowUs = Math.max(this.nowUs + 1, Math.min(this.wakeUs, this.nowUs + 50_000));
      if (this.nowUs > endUs) return Number.POSITIVE_INFINITY;
    }
  }

  late(lateUs: number, count = 1): void {
    this.lateness[0] = count;
    for (let row = 0; row < count; row += 1) {
      const at = 1 + row * lateness.columns;
      this.lateness[at + lateness.peer] = peerRow;
      this.lateness[at + lateness.lateUs] = lateUs;
    }
  }

  #describe(): number {
    if (this.missing < 0) return 0;
    this.gaps.set([slot, peerRow, this.missing, this.sinceUs, 5, this.isReady ? 1 : 0], 1);
    return 1;
  }

  #giveUp(): number {
    if (this.isFull) return -28;
    this.givenUpUs.push(this.nowUs);
    this.missing = -1;
    this.gaps[0] = 0;
    return 0;
  }
}

t.test('turn() holds a gap for the configured time when a path may still bring it', async (t) => {
  const bench = new Bench(60);
  bench.open(100);
  bench.brings(0, 110);
  bench.brings(1, 90);
  const waitedUs = bench.waitUs();
  t.ok(waitedUs >= 60_000 && waitedUs <= 60_500, `${waitedUs} us`);
  t.equal(bench.peers.number(peerRow, peer.reorderDeadlineUsAt), 60_000);
});

t.test(
  'turn() gives a gap up when all paths have passed it and a re-injection had the time to be lost, too',
  async (t) => {
    const bench = new Bench(500);
    bench.open(100);
    bench.brings(0, 110);
    bench.brings(1, 101);
    const waitedUs = bench.waitUs();
    const allowedUs = 3 * jitterUs + 2 * (2 * reportUs + roundTripUs) + 10_000;
    t.ok(waitedUs >= allowedUs && waitedUs <= allowedUs + 500, `${waitedUs} us`);
    bench.open(200);
    bench.brings(0, 250);
    bench.brings(1, 150);
    bench.nowUs += 40_000;
    t.equal(bench.keeper.turn(bench.nowUs), 0, 'the second path has not passed the next gap');
    bench.brings(1, 201);
    const passedUs = bench.nowUs;
    bench.waitUs();
    t.ok(bench.nowUs - passedUs >= allowedUs && bench.nowUs - passedUs <= allowedUs + 500, 'then it counts from there');
  },
);

t.test('turn() leaves an only path as much time, and says that something is missed', async (t) => {
  const bench = new Bench(500, 1);
  bench.open(100);
  bench.brings(0, 110);
  const waitedUs = bench.waitUs();
  const allowedUs = 3 * jitterUs + 2 * (2 * reportUs + roundTripUs) + 10_000;
  t.ok(waitedUs >= allowedUs && waitedUs <= allowedUs + 500, `${waitedUs} us`);
  t.same(bench.gapsSeen[0], [slot, bench.sinceUs]);
});

t.test('turn() does not wait for a path that brings no data, and takes younger keys for a later counter', async (t) => {
  const idle = new Bench(400);
  idle.brings(1, 90);
  idle.nowUs += 600_000;
  idle.open(100);
  idle.brings(0, 110);
  t.ok(idle.waitUs() < 80_000, 'idle for 600 ms');
  const rekeyed = new Bench(400);
  rekeyed.sessions.setNumber(slot, session.birthAt, 1);
  rekeyed.sessions.setNumber(0, session.birthAt, 2);
  rekeyed.open(100);
  rekeyed.brings(0, 110);
  rekeyed.brings(1, 3, 0);
  t.ok(rekeyed.waitUs() < 80_000, 'younger keys');
  const older = new Bench(400);
  older.sessions.setNumber(slot, session.birthAt, 2);
  older.sessions.setNumber(0, session.birthAt, 1);
  older.open(100);
  older.brings(0, 110);
  older.brings(1, 3000, 0);
  t.ok(older.waitUs() >= 400_000, 'older keys');
});

t.test('turn() learns how late packets are', async (t) => {
  const bench = new Bench('auto');
  for (let round = 0; round < 20; round += 1) {
    bench.nowUs += 100_000;
    bench.late(40_000, 10);
    bench.brings(0, 1_000 + round);
    bench.brings(1, 0);
    bench.open(500 + round);
    bench.waitUs();
  }
  const learntUs = bench.peers.number(peerRow, peer.reorderDeadlineUsAt);
  t.ok(learntUs >= 40_000 && learntUs < 100_000, `${learntUs} us after packets of 40 ms`);
  t.equal(bench.lateness[0], 0, 'all rows are read');
});

t.test('turn() tries again when the output is full, and counts no gap for what is only ready', async (t) => {
  const bench = new Bench(50);
  bench.open(100);
  bench.isReady = true;
  bench.isFull = true;
  t.equal(bench.keeper.turn(bench.nowUs), 0);
  t.ok(bench.wakeUs <= bench.nowUs + 100, 'soon');
  bench.isFull = false;
  bench.nowUs += 250;
  t.equal(bench.keeper.turn(bench.nowUs), 0);
  t.equal(bench.givenUpUs.length, 1);
});
