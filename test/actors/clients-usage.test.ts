/** What clients have used, on the disk: over kills at any moment, and over years. */
import { spawn } from 'node:child_process';
import { statSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { openStore } from '../../src/actors/clients/open-store.ts';
import { UsageBook } from '../../src/actors/clients/usage-book.ts';
import { peer } from '../../src/contract/peer-tables.ts';
import { openClientLab } from '../support/client-lab.ts';
import { isLong } from '../support/long-run.ts';
import { randomOf } from '../support/random.ts';

t.setTimeout(3_600_000);
const program = path.join(import.meta.dirname, '../support/usage-kills-program.js');
/** A look of the program uses so much at most; every ninth writes, and one may have been said and not done. */
const mostLost = 10 * 1e6;

t.test(
  'a store that is killed while clients are added and use something loses ten seconds of it at most, and counts nothing twice',
  async (t) => {
    const folder = t.testdir();
    const random = randomOf(40);
    const kills = isLong ? 200 : 6;
    let before = 0;
    let written = 0;
    for (let kill = 0; kill < kills; kill += 1) {
      const child = spawn(process.execPath, [program, folder, `k${kill}`], { stdio: ['ignore', 'pipe', 'inherit'] });
      const ended = new Promise((resolve) => child.once('exit', resolve));
      const last = { '>': 0, '=': 0 };
      const added: string[] = [];
      const lastLine = 2 + Math.floor(random() * 60);
      let lines = 0;
      for await (const line of createInterface({ input: child.stdout })) {
        lines += 1;
        if (lines === lastLine) void sleep(random() * 10).then(() => child.kill('SIGKILL'));
        const kind = line[0];
        if (kind === '>' || kind === '=') last[kind] = Number(line.slice(1));
        if (kind === '+') added.push(line.slice(1));
      }
      await ended;
      const { store } = await openClientLab(folder, { pools: ['10.0.0.0/12'] });
      const names = new Map([...store.list()].map(({ record }) => [record.name, record.id]));
      const used = store.usage.daysOf(names.get('user') ?? '').reduce((all, { upBytes }) => all + upBytes, 0);
      store.close();
      const now = used - before;
      t.ok(now <= last['>'], `${now} of ${last['>']} bytes after kill ${kill}: nothing twice`);
      t.ok(
        now >= last['='] && now >= last['>'] - mostLost,
        `${now} of ${last['>']} bytes, ${last['=']} said to be written`,
      );
      for (const name of added) t.ok(names.has(name), `${name} after kill ${kill}`);
      written += now > 0 ? 1 : 0;
      before = used;
    }
    t.ok(written > kills / 3, `${written} of ${kills} had written something`);
  },
);

t.test('what was used is written before it is ten seconds old, whenever looks come', async (t) => {
  for (const everyMs of [999, 1000, 1001, 1400]) {
    const lab = await openClientLab(`${t.testdir({ [`of-${everyMs}`]: {} })}/of-${everyMs}`);
    await lab.add('phone');
    const { store, keeper, clock, peers } = lab;
    const [{ record: { id } = { id: '' } } = {}] = [...store.list()];
    const usedMs: number[] = [];
    let oldestMs = 0;
    for (let count = 0; count < 60; count += 1) {
      peers.addNumber(0, peer.innerRxBytesAt, 1);
      usedMs.push(clock.nowMs);
      clock.nowMs += everyMs;
      const written = store.usage.daysOf(id).reduce((all, { upBytes }) => all + upBytes, 0);
      oldestMs = Math.max(oldestMs, clock.nowMs - (usedMs[written] ?? clock.nowMs));
      keeper.look();
    }
    t.ok(oldestMs > 5000 && oldestMs <= 10_000, `looks each ${everyMs} ms: ${oldestMs} ms`);
    store.close();
  }
});

t.test(
  'what thousands used is written a part at a time, and nothing of it twice when the thread dies in between',
  async (t) => {
    const { store } = openStore(path.join(t.testdir(), 'clients.db'), 'now', { server: 'hub', process: 'one' });
    const devices = ['a', 'b', 'c', 'd', 'e'].flatMap((id) => [`${id} phone`, `${id} tablet`]);
    const look = (usage: UsageBook, upBytes: number): void => {
      for (const key of devices)
        usage.look(key, key.slice(0, 1), { upBytes, downBytes: 0, lastDataUs: 1 }, '2026-11-30');
    };
    const written = (): number[] => ['a', 'b', 'c', 'd', 'e'].map((id) => store.usage.daysOf(id)[0]?.upBytes ?? 0);
    const first = new UsageBook(store.usage);
    look(first, 100);
    first.flush(2);
    t.same(written(), [200, 200, 0, 0, 0]);
    t.ok(first.isBehind);
    // Its successor reads the same counters.
    const second = new UsageBook(store.usage);
    look(second, 130);
    second.flush(4);
    second.flush(4);
    t.same(written(), [260, 260, 260, 260, 260]);
    t.notOk(second.isBehind);
    store.close();
  },
);

const day = (number: number): string => new Date(number * 86_400_000).toISOString().slice(0, 10);

t.test('days of more than 400 days ago become months, and nothing of them is lost', async (t) => {
  const folder = t.testdir();
  const { store } = openStore(path.join(folder, 'clients.db'), 'now', { server: 'hub', process: 'one' });
  const first = Date.UTC(2025, 0, 1) / 86_400_000;
  for (let at = 0; at < 500; at += 1)
    store.usage.add(
      ['a', 'b'].map((id) => ({ id, day: day(first + at), upBytes: 1, downBytes: 2 })),
      [],
    );
  const today = first + 499;
  const thin = (now = today): void => store.usage.thin(day(now - 400), day(now - 60), day(now));
  const sum = (id: string) =>
    store.usage.daysOf(id).reduce((all, { upBytes, downBytes }) => all + upBytes + downBytes, 0);
  thin(today + 1000);
  t.equal(store.usage.daysOf('a').length, 500, 'a clock that has jumped by years thins nothing');
  thin();
  const days = store.usage.daysOf('a');
  t.equal(days.filter(({ day: its }) => its.length === 10).length, 401);
  t.same(
    days.filter(({ day: its }) => its.length === 7).map(({ day: month, upBytes }) => [month, upBytes]),
    [
      ['2025-04', 9],
      ['2025-03', 31],
      ['2025-02', 28],
      ['2025-01', 31],
    ],
  );
  thin(today + 10);
  t.same([sum('a'), sum('b')], [1500, 1500], 'a month takes what comes later');
  t.equal(store.usage.daysOfAll(['a'], day(today - 40)).length, 41);
  store.close();
});

t.test('a store of 400 days of 100 clients takes a few megabytes', async (t) => {
  const folder = t.testdir();
  const file = path.join(folder, 'clients.db');
  const { store } = openStore(file, 'now', { server: 'hub', process: 'one' });
  const deltas = [...Array(100 * 400).keys()].map((at) => ({
    id: `0123456789abcd${at % 100}`,
    day: day(20_000 + Math.floor(at / 100)),
    upBytes: 1e9 + at,
    downBytes: 1e10 + at,
  }));
  store.usage.add(deltas, []);
  store.close();
  const each = statSync(file).size / deltas.length;
  t.ok(each < 130, `${each.toFixed(0)} bytes a row`);
  t.comment(`${each.toFixed(0)} bytes a row`);
});
