/** Adaptive: when it recruits a path and when it lets one go. What a flow makes of it is shown in test/sim/adaptive.sim.test.ts. */
import t from 'tap';
import {
  createScheduler,
  type Demand,
  type PathView,
  type Scheduler,
} from '../../../src/bonding/schedule/scheduler.ts';
import { trafficClass } from '../../../src/contract/records.ts';
import { pathView } from '../../support/path-views.ts';

function view(row: number, rttUs: number, part: Partial<PathView> = {}): PathView {
  return pathView(row, { rttUs, rateBytesPerUs: 10, ...part });
}

function demandOf(backlogBytes: number): Demand {
  return { trafficClass: trafficClass.bulk, flow: 1, bytes: 1_400, backlogBytes };
}

/** Asks once a millisecond while the first path has no credit; returns the millisecond of the first train for another, or -1. */
function recruited(
  scheduler: Scheduler,
  paths: PathView[],
  backlogBytes: number,
  fromMs: number,
  untilMs: number,
): number {
  for (let ms = fromMs; ms < untilMs; ms += 1) {
    (paths[0] as PathView).sentBytes += 10_000;
    if (scheduler.choose(paths, paths.length, demandOf(backlogBytes), ms * 1_000) > 0) return ms;
  }
  return -1;
}

t.test(
  'choose() recruits a far path once the queue would outlast its extra delay, and has done so for two round trips',
  async (t) => {
    const near = { allowedBytes: 0, readyInUs: 1_000 };
    // 30 ms farther one way; the near one drains 10 kB a millisecond.
    const idle = createScheduler('adaptive');
    t.equal(recruited(idle, [view(0, 20_000, near), view(1, 80_000)], 290_000, 0, 1_000), -1);
    const busy = createScheduler('adaptive');
    const ms = recruited(busy, [view(0, 20_000, near), view(1, 80_000)], 310_000, 0, 1_000);
    t.ok(ms >= 40 && ms <= 60, `after ${ms} ms`);
    const flooded = createScheduler('adaptive');
    const sooner = recruited(flooded, [view(0, 20_000, near), view(1, 80_000)], 4 * 310_000, 0, 1_000);
    t.ok(sooner >= 10 && sooner <= 15, `after ${sooner} ms when four times as much waits`);
    t.ok(idle.queueTargetUs > 30_000 && idle.queueTargetUs <= 60_000, 'CoDel lets that queue grow');
  },
);

t.test('choose() passes over a path that is not worth its delay for one that is', async (t) => {
  const paths = [
    view(0, 20_000, { allowedBytes: 0, readyInUs: 500 }),
    view(1, 120_000, { rateBytesPerUs: 0.1 }),
    view(2, 140_000),
  ];
  const scheduler = createScheduler('adaptive');
  t.equal(recruited(scheduler, paths, 10_000_000, 0, 8), -1);
  const ms = recruited(scheduler, paths, 10_000_000, 8, 500);
  t.ok(ms > 0);
  (paths[2] as PathView).allowedBytes = 0;
  t.equal(scheduler.choose(paths, 3, demandOf(10_000_000), ms * 1_000 + 500), 1, 'then what is nearer comes with it');
});

t.test('choose() leaves a path in use the time to find its rate before it recruits another', async (t) => {
  const near = view(0, 20_000, { allowedBytes: 0, readyInUs: 1_000, rateBytesPerUs: 1, isStarting: true });
  const scheduler = createScheduler('adaptive');
  const paths = [near, view(1, 80_000)];
  t.equal(recruited(scheduler, paths, 400_000, 0, 500), -1, 'though the rate found by now is low');
  near.isStarting = false;
  t.ok(recruited(scheduler, paths, 400_000, 500, 600) > 0);
});

t.test('choose() tries a path of unknown rate only after something waited for long enough', async (t) => {
  const near = { allowedBytes: 0, readyInUs: 1_000, rateBytesPerUs: 0 };
  const paths = [view(0, 20_000, near), view(1, 80_000, { rateBytesPerUs: 0 })];
  const ms = recruited(createScheduler('adaptive'), paths, 30_000, 0, 1_000);
  t.ok(ms >= 50 && ms <= 90, `after ${ms} ms`);
});

t.test('choose() tries a path again whose low rate was measured long ago', async (t) => {
  const paths = [view(0, 20_000, { allowedBytes: 0, readyInUs: 500 }), view(1, 120_000, { rateBytesPerUs: 0.1 })];
  const scheduler = createScheduler('adaptive');
  t.equal(recruited(scheduler, paths, 10_000_000, 0, 4_900), -1);
  const ms = recruited(scheduler, paths, 10_000_000, 4_900, 6_000);
  t.ok(ms > 0);
  (paths[1] as PathView).sentBytes += 20_000;
  t.equal(recruited(scheduler, paths, 10_000_000, ms + 1_100, ms + 1_900), -1, 'it was still low');
});

t.test('choose() takes a path back out of use when the others could carry the load, and lets it rest', async (t) => {
  const scheduler = createScheduler('adaptive');
  const paths = [view(0, 20_000, { allowedBytes: 0, readyInUs: 1_000 }), view(1, 80_000)];
  const [near, far] = paths as [PathView, PathView];
  t.ok(recruited(scheduler, paths, 400_000, 0, 200) > 0);
  far.allowedBytes = 0;
  far.sentBytes += 50_000;
  // A judgement is due after four of the slowest round trips, 320 ms.
  for (let ms = 200; ms < 450; ms += 1) {
    near.sentBytes += 5_000;
    near.inFlightBytes = 200_000;
    scheduler.choose(paths, 2, demandOf(1_400), ms * 1_000);
  }
  far.allowedBytes = 20_000;
  t.equal(scheduler.choose(paths, 2, demandOf(5_000), 450_000), -1, 'out of use');
  const again = recruited(scheduler, paths, 400_000, 450, 4_000);
  t.ok(again > 800 && again < 1_200, `recruited again at ${again} ms`);
});

t.test('choose() begins anew with the nearest path when all has arrived', async (t) => {
  const scheduler = createScheduler('adaptive');
  const paths = [view(0, 20_000, { allowedBytes: 0, readyInUs: 1_000 }), view(1, 80_000)];
  const [near] = paths as [PathView, PathView];
  t.ok(recruited(scheduler, paths, 400_000, 0, 200) > 0);
  near.inFlightBytes = 20_000;
  t.equal(scheduler.choose(paths, 2, demandOf(1_400), 210_000), 1, 'something is under way: the far one goes on');
  near.inFlightBytes = 3_000;
  t.equal(scheduler.choose(paths, 2, demandOf(1_400), 220_000), -1);
});

t.test('choose() begins a transfer on the path that would finish a typical one first', async (t) => {
  const tiny = view(0, 12_000, { rateBytesPerUs: 1.5 });
  const large = view(1, 20_000, { rateBytesPerUs: 12.5 });
  t.equal(createScheduler('adaptive').choose([tiny, large], 2, demandOf(1_400), 0), 1);
  const far = view(1, 200_000, { rateBytesPerUs: 12.5 });
  t.equal(createScheduler('adaptive').choose([tiny, far], 2, demandOf(1_400), 0), 0);
});

t.test('choose() gives nothing to a path that loses a fifth, unless there is no other', async (t) => {
  const lossy = view(0, 10_000, { loss: 0.25 });
  const clean = view(1, 90_000);
  const scheduler = createScheduler('adaptive');
  t.equal(scheduler.choose([lossy, clean], 2, demandOf(1_400), 0), 1);
  clean.isUsable = false;
  t.equal(scheduler.choose([lossy, clean], 2, demandOf(1_400), 1_000), 0);
});

t.test(
  'choose() takes paths for equally far whose delays differ by less than they vary, and a search for no jitter',
  async (t) => {
    const chosen = (part: Partial<PathView>, otherMs: number, other: Partial<PathView>) => {
      const near = view(0, 40_000, { allowedBytes: 0, readyInUs: 1_000, ...part });
      return createScheduler('adaptive').choose([near, view(1, otherMs * 1_000, other)], 2, demandOf(2_000), 0);
    };
    t.equal(chosen({ jitterUs: 10_000 }, 46, { jitterUs: 14_000 }), 1, '37 ms beside 30, which vary by 10');
    t.equal(chosen({ jitterUs: 1_000 }, 60, { jitterUs: 7_000 }), -1, '37 ms beside 21, which vary by 1');
    t.equal(chosen({}, 40, { jitterUs: 40_000, isStarting: true }), -1, '25 ms beside 20');
    t.equal(chosen({ jitterUs: 10_000 }, 40, { jitterUs: 40_000, isStarting: true }), 1, '25 ms beside 30');
  },
);
