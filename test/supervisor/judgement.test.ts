/** The supervisor's judgement without threads: heartbeats, restart intensity, backoff, the journal, the order of starts. */

import t from 'tap';
import type { ChildSpec, ResourcePlan } from '../../src/actors/kit/topology.ts';
import { link } from '../../src/contract/link-tables.ts';
import { counters, runState } from '../../src/contract/rings.ts';
import { textOfEvent } from '../../src/control/event-text.ts';
import type { InstanceEvent } from '../../src/control/events.ts';
import { ownThreadId, readThreadTimes, type ThreadTimes } from '../../src/io/thread-times.ts';
import type { Addon } from '../../src/native/addon.ts';
import { createRowTable, linkTable } from '../../src/rings/table.ts';
import { startOrder } from '../../src/supervisor/child.ts';
import { HeartbeatWatch } from '../../src/supervisor/heartbeat-watch.ts';
import { ErrorLog, EventLog } from '../../src/supervisor/journal.ts';
import { LinkOperator } from '../../src/supervisor/link-operator.ts';
import { AddonOpener } from '../../src/supervisor/resource-opener.ts';
import { backoffMs, RestartWindow } from '../../src/supervisor/restart-window.ts';

const second = 1_000_000;

/** Ticks every 100 ms from `fromUs` to `toUs`; returns when `id` was first found hung. */
function firstHung(watch: HeartbeatWatch, fromUs: number, toUs: number): number | undefined {
  for (let nowUs = fromUs; nowUs <= toUs; nowUs += 100_000) if (watch.tick(nowUs).length > 0) return nowUs;
  return undefined;
}

t.test('HeartbeatWatch', async (t) => {
  const create = (state: number, at: number, atUs: number, times?: () => ThreadTimes): HeartbeatWatch => {
    const memory = new SharedArrayBuffer(counters.bytes);
    new Int32Array(memory)[counters.stateAt >> 2] = state;
    new Float64Array(memory)[at >> 3] = atUs;
    const watch = new HeartbeatWatch(250, 10 * second);
    watch.watch('a', { memory, limitMs: 500, readTimes: times ?? (() => undefined) }, 10 * second);
    return watch;
  };

  t.test('tick() finds a running actor hung 500 ms after its last beat', async (t) => {
    const watch = create(runState.running, counters.beatAt, 10.25 * second);
    t.equal(firstHung(watch, 10 * second, 12 * second), 10.8 * second);
  });

  t.test('tick() leaves a parked actor alone until 500 ms after the time it announced', async (t) => {
    const watch = create(runState.parked, counters.parkedUntilAt, 11 * second);
    t.equal(firstHung(watch, 10 * second, 12 * second), 11.6 * second);
  });

  t.test('tick() ignores beats of a predecessor', async (t) => {
    const watch = create(runState.running, counters.beatAt, 1 * second);
    t.equal(firstHung(watch, 10 * second, 12 * second), 10.6 * second);
  });

  t.test('tick() starts all baselines anew when it comes late itself', async (t) => {
    const watch = create(runState.running, counters.beatAt, 10 * second);
    watch.tick(10.1 * second);
    t.same(watch.tick(60 * second), [], 'a paused machine');
    t.equal(firstHung(watch, 60.1 * second, 62 * second), 60.6 * second);
  });

  for (const { title, ran, waited, isReady, hungAtUs } of [
    { title: 'hung when its thread spins', ran: 1, waited: 0, isReady: true, hungAtUs: 10.6 * second },
    { title: 'hung when its thread spins among others', ran: 0.2, waited: 0.8, isReady: true, hungAtUs: 10.6 * second },
    { title: 'hung when its thread is stuck natively', ran: 0, waited: 0, isReady: false, hungAtUs: 10.6 * second },
    { title: 'starved when its thread is ready and does not run', ran: 0, waited: 0, isReady: true },
    { title: 'starved when its thread mostly waited', ran: 0.001, waited: 0.6, isReady: false },
    // 25 ms after the first look, which is taken at 10.1 s.
    { title: 'hung once it spun for long enough', ran: 0.02, waited: 0.98, isReady: true, hungAtUs: 11.4 * second },
  ]) {
    t.test(`tick() finds an actor ${title}`, async (t) => {
      let nowUs = 10 * second;
      const times = (): ThreadTimes => ({ ranUs: ran * nowUs, waitedUs: waited * nowUs, isReady });
      const watch = create(runState.running, counters.beatAt, nowUs, times);
      const verdicts: string[] = [];
      for (; nowUs <= 13 * second && !verdicts.includes('hung'); nowUs += 100_000) {
        verdicts.push(...watch.tick(nowUs).map(({ verdict }) => verdict));
      }
      t.same(
        verdicts,
        hungAtUs === undefined ? ['starved'] : hungAtUs === 10.6 * second ? ['hung'] : ['starved', 'hung'],
      );
      if (hungAtUs !== undefined) t.equal(nowUs - 100_000, hungAtUs);
    });
  }

  t.test('nextLookUs() goes by who could be late first, not by who was awake at the moment', async (t) => {
    const next = (watch: HeartbeatWatch): number => watch.nextLookUs(10 * second, 0.1 * second, second);
    t.equal(next(create(runState.parked, counters.parkedUntilAt, 10.6 * second)), 10.8 * second);
    t.equal(next(create(runState.parked, counters.parkedUntilAt, 20 * second)), 11 * second, 'never later');
    t.equal(next(create(runState.parked, counters.parkedUntilAt, 10.2 * second)), 10.4 * second, 'a short park');
    t.equal(next(create(runState.parked, counters.parkedUntilAt, 9.85 * second)), 10.1 * second, 'never sooner');
    t.equal(next(create(runState.running, counters.beatAt, 10 * second)), 10.1 * second);
  });

  t.test('unwatch() ends the judgement', async (t) => {
    const watch = create(runState.running, counters.beatAt, 10 * second);
    watch.unwatch('a');
    t.equal(firstHung(watch, 10 * second, 12 * second), undefined);
  });
});

t.test('readThreadTimes()', async (t) => {
  const id = ownThreadId();
  if (id === undefined) throw new Error('no /proc');
  t.test('grows with what the thread computes, and says that it is ready', async (t) => {
    const before = readThreadTimes(id);
    const endMs = performance.now() + 300;
    while (performance.now() < endMs) Math.random();
    const after = readThreadTimes(id);
    if (before === undefined || after === undefined) throw new Error('no times of the own thread');
    const elapsed = after.ranUs + after.waitedUs - before.ranUs - before.waitedUs;
    t.ok(elapsed > 200_000 && elapsed < 5 * second, `ran or waited for ${elapsed} us of 300 ms`);
    t.ok(after.ranUs > before.ranUs);
    t.equal(after.isReady, true);
  });
  t.test('is undefined for a thread that does not exist', async (t) => {
    t.equal(readThreadTimes(2 ** 30), undefined);
  });
});

t.test('RestartWindow', async (t) => {
  const window = new RestartWindow({ count: 2, periodMs: 1000 });
  t.same(
    [0, 100, 900].map((at) => window.record(at)),
    [true, true, false],
  );
  t.equal(window.record(1950), true, 'what is older than the period is forgotten');
});

t.test('backoffMs() doubles up to 5 s', async (t) => {
  t.same([0, 1, 2, 3, 7, 30].map(backoffMs), [0, 100, 200, 400, 5000, 5000]);
});

t.test('EventLog keeps the last 1,000', async (t) => {
  const log = new EventLog();
  for (let count = 0; count < 1005; count += 1) log.add('a', { kind: 'left-out', count });
  t.equal(log.since(0).length, 1000);
  t.match(log.since(1004), [{ id: 1005, count: 1004 }]);
});

t.test('textOfEvent() writes a sentence where there is one, else pairs, and what was not told', async (t) => {
  const text = (event: InstanceEvent) => textOfEvent(Object.assign({ id: 1, timeMs: 0, source: 'a' }, event));
  t.equal(text({ kind: 'roamed', peer: 'hub', endpoint: '192.0.2.1:5' }), 'peer=hub endpoint=192.0.2.1:5');
  t.equal(text({ kind: 'rekey', peer: 'hub', more: 3 }), 'peer=hub (and 3 more)');
  t.equal(text({ kind: 'interface', interface: 'eth0', state: 'down' }), 'eth0 is down');
  t.equal(text({ kind: 'failover-forced' }), 'auto: the mode decides');
  t.equal(text({ kind: 'stopped', reason: '' }), '');
  const newer = { kind: 'of-tomorrow', at: { port: 1 } } as unknown as InstanceEvent;
  t.equal(text(newer), 'at={"port":1}', 'what a newer daemon tells is not lost');
});

t.test('EventLog.next() waits for what happens, and no longer than it was told', async (t) => {
  const log = new EventLog();
  log.add('a', { kind: 'warning', message: 'first' });
  t.match(await log.next(0, 60_000), [{ message: 'first' }], 'what is known is told at once');
  const waiting = [log.next(1, 60_000), log.next(1, 60_000)];
  log.add('a', { kind: 'warning', message: 'second' });
  for (const one of waiting) t.match(await one, [{ id: 2, message: 'second' }]);
  // Its timer keeps no process alive, and a test file has nothing else to live for.
  const alive = setTimeout(() => undefined, 60_000);
  t.strictSame(await log.next(2, 1), []);
  clearTimeout(alive);
});

t.test('LinkOperator writes the word of the operator into rows, and refuses what makes no sense', async (t) => {
  const links = createRowTable(link, 4);
  const said: unknown[] = [];
  const topology = {
    links: [
      { row: 0, name: 'fibre' },
      { row: 2, name: 'lte' },
    ],
    actors: [
      { id: 'sealer', role: 'sealer' },
      { id: 'opener', role: 'opener' },
      { id: 'sealer-2', role: 'sealer' },
    ],
  };
  const supervisor = { command: (...args: unknown[]) => said.push(args), note: () => undefined };
  const operator = new LinkOperator(supervisor, { tables: { links } } as never, () => topology as never);
  const rows = linkTable(links);
  const forced = () => [0, 2].map((row) => rows.int(row, link.forcedAt));
  operator.force('lte');
  t.strictSame(forced(), [0, 1]);
  operator.force('fibre');
  t.strictSame(forced(), [1, 0]);
  operator.force(undefined);
  t.strictSame(forced(), [0, 0]);
  t.strictSame(
    said.map((one) => JSON.stringify(one)),
    ['lte', 'fibre', undefined].flatMap((name) =>
      ['sealer', 'sealer-2'].map((id) => JSON.stringify([id, { kind: 'force-link', link: name }])),
    ),
  );
  operator.enable('lte', false);
  t.equal(rows.int(2, link.disabledAt), 1);
  t.throws(() => operator.force('lte'), { code: 'LINK_DISABLED', message: /hawser link enable lte/ });
  operator.enable('lte', true);
  t.equal(rows.int(2, link.disabledAt), 0);
  t.throws(() => operator.enable('dsl', true), { code: 'NO_SUCH_LINK', message: /there are: fibre, lte/ });
});

t.test('ErrorLog counts by stack, not by message', async (t) => {
  const log = new ErrorLog();
  const report = { name: 'Error', code: 'EIO', stack: 'Error: 1\n    at f (a.js:1:1)', message: '1' };
  log.add('a', report);
  log.add('a', { ...report, message: '2', stack: 'Error: 2\n    at f (a.js:1:1)' });
  log.add('a', { ...report, stack: 'Error: 1\n    at g (a.js:2:1)' });
  log.add('b', report);
  t.same(
    log.all().map((record) => `${record.source} ${record.count} ${record.message}`),
    ['a 2 2', 'a 1 1', 'b 1 1'],
  );
});

t.test('ErrorLog counts as one what an actor met in its turn and in the look before its park', async (t) => {
  const log = new ErrorLog();
  const of = (...calls: string[]): string =>
    ['Error: 1', 'work (a.js:1:1)', 'TurnCycle.turnAll (file:///h/actors/kit/turn-cycle.js:45:36)', ...calls].join(
      '\n    at ',
    );
  const runner = 'file:///h/actors/kit/thread-runner.js';
  log.add('a', { name: 'Error', code: undefined, message: '1', stack: of(`#runDuty (${runner}:48:28)`) });
  log.add('a', {
    name: 'Error',
    code: undefined,
    message: '1',
    stack: of(`#park (${runner}:89:24)`, `#runDuty (${runner}:49:27)`),
  });
  t.match(log.all(), [{ count: 2 }]);
  t.equal(log.all().length, 1);
});

t.test('startOrder()', async (t) => {
  const spec = (id: string, ...dependsOn: string[]): ChildSpec => ({
    id,
    dependsOn,
    isBeside: false,
    restart: 'permanent',
    shutdownMs: 1,
    hangLimitMs: 500,
    actors: [],
    doorbell: { memory: new SharedArrayBuffer(128), fd: -1 },
  });
  t.test('keeps left to right where nothing depends', async (t) => {
    const order = startOrder([spec('a', 'c'), spec('b'), spec('c')]);
    t.same(
      order.map((one) => one.id),
      ['b', 'c', 'a'],
    );
  });
  t.test('throws when children wait for each other', async (t) => {
    t.throws(() => startOrder([spec('a', 'b'), spec('b', 'a')]), /wait for each other: a, b/);
  });
});

t.test('AddonOpener warns of a receive buffer that the kernel cut, in the bytes that it granted', async (t) => {
  const warningsOf = (receiveBufferBytes: number): readonly string[] => {
    const opened = { fd: 7, port: 1, gso: true, gro: true, receiveBufferBytes, sendBufferBytes: 1 };
    const opener = new AddonOpener({ openUdp: () => opened } as unknown as Addon);
    const socket = { kind: 'udp', name: 'udp4.lte', link: 'lte', transport: 'udp', family: 4, port: 0, mark: 0 };
    opener.open({ ...socket, interface: undefined, carrier: 0 } as ResourcePlan);
    return opener.warnings;
  };
  t.match(warningsOf(425_984), [/^udp4\.lte: the kernel grants 212992 bytes of receive buffer \(sysctl /]);
  t.strictSame(warningsOf(2 * (7 << 20)), [], 'as many as were asked for, which getsockopt doubles');
});
