/** Schedulers of all modes: who may be chosen at all, and what each mode promises. */
import fc from 'fast-check';
import t from 'tap';
import { PathSwitch } from '../../../src/bonding/schedule/path-switch.ts';
import {
  createScheduler,
  type Demand,
  type PathView,
  type Scheduler,
  type SchedulerMode,
  schedulerModes,
} from '../../../src/bonding/schedule/scheduler.ts';
import { trafficClass } from '../../../src/contract/records.ts';
import { pathView } from '../../support/path-views.ts';

const { bulk, latency } = trafficClass;

function views(...parts: Partial<PathView>[]): PathView[] {
  return parts.map((part, row) => pathView(row, part));
}

function demandOf(kind: number, part: Partial<Demand> = {}): Demand {
  return { trafficClass: kind, flow: 1, bytes: 1_400, backlogBytes: 1_400, ...part };
}

/** Sends `packets` over paths that always have credit; returns packets a path. */
function spread(scheduler: Scheduler, paths: PathView[], packets: number, demand = demandOf(bulk)): number[] {
  const counts = paths.map(() => 0);
  for (let packet = 0; packet < packets; packet += 1) {
    const index = scheduler.choose(paths, paths.length, demand, packet * 100);
    if (index < 0) continue;
    counts[index] = (counts[index] as number) + 1;
    (paths[index] as PathView).sentBytes += demand.bytes;
  }
  return counts;
}

const anyPath = fc.record({
  isUsable: fc.boolean(),
  priority: fc.integer({ min: 0, max: 3 }),
  weight: fc.integer({ min: 0, max: 5 }),
  role: fc.constantFrom('always' as const, 'backup' as const, 'metered' as const),
  allowedBytes: fc.integer({ min: -5_000, max: 50_000 }),
  rttUs: fc.integer({ min: 0, max: 400_000 }),
  jitterUs: fc.integer({ min: 0, max: 30_000 }),
  loss: fc.double({ min: 0, max: 0.5, noNaN: true }),
  rateBytesPerUs: fc.double({ min: 0, max: 40, noNaN: true }),
  inFlightBytes: fc.integer({ min: 0, max: 1_000_000 }),
});

t.test('choose() takes a usable path of the best role only, and bulk only one with credit', async () => {
  const order = { always: 0, backup: 1, metered: 2 };
  for (const mode of schedulerModes) {
    fc.assert(
      fc.property(
        fc.array(fc.array(anyPath, { minLength: 1, maxLength: 6 }), { minLength: 1, maxLength: 5 }),
        fc.constantFrom(bulk, latency),
        fc.integer({ min: 1_400, max: 3_000_000 }),
        (rounds, kind, backlogBytes) => {
          const scheduler = createScheduler(mode);
          return rounds.every((round, index) => {
            const paths = views(...round);
            const usable = paths.filter((path) => path.isUsable);
            const tier = Math.min(...usable.map((path) => order[path.role]));
            const demand = demandOf(kind, { backlogBytes });
            const chosen = scheduler.choose(paths, paths.length, demand, index * 700_000);
            if (chosen < 0) return kind === bulk || usable.length === 0;
            const path = paths[chosen] as PathView;
            return path.isUsable && order[path.role] === tier && (kind !== bulk || path.allowedBytes > 0);
          });
        },
      ),
      { numRuns: 60 },
    );
  }
});

t.test('choose() finds a path for bulk whenever all usable paths have credit', async () => {
  for (const mode of schedulerModes) {
    fc.assert(
      fc.property(fc.array(anyPath, { minLength: 1, maxLength: 6 }), (round) => {
        const paths = views(...round.map((path) => ({ ...path, allowedBytes: 10_000 })));
        const chosen = createScheduler(mode).choose(paths, paths.length, demandOf(bulk), 0);
        return chosen >= 0 === paths.some((path) => path.isUsable);
      }),
      { numRuns: 60 },
    );
  }
});

t.test('a path that stops being usable is left at once, in every mode', async (t) => {
  for (const mode of schedulerModes) {
    const scheduler = createScheduler(mode);
    const paths = views({ rttUs: 10_000 }, { rttUs: 60_000 });
    spread(scheduler, paths, 50);
    const [first] = paths as [PathView];
    first.isUsable = false;
    t.same(spread(scheduler, paths, 20), [0, 20], mode);
    t.same(spread(scheduler, paths, 20, demandOf(latency)), [0, 20], mode);
  }
});

t.test('round-robin takes turns, and passes over a path without credit', async (t) => {
  const scheduler = createScheduler('round-robin');
  const paths = views({}, {}, {});
  t.same(spread(scheduler, paths, 30), [10, 10, 10]);
  (paths[1] as PathView).allowedBytes = 0;
  t.same(spread(scheduler, paths, 30), [15, 0, 15]);
});

t.test('weighted keeps to the weights, or to the rates where none are given', async (t) => {
  t.same(spread(createScheduler('weighted'), views({ weight: 1 }, { weight: 3 }), 400), [100, 300]);
  const byRate = spread(createScheduler('weighted'), views({ rateBytesPerUs: 10 }, { rateBytesPerUs: 2.5 }), 500);
  t.ok(Math.abs((byRate[0] as number) - 400) <= 2, `${byRate}`);
});

t.test('weighted lets a path catch up by a burst only', async (t) => {
  const scheduler = createScheduler('weighted');
  const paths = views({}, {});
  (paths[1] as PathView).allowedBytes = 0;
  t.same(spread(scheduler, paths, 5_000), [5_000, 0]);
  (paths[1] as PathView).allowedBytes = 20_000;
  const [first = 0, second = 0] = spread(scheduler, paths, 1_000);
  t.ok(second < 700 && first > 300, `${first} and ${second}`);
});

t.test('least-used takes the path with the least in flight for its rate', async (t) => {
  const scheduler = createScheduler('least-used');
  const paths = views({ inFlightBytes: 30_000, rateBytesPerUs: 10 }, { inFlightBytes: 10_000, rateBytesPerUs: 1 });
  t.equal(scheduler.choose(paths, 2, demandOf(bulk), 0), 0);
  (paths[0] as PathView).inFlightBytes = 300_000;
  t.equal(scheduler.choose(paths, 2, demandOf(bulk), 0), 1);
});

t.test('least-latency stays on the nearest and spills bulk alone', async (t) => {
  const scheduler = createScheduler('least-latency');
  const paths = views({ rttUs: 60_000 }, { rttUs: 20_000 });
  t.equal(scheduler.choose(paths, 2, demandOf(bulk), 0), 1);
  (paths[1] as PathView).allowedBytes = 0;
  t.equal(scheduler.choose(paths, 2, demandOf(bulk), 0), 0);
  t.equal(scheduler.choose(paths, 2, demandOf(latency), 0), 1);
});

t.test('urgent traffic does not flap between paths of nearly equal delay, and leaves one that got far', async (t) => {
  for (const mode of ['least-latency', 'adaptive', 'redundant'] as const) {
    const scheduler = createScheduler(mode);
    const paths = views({ rttUs: 30_000 }, { rttUs: 31_000 });
    let changes = 0;
    let last = -1;
    for (let index = 0; index < 200; index += 1) {
      (paths[index % 2] as PathView).rttUs = 29_000 + ((index * 7) % 5) * 500;
      const chosen = scheduler.choose(paths, 2, demandOf(latency), index * 1_000);
      if (chosen !== last) changes += 1;
      last = chosen;
    }
    t.equal(changes, 1, mode);
    (paths[last] as PathView).rttUs = 80_000;
    t.equal(scheduler.choose(paths, 2, demandOf(latency), 300_000), 1 - last, mode);
  }
});

t.test('urgent traffic leaves a nearest path that loses packets, or that it has flooded itself', async (t) => {
  const lossy = views({ rttUs: 20_000, loss: 0.1 }, { rttUs: 40_000 });
  t.equal(createScheduler('adaptive').choose(lossy, 2, demandOf(latency), 0), 1);
  const flooded = views({ rttUs: 20_000, rateBytesPerUs: 1, allowedBytes: -60_000 }, { rttUs: 40_000 });
  t.equal(createScheduler('adaptive').choose(flooded, 2, demandOf(latency), 0), 1);
});

t.test(
  'per-flow keeps a flow on its path, and a death moves the flows of the dead path alone, until it returns',
  async (t) => {
    const scheduler = createScheduler('per-flow');
    const paths = views({}, {}, { rateBytesPerUs: 25 });
    const pathOf = (flow: number): number => scheduler.choose(paths, 3, demandOf(bulk, { flow }), 0);
    const flows = Array.from({ length: 2_000 }, (_, index) => Math.imul(index + 1, 0x85ebca6b));
    const before = flows.map(pathOf);
    t.same(flows.map(pathOf), before);
    const share = before.filter((index) => index === 2).length / flows.length;
    t.ok(share > 0.45 && share < 0.55, `the faster path got ${share}`);
    (paths[0] as PathView).rateBytesPerUs = 16;
    t.same(flows.map(pathOf), before, 'an estimate that moves a little moves nobody');
    (paths[1] as PathView).isUsable = false;
    const during = flows.map(pathOf);
    t.ok(during.every((index, at) => index !== 1 && (before[at] === 1 || before[at] === index)));
    (paths[1] as PathView).isUsable = true;
    t.same(flows.map(pathOf), before);
    (paths[before[0] as number] as PathView).allowedBytes = 0;
    t.equal(pathOf(flows[0] as number), -1, 'waits for its own path');
  },
);

t.test('failover keeps to the best priority, waits for its credit, and goes on by the next when it dies', async (t) => {
  const scheduler = createScheduler('failover');
  const paths = views({ priority: 10, rttUs: 5_000 }, { priority: 0, rttUs: 90_000 }, { priority: 5 });
  t.equal(scheduler.choose(paths, 3, demandOf(bulk), 0), 1);
  (paths[1] as PathView).allowedBytes = 0;
  t.equal(scheduler.choose(paths, 3, demandOf(bulk), 0), -1);
  t.equal(scheduler.choose(paths, 3, demandOf(latency), 0), 1);
  (paths[1] as PathView).isUsable = false;
  t.equal(scheduler.choose(paths, 3, demandOf(bulk), 0), 2);
  (paths[1] as PathView).isUsable = true;
  (paths[1] as PathView).allowedBytes = 1;
  t.equal(scheduler.choose(paths, 3, demandOf(bulk), 0), 1, 'failback');
});

t.test('PathSwitch changes between equal priorities for half the delay only, and obeys a hand', async (t) => {
  const paths = views({ rttUs: 60_000 }, { rttUs: 50_000 }, { role: 'backup', rttUs: 1_000 });
  const chooser = new PathSwitch();
  t.equal(chooser.choose(paths, 3), 1);
  (paths[0] as PathView).rttUs = 40_000;
  t.equal(chooser.choose(paths, 3), 1);
  (paths[0] as PathView).rttUs = 15_000;
  t.equal(chooser.choose(paths, 3), 0);
  chooser.force(2);
  t.equal(chooser.choose(paths, 3), 2);
  (paths[2] as PathView).isUsable = false;
  t.equal(chooser.choose(paths, 3), 0, 'a forced path that is dead is no path');
  chooser.force(-1);
  (paths[2] as PathView).isUsable = true;
  t.equal(chooser.choose(paths, 3), 0);
  t.equal(chooser.choose([], 0), -1);
});

t.test('copy() of redundant names every other usable path once; other modes copy nothing', async (t) => {
  const paths = views({}, { rttUs: 5_000 }, { isUsable: false }, { allowedBytes: 0 });
  const copies = (mode: SchedulerMode, kind: number): number[] => {
    const scheduler = createScheduler(mode);
    const used = [scheduler.choose(paths, 4, demandOf(kind), 0)];
    let mask = 1 << (used[0] as number);
    for (;;) {
      const next = scheduler.copy(paths, 4, demandOf(kind), mask);
      if (next < 0) return used;
      used.push(next);
      mask |= 1 << next;
    }
  };
  t.same(copies('redundant', latency), [1, 0, 3]);
  t.same(copies('redundant', bulk), [1, 0], 'bulk is not copied to a path without credit');
  for (const mode of schedulerModes) if (mode !== 'redundant') t.equal(copies(mode, bulk).length, 1, mode);
});
