/** Bond: what its paths learn from each other. */
import t from 'tap';
import { Bond } from '../../src/bonding/bond.ts';
import type { FlightRecord } from '../../src/bonding/flight-record.ts';
import { pathHold } from '../../src/bonding/path-hold.ts';
import type { PathRow } from '../../src/bonding/path-row.ts';
import type { SchedulerMode } from '../../src/bonding/schedule/scheduler.ts';
import { SendingPath } from '../../src/bonding/sending-path.ts';
import { feedback } from '../../src/contract/columns.ts';
import { pathState } from '../../src/contract/peer-tables.ts';
import { trafficClass } from '../../src/contract/records.ts';
import { pathRow, plainWay } from '../support/path-rows.ts';

type Writable<T> = { -readonly [K in keyof T]: T[K] };

const none = { reports: true, repairs: false, parity: false, pieces: false };

interface Told {
  readonly rttUs: number;
  readonly thereUs: number;
  readonly packets?: number;
}

/** Two paths, and a record in which nothing is under way. */
function twoPaths(mode: SchedulerMode = 'adaptive', rateBps = 0, part: Partial<PathRow> = {}) {
  const cells = new Float64Array(2 * feedback.columns);
  const lossDelaysUs = new Float64Array(2);
  const expireBeforeUs = new Float64Array(2);
  /** When the oldest left that is under way by the first path; 0 = none is. */
  const flying = { sinceUs: 0 };
  const record: FlightRecord = {
    feedback: cells,
    lossDelaysUs,
    expireBeforeUs,
    expire: () => {
      cells.fill(0);
      cells[feedback.inFlightBytes] = flying.sinceUs > 0 ? 100_000 : 0;
      cells[feedback.oldestSentUs] = flying.sinceUs;
      return 0;
    },
    loseLonger: () => undefined,
    longestWaiting: () => 0,
    giveUpLonger: () => undefined,
    resend: () => 0,
    resendCut: () => 0,
  };
  const settings = {
    modes: [mode, mode, mode, mode],
    protects: [false, false, false, false],
    repairsAlone: true,
    failbackMs: 5_000,
    parallel: 'off',
    fec: 'off',
    sealedBytes: 1452,
    mtu: 1420,
  } as const;
  const bond = new Bond(0, settings, record, 0);
  const rows = [0, 1].map((row): Writable<PathRow> => pathRow(row, part));
  const paths = [0, 1].map((row) => new SendingPath(rows[row] as PathRow, { ...plainWay, rateBps }, 0));
  bond.follow(none, paths, 0);
  const arrived = [0, 0];
  /** A report that tells of these paths: packets acknowledged of each (1), its round trip, and how long it took there. */
  const report = (nowUs: number, told: Readonly<Record<number, Told>>): void => {
    bond.handleReport(
      {
        acknowledge: () => {
          cells.fill(0);
          for (const path of [0, 1]) cells[path * feedback.columns + feedback.rttUs] = -1;
          for (const [path, { rttUs, thereUs, packets = 1 }] of Object.entries(told)) {
            const at = Number(path) * feedback.columns;
            arrived[Number(path)] = (arrived[Number(path)] ?? 0) + packets;
            cells[at + feedback.ackedPackets] = packets;
            cells[at + feedback.ackedBytes] = 1_400 * packets;
            cells[at + feedback.hasSection] = 1;
            cells[at + feedback.packets] = arrived[Number(path)] as number;
            cells[at + feedback.bytes] = 1_400 * (arrived[Number(path)] as number);
            cells[at + feedback.arrivalUs] = nowUs;
            cells[at + feedback.rttUs] = rttUs;
            cells[at + feedback.delayUs] = thereUs;
          }
          return 0;
        },
      },
      nowUs,
      0,
    );
  };
  return { bond, paths, rows, report, expireBeforeUs, flying };
}

t.test('a way back that became longer holds for a path of which the report tells nothing', async (t) => {
  const { paths, report } = twoPaths();
  const [fibre, lte] = paths as [SendingPath, SendingPath];
  // There 8 and 25 ms; back by fibre, 8 ms.
  const sound = { 0: { rttUs: 16_000, thereUs: 8_000 }, 1: { rttUs: 33_000, thereUs: 25_000 } };
  for (let nowUs = 0; nowUs < 1e6; nowUs += 10_000) report(nowUs, sound);
  t.ok(fibre.controller.wayBackUs < 1_000 && lte.controller.wayBackUs < 1_000);
  // Fibre is dead: reports come back by LTE, and tell of LTE alone.
  for (let nowUs = 1e6; nowUs < 2e6; nowUs += 10_000) report(nowUs, { 1: { rttUs: 50_000, thereUs: 25_000 } });
  t.ok(Math.abs(lte.controller.wayBackUs - 17_000) < 1_000, `LTE ${lte.controller.wayBackUs}`);
  t.ok(Math.abs(fibre.controller.wayBackUs - 17_000) < 1_000, `fibre ${fibre.controller.wayBackUs}`);
  // What leaves by fibre now is told of after 33 ms, by LTE.
  fibre.refresh(2e6, true, 0, 0);
  t.ok(2e6 - fibre.expiryUs(2e6, 2e6) > 33_000, 'it is not given up before');
});

/** How long bulk may wait, microseconds, `afterUs` after `act` was done to a bond of two paths of 20 ms, both known and in use. */
function queueAfter(mode: SchedulerMode, afterUs: number, act: (rope: ReturnType<typeof twoPaths>) => void): number {
  const rope = twoPaths(mode, 40e6);
  const { bond, rows, report } = rope;
  const sound = { 0: { rttUs: 20_000, thereUs: 10_000 }, 1: { rttUs: 20_000, thereUs: 10_000 } };
  for (let nowUs = 0; nowUs < 1e6; nowUs += 10_000) {
    report(nowUs, sound);
    bond.queueTargetUs(nowUs);
    bond.routes.refresh(nowUs);
  }
  act(rope);
  bond.follow(none, rope.paths, 1e6);
  t.equal(rows.length, 2);
  for (let nowUs = 1e6; nowUs <= 1e6 + afterUs; nowUs += 10_000) {
    report(nowUs, { 1: { rttUs: 20_000, thereUs: 10_000 } });
    bond.routes.refresh(nowUs);
  }
  return bond.queueTargetUs(1e6 + afterUs);
}

t.test(
  'queueTargetUs() keeps the window of the whole rope for a path that died, and for none that was taken out',
  async (t) => {
    const whole = queueAfter('adaptive', 3e6, () => undefined);
    const died = queueAfter('adaptive', 3e6, ({ paths }) => paths[0]?.life.handleKernelDown(1e6));
    t.ok(died > whole + 20_000, `whole ${whole}, one died ${died}`);
    const standby = queueAfter('adaptive', 3e6, ({ rows }) => {
      (rows[0] as Writable<PathRow>).state = pathState.standby;
    });
    t.ok(standby <= whole, `another of its link carries: ${standby}`);
    const excluded = queueAfter('adaptive', 3e6, ({ paths }) => {
      (paths[0] as SendingPath).isExcluded = true;
    });
    t.ok(excluded <= whole, `the operator took it out: ${excluded}`);
    const single = queueAfter('failover', 3e6, ({ paths }) => paths[0]?.life.handleKernelDown(1e6));
    t.ok(single <= queueAfter('failover', 3e6, () => undefined), `each flow has one path: ${single}`);
  },
);

t.test('what waits while a path proves too narrow is not told off for it', async (t) => {
  const { bond, rows } = twoPaths('adaptive', 0, { knownMtu: 1500 });
  for (let nowUs = 2_000; nowUs < 3e6; nowUs += 10_000) bond.tick(nowUs);
  const calmUs = bond.queueTargetUs(3e6);
  // The kernel refuses a packet that is no longer than what passed before.
  Object.assign(rows[0] ?? {}, { refusedPackets: 1, refusedBytes: 1400 });
  bond.tick(3e6);
  t.ok(bond.queueTargetUs(3e6) >= 10 * calmUs, `${bond.queueTargetUs(3e6)} us at a hole, ${calmUs} us before`);
  bond.tick(5.9e6);
  t.ok(bond.queueTargetUs(5.9e6) < 2 * calmUs, `${bond.queueTargetUs(5.9e6)} us when it is over`);
});

t.test('a spare bears frames for two while what carries may be blocked, and only then', async (t) => {
  const { bond, paths, rows, report } = twoPaths('adaptive', 0, { link: 0 });
  const [carrier, spare] = paths as [SendingPath, SendingPath];
  const sound = { 0: { rttUs: 20_000, thereUs: 10_000 }, 1: { rttUs: 20_000, thereUs: 10_000 } };
  for (let nowUs = 0; nowUs <= 1e6; nowUs += 10_000) report(nowUs, sound);
  t.same([carrier.carries, spare.carries], [true, false]);
  const bears = (nowUs: number): boolean => bond.routes.other(carrier, 0, nowUs) === spare;
  bond.handleProbe(spare, 0, 'always', 0, 1e6);
  t.notOk(bears(1e6), 'asked now and then while nothing comes');
  t.ok(carrier.life.isTrusted);

  (rows[0] as Writable<PathRow>).dataReceivedUs = 1e6;
  bond.handleProbe(carrier, 0, 'always', 0, 1e6);
  t.notOk(bears(1e6), 'asked by what carries');
  bond.handleProbe(spare, 0, 'always', 0, 1e6);
  t.ok(bears(1e6), 'what the peer sends by the other arrives, and it asks for news by this one');
  t.notOk(carrier.life.isTrusted, 'whether news arrive by what carries is to be seen');
  t.ok(carrier.life.nextProbeAtUs <= 1e6);
  t.ok(bears(1.15e6), 'until that has answered');
  carrier.life.handleProbeReply(1.16e6, 20_000, true);
  t.notOk(bears(1.16e6));
});

t.test(
  'what is under way by a path that another one replaces is given up only if news of it was overdue',
  async (t) => {
    for (const isSilent of [false, true]) {
      const { bond, paths, report, expireBeforeUs, flying } = twoPaths('adaptive', 0, { link: 0 });
      const [carrier, better] = paths as [SendingPath, SendingPath];
      const sound = { 0: { rttUs: 20_000, thereUs: 10_000 }, 1: { rttUs: 20_000, thereUs: 10_000 } };
      for (let nowUs = 0; nowUs <= 1e6; nowUs += 10_000) report(nowUs, sound);
      t.same([carrier.carries, better.carries], [true, false]);
      flying.sinceUs = 990_000;
      const movedUs = isSilent ? 1_045_000 : 1_005_000;
      for (let nowUs = 1_005_000; nowUs <= movedUs; nowUs += 5_000) bond.tick(nowUs);
      t.equal(carrier.life.isDoubtful, isSilent);
      better.handicap = -1;
      // It was asked when the doubt began.
      better.life.handleProbeReply(movedUs, 20_000, true, movedUs);
      bond.tick(movedUs);
      t.same([carrier.carries, better.carries], [false, true]);
      bond.tick(movedUs + 1_000);
      const sparedUs = movedUs + 1_000 - (expireBeforeUs[0] as number);
      t.ok(isSilent ? sparedUs <= 1 : sparedUs > 20_000, `${isSilent ? 'silent' : 'in order'}: ${sparedUs} us`);
    }
  },
);

t.test(
  'who takes over by the same way begins with what was known of it, and not with what little was sent',
  async (t) => {
    const begun = (packets: number): SendingPath => {
      const { bond, paths, report } = twoPaths('adaptive', 0, { link: 0 });
      const [carrier, spare] = paths as [SendingPath, SendingPath];
      for (let nowUs = 0; nowUs <= 1e6; nowUs += 10_000) {
        carrier.spend(1_400 * packets, nowUs);
        report(nowUs, { 0: { rttUs: 40_000, thereUs: 20_000, packets } });
      }
      spare.life.handleProbeReply(1e6, 40_000, true, 1e6);
      carrier.life.handleKernelDown(1e6);
      bond.tick(1e6 + 5_000);
      t.same([carrier.carries, spare.carries], [false, true]);
      t.ok(carrier.controller.rateBytesPerUs > 0);
      return spare;
    };
    const little = begun(1).controller;
    t.equal(little.rateBytesPerUs, 0, 'a megabit of acknowledgements is no megabit of a bottleneck');
    t.ok(little.isStarting);
    const much = begun(40).controller;
    t.ok(much.rateBytesPerUs > 4, `${8 * much.rateBytesPerUs} Mbit/s were seen, and are there`);
  },
);

t.test('a path that was bad when it was last used is used again once its probes say otherwise', async (t) => {
  for (const [what, first, second, hold] of [
    ['its round trip swayed', 40_000, 500_000, pathHold.jitter],
    ['its round trip was long', 700_000, 700_000, pathHold.trip],
  ] as const) {
    const { bond, paths, report } = twoPaths();
    const [fibre, lte] = paths as [SendingPath, SendingPath];
    const near = { rttUs: 16_000, thereUs: 8_000 };
    let nowUs = 0;
    /** Both are asked every 200 ms, and LTE answers after 50. */
    const ask = (): void => {
      if (nowUs % 200_000 !== 0) return;
      for (const [path, tripUs] of [[fibre, 16_000] as const, [lte, 50_000] as const]) {
        const sequence = path.prober.startProbe(nowUs - tripUs);
        bond.handleProbeReply(path, sequence, 0, true, nowUs);
      }
    };
    for (; nowUs < 5e6; nowUs += 10_000) {
      const rttUs = nowUs % 20_000 === 0 ? first : second;
      report(nowUs, { 0: near, 1: { rttUs, thereUs: rttUs - 8_000 } });
      bond.routes.refresh(nowUs);
    }
    t.notOk(lte.isUsable, `${what}: bad`);
    t.same([fibre.hold, lte.hold], [pathHold.none, hold], 'and it says so');
    for (; nowUs < 7e6; nowUs += 10_000) {
      ask();
      report(nowUs, { 0: near });
      bond.routes.refresh(nowUs);
    }
    t.ok(lte.jitterUs < 10_000 && lte.rttUs < 60_000, `${what}: ${lte.jitterUs} us, ${lte.rttUs} us`);
    for (; nowUs < 13e6; nowUs += 10_000) {
      ask();
      report(nowUs, { 0: near });
      bond.routes.refresh(nowUs);
    }
    t.ok(lte.isUsable, `${what}: it is as good as its probes say`);
  }
});

t.test('a path that lives and carries nothing says why', async (t) => {
  const sound = { 0: { rttUs: 16_000, thereUs: 8_000 }, 1: { rttUs: 60_000, thereUs: 52_000 } };
  const holdAfter = (act: (lte: SendingPath) => void): number => {
    const { bond, paths, report } = twoPaths('adaptive', 0, { knownMtu: 1500 });
    const lte = paths[1] as SendingPath;
    for (let nowUs = 0; nowUs < 1e6; nowUs += 10_000) {
      report(nowUs, sound);
      bond.routes.choose(trafficClass.bulk, 1, 1_400, 1_452, 1_400, nowUs);
      if (nowUs === 500_000) act(lte);
    }
    return lte.hold;
  };
  t.equal(
    holdAfter(() => undefined),
    pathHold.far,
  );
  const { bond, paths, report } = twoPaths('adaptive', 0, { knownMtu: 1500 });
  const lte = paths[1] as SendingPath;
  lte.isExcluded = true;
  for (let nowUs = 0; nowUs < 1e6; nowUs += 10_000) {
    report(nowUs, sound);
    if (nowUs < 500_000) bond.routes.choose(trafficClass.bulk, 1, 1_400, 1_452, 1_400, nowUs);
    else lte.isExcluded = false;
  }
  t.equal(lte.hold, pathHold.none, 'what kept it from a flow of long ago is no loss');
  t.equal(
    holdAfter((lte) => lte.handleWish(0, 'backup', 0)),
    pathHold.role,
  );
  t.equal(
    holdAfter((lte) => lte.fit.size.begin(500_000)),
    pathHold.size,
  );
  t.equal(
    holdAfter((lte) => {
      lte.isExcluded = true;
    }),
    pathHold.forced,
  );
  t.equal(
    holdAfter((lte) => lte.life.handleKernelDown(500_000)),
    pathHold.none,
    'its condition says why',
  );
});
