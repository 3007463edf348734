/** Quotas of clients, from the counters of a peer table and under a clock that the tests set; over deaths of the thread and of the process. */
import { mkdtempSync } from 'node:fs';
import path from 'node:path';
import t from 'tap';
import { UsageStore } from '../../src/actors/clients/usage-store.ts';
import { describeClient, usageLines } from '../../src/cli/client-lines.ts';
import { peer as layout, peerRefusal } from '../../src/contract/peer-tables.ts';
import { textOfEvent } from '../../src/control/event-text.ts';
import { type ClientLab, openClientLab } from '../support/client-lab.ts';
import { generateKeys } from '../support/keys.ts';

const at = (text: string): number => Date.parse(text);
const berlin = { dailyBytes: 10e6, monthlyBytes: 100e6, timezone: 'Europe/Berlin' };

/** The device in that row sends and is sent so much, half and half. */
function carry(lab: ClientLab, bytes: number, row = 0): void {
  const { peers, clock } = lab;
  peers.addNumber(row, layout.innerRxBytesAt, bytes / 2);
  peers.addNumber(row, layout.innerTxBytesAt, bytes / 2);
  peers.setNumber(row, layout.lastDataReceivedAt, (clock.nowMs - clock.jumpedMs) * 1000);
}

async function look(lab: ClientLab, now?: string): Promise<void> {
  if (now !== undefined) lab.clock.nowMs = at(now);
  else lab.clock.nowMs += 1000;
  lab.keeper.look();
  await lab.feed.settled();
}

/** What was told of quotas since it was asked last: `day exceeded`. */
function hear({ events }: ClientLab): string {
  const heard = events.flatMap((event) =>
    event.kind.startsWith('quota-') && 'period' in event ? [`${event.period} ${event.kind.slice(6)}`] : [],
  );
  events.length = 0;
  return heard.join(', ');
}

const ends = ({ events }: ClientLab): string[] =>
  events.flatMap((event) => (event.kind === 'session-closed' ? [event.reason] : []));

const peerOf = ({ instance }: ClientLab, name = 'phone') =>
  [...instance.peers.values()].find((peer) => peer.name === name);

t.test('a client is warned, stopped with its session, and let in at its midnight', async (t) => {
  const lab = await openClientLab(t.testdir(), { quota: berlin, nowMs: at('2026-11-10T12:00:00Z') });
  await lab.add('phone');
  await look(lab);
  carry(lab, 8e6 - 2);
  await look(lab);
  t.equal(hear(lab), '');
  carry(lab, 2);
  await look(lab);
  t.equal(hear(lab), 'day warning', 'at 80 % to the byte');
  carry(lab, 2e6 - 2);
  await look(lab);
  t.equal(peerOf(lab)?.refusal, undefined, 'two bytes are left');
  carry(lab, 2);
  await look(lab);
  t.same(ends(lab), ['quota']);
  t.match(
    lab.events.map((event) => textOfEvent(event)).join('\n'),
    /client=phone has used 0\.01 GB of 0\.01 GB of its day: kept out until 2026-11-10T23:00Z/,
  );
  t.equal(hear(lab), 'day exceeded');
  t.equal(peerOf(lab)?.refusal, 'quota');
  t.match(await lab.book.verbs.show({ name: 'phone' }), { state: 'quota', quota: { isExceeded: true } });
  carry(lab, 1000);
  await look(lab);
  t.same(lab.keeper.sessions(), [], 'what was under way then is counted, and begins no session');
  t.match(await lab.book.verbs.usage({ name: 'phone' }), {
    periods: [
      { period: 'day', usedBytes: 10e6 + 1000, leftBytes: 0, resetsMs: at('2026-11-10T23:00:00Z') },
      { period: 'month', usedBytes: 10e6 + 1000, leftBytes: 90e6 - 1000, resetsMs: at('2026-11-30T23:00:00Z') },
    ],
  });
  await look(lab, '2026-11-10T22:59:59Z');
  t.equal(peerOf(lab)?.refusal, 'quota');
  await look(lab, '2026-11-10T23:00:00Z');
  t.equal(hear(lab), 'day reset');
  t.equal(peerOf(lab)?.refusal, undefined);
  t.match(await lab.book.verbs.show({ name: 'phone' }), { state: 'enabled' });
});

t.test('another quota holds at once, in both directions', async (t) => {
  const lab = await openClientLab(t.testdir(), { quota: berlin, nowMs: at('2026-11-10T12:00:00Z') });
  await lab.add('phone');
  carry(lab, 10e6);
  await look(lab);
  t.equal(hear(lab), 'day exceeded');
  await lab.book.verbs.set({ name: 'phone', quota: { dailyBytes: 20e6 } });
  t.equal(peerOf(lab)?.refusal, undefined, 'before anybody looks');
  await look(lab);
  t.equal(hear(lab), 'day reset');
  t.equal(lab.peers.number(0, layout.stopTxBytesAt), 5e6 + 5e6);
  carry(lab, 100);
  await look(lab);
  t.equal(lab.keeper.sessions().length, 1, 'it has a session again');
  await lab.book.verbs.set({ name: 'phone', quota: { dailyBytes: 5e6 } });
  t.equal(peerOf(lab)?.refusal, 'quota');
  await look(lab);
  t.same(ends(lab), ['quota']);
  hear(lab);
  await lab.book.verbs.set({ name: 'phone', quota: { dailyBytes: 0, monthlyBytes: 0 } });
  await look(lab);
  t.equal(hear(lab), 'day reset');
  t.equal(lab.peers.number(0, layout.stopTxBytesAt), 0, 'no end any more');
  const row = await lab.book.verbs.set({ name: 'phone', quota: { dailyBytes: null, monthlyBytes: null } });
  t.match(row, { quota: { dailyBytes: 10e6, monthlyBytes: 100e6 } }, 'as all others, again');
});

t.test('a month begins on its day, of each client its own', async (t) => {
  const quota = { ...berlin, dailyBytes: 0, monthlyBytes: 10e6 };
  const lab = await openClientLab(t.testdir(), { quota, nowMs: at('2027-01-31T12:00:00Z') });
  const { publicKey } = generateKeys();
  await lab.book.verbs.add({ name: 'phone', publicKey, presharedKey: false, addresses: [], quota: { resetDay: 31 } });
  carry(lab, 10e6);
  await look(lab);
  t.equal(hear(lab), 'month exceeded');
  await look(lab, '2027-02-27T22:59:59Z');
  t.equal(hear(lab), '');
  await look(lab, '2027-02-27T23:00:00Z');
  t.equal(hear(lab), 'month reset', 'February has no 31st');
});

t.test('days of 23 and 25 hours end when they end', async (t) => {
  const folder = t.testdir();
  for (const [noon, before, after] of [
    ['2026-03-29T12:00:00Z', '2026-03-29T21:59:59Z', '2026-03-29T22:00:00Z'],
    ['2026-10-24T22:00:00Z', '2026-10-25T22:59:59Z', '2026-10-25T23:00:00Z'],
  ] as const) {
    const lab = await openClientLab(mkdtempSync(path.join(folder, 'day')), { quota: berlin, nowMs: at(noon) });
    await lab.add('phone');
    carry(lab, 10e6);
    await look(lab);
    t.equal(hear(lab), 'day exceeded');
    await look(lab, before);
    t.equal(hear(lab), '', before);
    await look(lab, after);
    t.equal(hear(lab), 'day reset', after);
  }
});

t.test('a clock that jumps gives nobody a second quota, loses none, and writes go on', async (t) => {
  const lab = await openClientLab(t.testdir(), { quota: berlin, nowMs: at('2026-11-10T12:00:00Z') });
  const jump = async (to: string): Promise<void> => {
    lab.clock.jumpedMs += at(to) - lab.clock.nowMs;
    await look(lab, to);
  };
  await lab.add('phone');
  carry(lab, 10e6);
  await look(lab);
  t.equal(hear(lab), 'day exceeded');
  await jump('2027-03-01T12:00:00Z');
  t.equal(hear(lab), 'day reset', 'another day');
  carry(lab, 4e6);
  await look(lab);
  await jump('2026-11-10T12:01:00Z');
  t.equal(peerOf(lab)?.refusal, 'quota', 'the day that was used up');
  t.equal(hear(lab), 'day exceeded');
  await lab.book.verbs.set({ name: 'phone', quota: { dailyBytes: 20e6 } });
  await look(lab);
  carry(lab, 6);
  await look(lab);
  for (let second = 0; second < 11; second += 1) await look(lab);
  const written = () => lab.store.usage.daysOf(lab.store.list()[Symbol.iterator]().next().value?.record.id ?? '');
  t.match(
    written(),
    [{ day: '2027-03-01' }, { day: '2026-11-10', upBytes: 5e6 + 3 }],
    'on the disk within ten seconds',
  );
});

t.test('a restart tells nothing again and keeps out who was out; a crash loses ten seconds at most', async (t) => {
  const folder = t.testdir();
  const first = await openClientLab(folder, { quota: berlin, nowMs: at('2026-11-10T12:00:00Z') });
  await first.add('phone');
  await first.add('laptop');
  carry(first, 10e6);
  carry(first, 8e6, 1);
  await look(first);
  t.equal(hear(first), 'day exceeded, day warning');
  first.store.close();
  const second = await openClientLab(folder, { quota: berlin, nowMs: at('2026-11-10T13:00:00Z'), process: 'two' });
  t.equal(peerOf(second)?.refusal, 'quota', 'from the first moment on');
  await look(second);
  t.equal(hear(second), '');
  carry(second, 2, 1);
  await look(second);
  t.equal(hear(second), '', 'it was warned');
  carry(second, 2e6, 1);
  await look(second);
  t.equal(hear(second), 'day exceeded');
  second.store.close();
  const third = await openClientLab(folder, { quota: berlin, nowMs: at('2026-11-12T13:00:00Z'), process: 'three' });
  t.equal(peerOf(third)?.refusal, undefined, 'the day ended while nobody was there');
  await look(third);
  t.equal(hear(third), 'day reset, day reset');
});

t.test(
  'what clients have used is read in one question for many, and another quota of the file holds after it',
  async (t) => {
    const folder = t.testdir();
    const first = await openClientLab(folder, { quota: berlin, nowMs: at('2026-11-10T12:00:00Z') });
    for (const name of ['phone', 'laptop', 'tv', 'car']) await first.add(name);
    carry(first, 10e6);
    carry(first, 9e6, 1);
    await look(first);
    first.store.close();
    const quota = { ...berlin, dailyBytes: 20e6 };
    const { daysOfAll } = UsageStore.prototype;
    t.teardown(() => {
      UsageStore.prototype.daysOfAll = daysOfAll;
    });
    let asked = 0;
    UsageStore.prototype.daysOfAll = function (ids, since) {
      asked += 1;
      return daysOfAll.call(this, ids, since);
    };
    const second = await openClientLab(folder, { quota, nowMs: at('2026-11-10T13:00:00Z'), process: 'two' });
    t.equal(second.peers.number(3, layout.stopTxBytesAt), 10e6, 'a fresh row has its end before anybody looks');
    t.equal(peerOf(second)?.refusal, 'quota', 'as it was told, until its days are read');
    carry(second, 12e6, 1);
    await look(second);
    t.equal(asked, 1);
    t.equal(peerOf(second)?.refusal, undefined);
    t.equal(peerOf(second, 'laptop')?.refusal, 'quota', 'what it used before counts');
    t.same(hear(second).split(', ').sort(), ['day exceeded', 'day reset']);
  },
);

t.test('throttle: the rates are less, sessions go on, and nothing stops', async (t) => {
  const lab = await openClientLab(t.testdir(), {
    quota: { ...berlin, throttleBps: 1e6 },
    nowMs: at('2026-11-10T12:00:00Z'),
  });
  await lab.add('phone');
  carry(lab, 10e6);
  await look(lab);
  t.match(peerOf(lab), { limits: { upBps: 1e6, downBps: 1e6 }, refusal: undefined });
  t.same(ends(lab), []);
  t.equal(lab.peers.number(0, layout.stopTxBytesAt), 5e6, 'its end stands while its peers have the old rate');
  lab.keeper.lookSoon();
  t.equal(lab.peers.number(0, layout.stopTxBytesAt), 0);
  t.notOk(lab.keeper.isHot);
  t.match(lab.events.at(-1), { kind: 'quota-exceeded', action: 'throttle' });
  t.match(await lab.book.verbs.show({ name: 'phone' }), { state: 'enabled', quota: { isExceeded: true } });
  await look(lab, '2026-11-10T23:00:00Z');
  t.match(peerOf(lab), { limits: { upBps: 0, downBps: 0 } });
});

t.test('all devices of a client share its quota, and their ends add up to it', async (t) => {
  const lab = await openClientLab(t.testdir(), { quota: berlin, nowMs: at('2026-11-10T12:00:00Z') });
  await lab.add('phone');
  await lab.book.verbs.addDevice({
    name: 'phone',
    device: 'tablet',
    publicKey: generateKeys().publicKey,
    addresses: [],
    presharedKey: false,
  });
  await look(lab);
  carry(lab, 1e6, 0);
  carry(lab, 1e6, 1);
  await look(lab);
  const [stops, used] = [
    [layout.stopTxBytesAt, layout.stopRxBytesAt],
    [layout.innerTxBytesAt, layout.innerRxBytesAt],
  ].map((columns) => [0, 1].flatMap((row) => columns.map((column) => lab.peers.number(row, column))));
  const sum = (numbers: readonly number[] = []): number => numbers.reduce((total, one) => total + one, 0);
  t.equal(sum(used), 2e6);
  t.ok(sum(stops) <= 10e6 && sum(stops) > 10e6 - 10, `${stops}`);
  carry(lab, 4e6, 0);
  carry(lab, 4e6, 1);
  await look(lab);
  t.equal(hear(lab), 'day exceeded');
  t.same([peerOf(lab)?.refusal, peerOf(lab, 'phone/tablet')?.refusal], ['quota', 'quota']);
});

t.test('looks come fast while little is left, and no more when it is not used', async (t) => {
  const lab = await openClientLab(t.testdir(), { quota: berlin, nowMs: at('2026-11-10T12:00:00Z') });
  await lab.add('phone');
  await look(lab);
  t.notOk(lab.keeper.isHot);
  for (let second = 0; second < 2; second += 1) {
    carry(lab, 4e6);
    await look(lab);
  }
  t.ok(lab.keeper.isHot, '2 MB are left of 4 a second');
  for (let turn = 0; turn < 50; turn += 1) {
    lab.clock.nowMs += 20;
    lab.keeper.lookSoon();
  }
  t.notOk(lab.keeper.isHot);
});

t.test('a row that is another gets its ends again; whoever has none costs no look', async (t) => {
  const lab = await openClientLab(t.testdir(), { quota: berlin, nowMs: at('2026-11-10T12:00:00Z') });
  await lab.add('phone');
  await look(lab);
  lab.book.verbs.kick({ name: 'phone', forMs: 0 });
  await lab.feed.settled();
  t.equal(lab.peers.number(lab.instance.lastRow, layout.stopTxBytesAt), 5e6, 'before anybody looks');
});

t.test('whose days cannot be read gets a little at first, and keeps nobody else from being judged', async (t) => {
  const lab = await openClientLab(t.testdir(), { quota: berlin, nowMs: at('2026-11-10T12:00:00Z') });
  const { usage } = lab.store;
  const { daysOfAll } = usage;
  usage.daysOfAll = () => {
    throw new Error('disk I/O error');
  };
  await lab.add('phone');
  await lab.feed.settled();
  t.equal(lab.peers.number(0, layout.stopTxBytesAt), 1e6);
  t.equal(lab.peers.number(0, layout.stopRxBytesAt), 1e6);
  t.throws(() => lab.keeper.look(), /disk/);
  usage.daysOfAll = daysOfAll;
  await look(lab);
  t.equal(lab.peers.number(0, layout.stopTxBytesAt), 5e6);
});

t.test('one that cannot be judged keeps nobody else from it, and is judged at the next look', async (t) => {
  const lab = await openClientLab(t.testdir(), { quota: berlin, nowMs: at('2026-11-10T12:00:00Z') });
  for (const name of ['phone', 'laptop']) await lab.add(name);
  await look(lab);
  const { quotas } = lab;
  const judge = quotas.judge.bind(quotas);
  quotas.judge = (record) => {
    if (record.name === 'phone') throw new Error('disk I/O error');
    return judge(record);
  };
  carry(lab, 10e6, 0);
  carry(lab, 10e6, 1);
  t.throws(() => lab.keeper.look(), /disk/);
  await lab.feed.settled();
  t.equal(peerOf(lab, 'laptop')?.refusal, 'quota');
  quotas.judge = judge;
  hear(lab);
  await look(lab);
  t.equal(hear(lab), 'day exceeded');
});

t.test('who is removed before its days were read is forgotten', async (t) => {
  const lab = await openClientLab(t.testdir(), { quota: berlin, nowMs: at('2026-11-10T12:00:00Z') });
  const record = { id: 'gone', name: 'gone', told: undefined } as unknown as Parameters<typeof lab.quotas.use>[0];
  lab.quotas.use(record, 5);
  await look(lab);
  t.same([...lab.quotas.wanted], []);
});

t.test('only who has a quota is metered', async (t) => {
  const lab = await openClientLab(t.testdir(), { quota: berlin, nowMs: at('2026-11-10T12:00:00Z') });
  await lab.add('phone');
  t.equal(peerOf(lab)?.isMetered, true);
  await lab.book.verbs.set({ name: 'phone', quota: { dailyBytes: 0, monthlyBytes: 0 } });
  await lab.feed.settled();
  t.equal(peerOf(lab)?.isMetered, undefined);
});

t.test('a client as lines: its quota, why it was refused, where it stands', async (t) => {
  const lab = await openClientLab(t.testdir(), { quota: berlin, nowMs: at('2026-11-10T12:00:00Z') });
  await lab.add('phone');
  carry(lab, 10e6);
  await look(lab);
  lab.peers.setInt(0, layout.refusalAt, peerRefusal.quota);
  lab.peers.setNumber(0, layout.refusedCountAt, 3);
  lab.peers.setNumber(0, layout.refusedUsAt, (lab.clock.nowMs - 2000) * 1000);
  const lines = describeClient(await lab.book.verbs.show({ name: 'phone' })).join('\n');
  t.match(lines, /^phone: quota used up, since/);
  t.match(lines, /refused 3 times, 2 s ago last: it has used up its quota/);
  t.match(lines, /10MB a day, 100MB a month from day 1 on \(Europe\/Berlin\); used up: kept out until the period ends/);
  t.match(usageLines(await lab.book.verbs.usage({ name: 'phone' })).slice(0, 2), [
    'today: 10 MB of 10MB, 0 B left; begins anew 2026-11-11 00:00 Europe/Berlin',
    'this month: 10 MB of 100MB, 90 MB left; begins anew 2026-12-01 00:00 Europe/Berlin',
  ]);
});
