/** Sessions of clients and what they use, from the counters of a peer table; over deaths of the thread and of the process. */
import { randomBytes } from 'node:crypto';
import t from 'tap';
import { usageLines } from '../../src/cli/client-lines.ts';
import { sessionLines } from '../../src/cli/sessions.ts';
import { peer as layout } from '../../src/contract/peer-tables.ts';
import { sessionsOf } from '../../src/control/client-sessions.ts';
import { createRowTable, peerTable } from '../../src/rings/table.ts';
import { type ClientLab, openClientLab } from '../support/client-lab.ts';
import { generateKeys } from '../support/keys.ts';

/** The device with that lease sends and is sent so much. */
function carry({ peers, clock }: ClientLab, row: number, up: number, down: number): void {
  peers.setNumber(row, layout.innerRxBytesAt, peers.number(row, layout.innerRxBytesAt) + up);
  peers.setNumber(row, layout.innerTxBytesAt, peers.number(row, layout.innerTxBytesAt) + down);
  if (up > 0) peers.setNumber(row, layout.lastDataReceivedAt, clock.nowMs * 1000);
}

const told = ({ events }: ClientLab): string[] =>
  events.flatMap((event) =>
    event.kind === 'session-opened' || event.kind === 'session-closed'
      ? [
          `${event.kind} ${event.peer}${'reason' in event ? ` ${event.reason} ${event.upBytes} ${event.downBytes}` : ''}`,
        ]
      : [],
  );

t.test('a session begins with data, and ends by silence, by its age, or by an operator', async (t) => {
  const lab = await openClientLab(t.testdir());
  const { keeper, clock, book, instance } = lab;
  await lab.add('phone');
  keeper.look();
  t.same(told(lab), [], 'a client that has said nothing has none');
  carry(lab, 0, 1000, 5000);
  keeper.look();
  carry(lab, 0, 100, 200);
  clock.nowMs += 1000;
  keeper.look();
  t.match(keeper.sessions(), [{ id: 1, client: 'phone', peer: 'phone', idleMs: 1000, upBytes: 1100, downBytes: 5200 }]);
  clock.nowMs += 299_000;
  keeper.look();
  t.same(told(lab), ['session-opened phone', 'session-closed phone idle 1100 5200']);
  clock.nowMs += 100_000;
  keeper.look();
  t.equal(told(lab).length, 2, 'silence opens none');
  for (let minute = 0; minute <= 60; minute += 1) {
    carry(lab, 0, 10, 10);
    keeper.look();
    clock.nowMs += 60_000;
  }
  t.same(told(lab).slice(2), ['session-opened phone', 'session-closed phone lifetime 610 610']);
  t.equal(instance.told.at(-1), 'rekey phone');
  carry(lab, 0, 10, 10);
  keeper.look();
  for (const [verb, reason] of [
    [() => book.verbs.kick({ name: 'phone', forMs: 0 }), 'kicked'],
    [() => book.verbs.disable({ name: 'phone' }), 'disabled'],
  ] as const) {
    await verb();
    t.match(told(lab).at(-1), new RegExp(`session-closed phone ${reason}`));
    await book.verbs.enable({ name: 'phone' });
    carry(lab, instance.lastRow, 10, 10);
    keeper.look();
    t.match(told(lab).at(-1), 'session-opened phone');
  }
  await book.verbs.remove({ name: 'phone' });
  t.match(told(lab).at(-1), 'session-closed phone removed');
});

t.test('sessions have every byte of the data that began them, and none of others', async (t) => {
  const lab = await openClientLab(t.testdir());
  const { keeper, clock, book } = lab;
  await lab.add('phone');
  const bytes = (): number[] => keeper.sessions().flatMap(({ upBytes, downBytes }) => [upBytes, downBytes]);
  carry(lab, 0, 0, 1_000_000);
  keeper.look();
  carry(lab, 0, 7, 70);
  keeper.look();
  t.same(bytes(), [7, 70], 'what was sent to it while it said nothing is nobody’s');
  carry(lab, 0, 3, 30);
  clock.nowMs += 300_000;
  keeper.look();
  t.match(told(lab).at(-1), 'idle 10 100', 'what came since the look before too');
  carry(lab, 0, 0, 5000);
  keeper.look();
  carry(lab, 0, 20, 200);
  keeper.look();
  t.same(bytes(), [20, 200]);
  carry(lab, 0, 1, 1);
  await book.verbs.kick({ name: 'phone', forMs: 0 });
  t.match(told(lab).at(-1), 'kicked 21 201', 'to the last moment');
  carry(lab, lab.instance.lastRow, 4, 40);
  keeper.look();
  t.same(bytes(), [4, 40], 'a new row counts from 0');
  const [day] = (await book.verbs.usage({ name: 'phone' })).days;
  t.equal(day?.upBytes, 10 + 21 + 4, 'all that it used was of a session');
});

t.test('a session of a thread that died goes on with what was counted when that wrote last', async (t) => {
  const folder = t.testdir();
  const first = await openClientLab(folder);
  await first.add('phone');
  carry(first, 0, 100, 1000);
  first.keeper.look();
  await first.book.verbs.usage({ name: 'phone' });
  carry(first, 0, 5, 50);
  first.store.close();
  const second = await openClientLab(folder, { peers: first.peers });
  second.feed.rows.set(second.instance.peers.keys().next().value ?? '', 0);
  second.clock.nowMs = first.clock.nowMs;
  second.keeper.look();
  t.match(second.keeper.sessions(), [{ upBytes: 5, downBytes: 50 }]);
});

t.test('usage is what the counters grew by, over kicks and restarts, and nothing twice', async (t) => {
  const folder = t.testdir();
  const first = await openClientLab(folder);
  await first.add('phone');
  const used = ({ book }: ClientLab) => Promise.resolve(book.verbs.usage({ name: 'phone' })).then(({ days }) => days);
  carry(first, 0, 1000, 5000);
  t.same(await used(first), [{ day: '2027-01-15', upBytes: 1000, downBytes: 5000 }]);
  const kicked = first.book.verbs.kick({ name: 'phone', forMs: 0 });
  // Its old row still holds what was counted.
  first.keeper.look();
  await kicked;
  first.keeper.look();
  carry(first, first.instance.lastRow, 1, 2);
  t.match(await used(first), [{ upBytes: 1001, downBytes: 5002 }], 'a new row counts from 0');
  first.clock.nowMs += 86_400_000;
  carry(first, first.instance.lastRow, 10, 20);
  t.match(await used(first), [{ day: '2027-01-16', upBytes: 10, downBytes: 20 }, { upBytes: 1001 }]);
  // Killed here: what comes until the next write is lost. The thread alone is another one, over the same counters.
  carry(first, first.instance.lastRow, 7, 7);
  first.store.close();
  const second = await openClientLab(folder, { peers: first.peers });
  second.feed.rows.set(second.instance.peers.keys().next().value ?? '', first.instance.lastRow);
  second.clock.nowMs = first.clock.nowMs;
  t.match(await used(second), [{ upBytes: 17, downBytes: 27 }, { upBytes: 1001 }], 'the same process goes on counting');
  second.store.close();
  const third = await openClientLab(folder, { process: 'two' });
  third.clock.nowMs = first.clock.nowMs;
  t.match(await used(third), [{ upBytes: 17 }, { upBytes: 1001 }]);
  carry(third, 0, 100, 100);
  t.match(
    await used(third),
    [{ upBytes: 117, downBytes: 127 }, { upBytes: 1001 }],
    'counters of another process begin at 0',
  );
  const nothing = { client: 'phone', timezone: 'UTC', periods: [], days: [] };
  t.match(
    usageLines({ ...nothing, days: await used(third) }).join('\n'),
    /2027-01-16 +117 B +127 B[\s\S]*2027-01 +1\.1 KiB/,
  );
  t.match(usageLines(nothing), ['phone has used nothing yet.']);
});

/** The disk is full for that method, until the returned function is called. */
function fill(object: object, method: string): () => void {
  const value = (): never => {
    throw new Error('database or disk is full');
  };
  Object.defineProperty(object, method, { value, configurable: true });
  return () => void Reflect.deleteProperty(object, method);
}

t.test('a full disk keeps nobody from being put out, and nothing that was counted is lost', async (t) => {
  const lab = await openClientLab(t.testdir());
  const { book, keeper, store, instance, clock } = lab;
  await lab.add('phone');
  const used = async () => (await book.verbs.usage({ name: 'phone' })).days[0]?.upBytes;
  carry(lab, instance.lastRow, 100, 200);
  keeper.look();
  const freeUsage = fill(store.usage, 'add');
  await book.verbs.kick({ name: 'phone', forMs: 0 });
  t.match(told(lab).at(-1), 'session-closed phone kicked');
  t.match(instance.told.slice(-2), ['+ -1', '+phone -0']);
  t.throws(() => keeper.writeOn(), /disk is full/, 'after the answer');
  t.notOk(keeper.isWriting, 'and again at the next look alone');
  await book.verbs.kick({ name: 'phone', forMs: 0 });
  t.ok(keeper.isWriting);
  t.throws(() => keeper.writeOn(), /disk is full/);
  freeUsage();
  t.equal(await used(), 100);
  const freeStore = fill(store, 'putAll');
  carry(lab, instance.lastRow, 10, 10);
  await t.rejects(async () => book.verbs.disable({ name: 'phone' }), /disk is full/);
  t.equal(await used(), 110, 'who stays is counted');
  t.match(await book.verbs.kick({ name: 'phone', forMs: 1000 }), { state: 'kicked' });
  t.same(instance.list(), []);
  clock.nowMs += 1000;
  await book.handleDue();
  t.same(instance.list(), ['phone 10.9.0.2 fd00:9::2']);
  freeStore();
  await book.verbs.set({ name: 'phone', expiresMs: clock.nowMs + 1000 });
  clock.nowMs += 1000;
  const freeLater = fill(store, 'putAll');
  await t.rejects(async () => book.handleDue(), /disk is full/);
  t.same(instance.list(), [], 'whoever has expired is out');
  t.equal(book.nextDueMs(), clock.nowMs, 'and what it had is taken back later');
  freeLater();
  await book.handleDue();
  t.same(await lab.add('next', { addresses: ['10.9.0.2'] }), ['10.9.0.2', 'fd00:9::3']);
  await book.verbs.remove({ name: 'phone' });
  t.match(
    [...store.list()].map(({ record }) => record.name),
    ['next'],
  );
});

t.test('an import ends the sessions of keys that it takes away', async (t) => {
  const lab = await openClientLab(t.testdir());
  const { book, keeper, instance } = lab;
  await lab.add('phone');
  carry(lab, instance.lastRow, 100, 200);
  keeper.look();
  const { clients } = await book.verbs.export({});
  await book.verbs.import({ clients: [...clients] });
  t.equal(keeper.sessions().length, 1, 'not of those that stay');
  const [client] = JSON.parse(JSON.stringify(clients)) as { devices: object[] }[];
  const devices = client?.devices.map((device) => ({ ...device, publicKey: generateKeys().publicKey }));
  await book.verbs.import({ clients: [{ ...client, devices }] });
  t.match(told(lab).at(-1), 'session-closed phone replaced 100 200');
  t.same(keeper.sessions(), []);
  carry(lab, instance.lastRow, 100, 200);
  keeper.look();
  await book.verbs.import({ clients: [{ ...client, devices, isEnabled: false }] });
  t.match(told(lab).at(-1), 'session-closed phone disabled');
});

t.test('sessions as lines', async (t) => {
  const session = { id: 3, client: 'anna', peer: 'anna/tablet', sinceMs: 0, idleMs: 1000, upBytes: 1, downBytes: 2 };
  const lines = sessionLines(sessionsOf([session], []), 61_000).join('\n');
  t.match(lines, /ID +CLIENT[\s\S]* 3 +anna\/tablet +1 min 1 s +1 s/);
  t.match(sessionLines([], 0), [/No client has a session/]);
});

t.test('a clock that is set changes no age', async (t) => {
  const lab = await openClientLab(t.testdir());
  await lab.add('phone');
  const { clock, keeper } = lab;
  const { peers, feed, store } = lab;
  const key = [...store.list()][0]?.record.devices[0]?.publicKey ?? '';
  const row = feed.rows.get(key) ?? -1;
  const monotonicUs = (): number => (clock.nowMs - clock.jumpedMs) * 1000;
  peers.setNumber(row, layout.innerRxBytesAt, 100);
  peers.setNumber(row, layout.lastDataReceivedAt, monotonicUs());
  keeper.look();
  clock.nowMs += 10_000;
  for (const jumpMs of [7_200_000, -86_400_000]) {
    clock.nowMs += jumpMs;
    clock.jumpedMs += jumpMs;
    keeper.look();
    const [session] = keeper.sessions();
    t.equal(session?.idleMs, 10_000);
    t.equal(clock.nowMs - (session?.sinceMs ?? 0), 10_000, 'and its begin is said by the clock of now');
  }
});

t.test('thousands are looked at some at a time, each once, whoever goes meanwhile', async (t) => {
  const peers = peerTable(createRowTable(layout, 2048));
  const lab = await openClientLab(t.testdir(), { pools: ['10.9.0.0/16'], mostClients: 2048, peers });
  const { book, keeper, instance } = lab;
  const clients = Array.from({ length: 1200 }, (_, at) => {
    const device = { name: '', publicKey: randomBytes(32).toString('base64'), presharedKey: '', isReserved: false };
    const addresses = [`10.9.${16 + (at >> 8)}.${at & 255}`];
    return { id: `c${at}`, name: `c${at}`, isEnabled: true, createdMs: 1, devices: [{ ...device, addresses }] };
  });
  await book.verbs.import({ clients });
  for (let back = 0; back < clients.length; back += 1) carry(lab, instance.lastRow - back, 5, 0);
  keeper.look();
  let parts = 1;
  for (; keeper.isLooking; parts += 1) {
    await book.verbs.remove({ name: `c${100 + parts}` });
    keeper.lookOn();
  }
  t.equal(parts, 2);
  t.equal(told(lab).filter((one) => one.startsWith('session-opened')).length, clients.length);
  t.match(await book.verbs.usage({ name: 'c1199' }), { days: [{ upBytes: 5 }] });
});
