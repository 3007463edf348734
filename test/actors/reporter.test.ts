/** The opener's sense of when a report is due, against traffic under a clock turned by hand. */
import t from 'tap';
import { Reporter } from '../../src/actors/opener/reporter.ts';
import { path, pathState, peer, session } from '../../src/contract/peer-tables.ts';
import { PathChain } from '../../src/rings/path-chain.ts';
import { SessionTable } from '../../src/rings/session-table.ts';
import { createRowTable, pathTable, peerTable } from '../../src/rings/table.ts';
import { givePath } from '../support/given-paths.ts';
import { usedSessionMemory } from '../support/session-memory.ts';

const frameBytes = 88;
/** Data message and UDP over IPv4 around a frame padded to 16. */
const wireBytes = 96 + 32 + 28;

/** Rows before are others'. */
const firstRow = 32;

class Bench {
  readonly sessions = new SessionTable(usedSessionMemory(4, 128));
  readonly peers = peerTable(createRowTable(peer, 2));
  readonly paths = pathTable(createRowTable(path, 64));
  readonly unreported = new Int32Array(5);
  readonly reportsUs: number[] = [];
  readonly #reporter: Reporter;
  nowUs = 1_000_000;
  wakeUs = Number.POSITIVE_INFINITY;
  isFull = false;

  constructor(paths: readonly { readonly rateBps: number; readonly minRttUs: number }[]) {
    paths.forEach((one, index) => {
      const row = firstRow + index;
      givePath(this.peers, this.paths, row, 1);
      this.paths.setInt(row, path.stateAt, pathState.up);
      this.paths.setInt(row, path.endpointAt, 2);
      this.paths.setNumber(row, path.rateBpsAt, one.rateBps);
      this.paths.setNumber(row, path.minRttUsAt, one.minRttUs);
    });
    this.sessions.setInt(2, session.peerAt, 1);
    this.#reporter = new Reporter({
      native: { report: () => this.#report() },
      unreported: this.unreported,
      sessions: this.sessions,
      paths: this.paths,
      chain: new PathChain(this.peers, this.paths),
      wakeAt: (atUs) => {
        this.wakeUs = Math.min(this.wakeUs, atUs);
      },
    });
  }

  /** Data every `everyUs`, for `durationUs`; turned whenever there is data or a wake-up was asked for. */
  run(durationUs: number, everyUs: number): void {
    const endUs = this.nowUs + durationUs;
    let dataUs = this.nowUs;
    while (this.nowUs < endUs) {
      if (this.nowUs >= dataUs) {
        this.arrive();
        dataUs += everyUs;
      }
      this.turn();
      this.nowUs = Math.max(this.nowUs + 1, Math.min(endUs, dataUs, this.wakeUs));
    }
  }

  arrive(): void {
    this.sessions.setNumber(2, session.lastReceivedAt, this.nowUs);
    this.unreported[0] = 1;
    this.unreported[1] = 2;
  }

  /** Something is missed, now and in the time to come. */
  miss(): void {
    this.#reporter.noteGap(2, this.nowUs);
  }

  turn(): void {
    this.wakeUs = Number.POSITIVE_INFINITY;
    this.#reporter.turn(this.nowUs);
  }

  #report(): number {
    if (this.isFull) return -28;
    this.unreported[0] = 0;
    this.reportsUs.push(this.nowUs);
    return frameBytes;
  }
}

function gaps(times: readonly number[]): number[] {
  return times.slice(1).map((atUs, index) => atUs - (times[index] ?? 0));
}

t.test('turn() reports an eighth of a round trip apart when the way back can afford it', async (t) => {
  for (const [minRttUs, wantedUs] of [
    [8_000, 3_000],
    [40_000, 5_000],
    [400_000, 20_000],
  ] as const) {
    const bench = new Bench([
      { rateBps: 1e9, minRttUs },
      { rateBps: 1e9, minRttUs: 2 * minRttUs },
    ]);
    bench.run(1_000_000, 100);
    const spaced = gaps(bench.reportsUs.slice(1));
    t.ok(spaced.length > 40, `${spaced.length} reports`);
    t.ok(
      spaced.every((gapUs) => gapUs >= wantedUs && gapUs <= wantedUs + 100),
      `${minRttUs} us away: ${wantedUs} us apart`,
    );
  }
});

t.test(
  'turn() reports less often to a peer that only one path leads to, also of packets that come singly',
  async (t) => {
    for (const [minRttUs, everyUs, wantedUs] of [
      [8_000, 100, 10_000],
      [60_000, 100, 15_000],
      [8_000, 2_500, 10_000],
    ] as const) {
      const bench = new Bench([{ rateBps: 1e9, minRttUs }]);
      bench.run(1_000_000, everyUs);
      const spaced = gaps(bench.reportsUs.slice(1));
      t.ok(spaced.length > 40, `${spaced.length} reports`);
      t.ok(Math.min(...spaced) >= wantedUs, `${minRttUs} us away: ${Math.min(...spaced)} us apart`);
      t.ok(Math.max(...spaced) <= wantedUs + everyUs);
    }
  },
);

t.test('turn() reports by an only path as by many while something is missed', async (t) => {
  const bench = new Bench([{ rateBps: 1e9, minRttUs: 60_000 }]);
  bench.run(200_000, 100);
  const from = bench.reportsUs.length;
  for (let turn = 0; turn < 20; turn += 1) {
    bench.miss();
    bench.run(10_000, 100);
  }
  const missed = gaps(bench.reportsUs.slice(from + 2));
  t.ok(missed.length > 20, `${missed.length} reports in 200 ms`);
  t.ok(Math.max(...missed) <= 7_700 && Math.min(...missed) >= 3_000, 'an eighth of the round trip apart');
  bench.run(300_000, 100);
  t.ok(Math.min(...gaps(bench.reportsUs.slice(-5))) >= 15_000, 'and as before when all is well again');
});

t.test('turn() keeps within its share of all ways back, copies and headers counted', async (t) => {
  for (const rateBps of [5e6, 20e6, 100e6]) {
    for (const everyUs of [200, 4_000]) {
      const bench = new Bench([
        { rateBps, minRttUs: 20_000 },
        { rateBps: rateBps / 10, minRttUs: 20_000 },
      ]);
      bench.run(10_000_000, everyUs);
      const spentBps = (bench.reportsUs.length * 2 * wireBytes * 8) / 10;
      // Half a percent; a slow way back three times that, if it brings a report each 20 ms.
      const usualBps = (2 * wireBytes * 8) / 0.02;
      const mostBps = Math.max(1.1 * rateBps * 0.005, Math.min(1.1 * rateBps * 0.015, usualBps));
      t.ok(spentBps <= mostBps * 1.05, `${spentBps} of ${rateBps} bit/s, data every ${everyUs} us`);
      t.ok(spentBps >= mostBps * 0.9 || spentBps >= usualBps, 'and uses it');
      t.ok(Math.max(...gaps(bench.reportsUs)) <= 100_000 + everyUs, 'and never is silent for longer than 100 ms');
    }
  }
});

t.test('turn() tells of the last packets a millisecond after traffic stopped', async (t) => {
  const far = { rateBps: 100e6, minRttUs: 160_000 } as const;
  const bench = new Bench([far, far]);
  bench.run(1_000_000, 100);
  bench.nowUs += 1_000_000;
  const from = bench.reportsUs.length;
  const startUs = bench.nowUs;
  bench.run(5_000, 100);
  const lastDataUs = bench.sessions.number(2, session.lastReceivedAt);
  bench.run(100_000, 1_000_000);
  const tail = bench.reportsUs.slice(from);
  t.ok((tail[0] ?? 0) - startUs <= 1_000, 'the first of a burst is told at once');
  const lastUs = tail.at(-1) ?? 0;
  t.ok(lastUs >= lastDataUs + 1_000 && lastUs <= lastDataUs + 5_000, `${lastUs - lastDataUs} us after the last`);
  t.equal(bench.unreported[0], 0);
});

t.test('turn() tries again when the ring was full', async (t) => {
  const bench = new Bench([{ rateBps: 100e6, minRttUs: 10_000 }]);
  bench.isFull = true;
  bench.arrive();
  bench.turn();
  t.equal(bench.reportsUs.length, 0);
  t.ok(bench.wakeUs <= bench.nowUs + 3_000);
  bench.isFull = false;
  bench.nowUs = bench.wakeUs;
  bench.turn();
  t.equal(bench.reportsUs.length, 1);
});

/** How many reports follow in ten seconds when a stream of these paths breaks off; the first one bore it. */
function saidAfterTheEnd(states: readonly number[]): number {
  const bench = new Bench(states.map(() => ({ rateBps: 0, minRttUs: 20_000 })));
  for (const [at, state] of states.entries()) bench.paths.setInt(firstRow + at, path.stateAt, state);
  bench.run(200_000, 1_000);
  bench.paths.addNumber(firstRow, path.receivedPacketsAt, 100);
  bench.run(20_000, 1_000);
  const before = bench.reportsUs.length;
  bench.run(1_000_000, 10_000_000);
  return bench.reportsUs.length - before;
}

t.test('turn() says the same again when a stream breaks off, and then is silent', async (t) => {
  const after = saidAfterTheEnd([pathState.up]);
  t.ok(after >= 3 && after <= 5, `${after} reports after the end`);
});

t.test('turn() says the same again also where the stream came by a path that we do not send by', async (t) => {
  const after = saidAfterTheEnd([pathState.standby, pathState.up]);
  t.ok(after >= 3 && after <= 5, `${after} reports after the end`);
});

t.test('turn() goes on reporting while something is missed, though nothing more comes', async (t) => {
  const bench = new Bench([
    { rateBps: 50e6, minRttUs: 20_000 },
    { rateBps: 50e6, minRttUs: 20_000 },
  ]);
  bench.run(100_000, 1_000);
  const before = bench.reportsUs.length;
  const fromUs = bench.nowUs;
  for (; bench.nowUs < fromUs + 150_000; bench.nowUs += 1_000) {
    bench.miss();
    bench.turn();
  }
  const during = bench.reportsUs.length - before;
  t.ok(during >= 8 && during <= 14, `${during} reports in 150 ms`);
  bench.nowUs += 100_000;
  bench.turn();
  const settled = bench.reportsUs.length;
  for (const untilUs = bench.nowUs + 200_000; bench.nowUs < untilUs; bench.nowUs += 1_000) bench.turn();
  t.equal(bench.reportsUs.length, settled, 'and stops');
});
