/** The store of clients in hard times: killed, damaged, full; devices, kicks, and what is exported and imported. */
import { spawn } from 'node:child_process';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { Backup, backupText, readBackup } from '../../src/actors/clients/backup.ts';
import { backupFileOf, openStore } from '../../src/actors/clients/open-store.ts';
import { openClientLab } from '../support/client-lab.ts';
import { generateKeys } from '../support/keys.ts';
import { isLong } from '../support/long-run.ts';
import { randomOf } from '../support/random.ts';

t.setTimeout(3_600_000);
const program = path.join(import.meta.dirname, '../support/client-kills-program.js');

t.test('whatever is killed when: what was answered is there, and what was removed is not', async (t) => {
  const folder = t.testdir();
  const random = randomOf(26);
  const there = new Map<string, string>();
  const kills = isLong ? 200 : 8;
  let answered = 0;
  for (let kill = 0; kill < kills; kill += 1) {
    const child = spawn(process.execPath, [program, folder, `k${kill}`], { stdio: ['ignore', 'pipe', 'inherit'] });
    const ended = new Promise((resolve) => child.once('exit', resolve));
    let last = '';
    // Counted in answers: a machine that does other things too gives few in a second.
    const lastLine = 1 + Math.floor(random() * 12);
    let lines = 0;
    for await (const line of createInterface({ input: child.stdout })) {
      last = line;
      lines += 1;
      if (lines === lastLine) void sleep(random() * 20).then(() => child.kill('SIGKILL'));
      const [name = '', address = ''] = line.slice(1).split(' ');
      if (line.startsWith('+')) there.set(name, address);
      if (line.startsWith('-')) there.delete(name);
      answered += 1;
    }
    await ended;
    const { store } = await openClientLab(folder, { pools: ['10.0.0.0/12'] });
    const found = new Map([...store.list()].map(({ record }) => [record.name, record.devices[0]?.addresses[0] ?? '']));
    store.close();
    // The last that was added may have been removed already, and nobody was told.
    const [told = ''] = last.startsWith('+') ? last.slice(1).split(' ') : [];
    if (!found.has(told)) there.delete(told);
    if (Number(told.split('-')[1]) % 3 !== 1 && told !== '') t.ok(found.has(told), `${told} after kill ${kill}`);
    for (const [name, address] of there) t.equal(found.get(name), address, `${name} after kill ${kill}`);
    // One more may have been written that nobody was told of, or one that was to be removed may still be there.
    t.ok(found.size <= there.size + 1 && found.size >= there.size, `${found.size} of ${there.size} after kill ${kill}`);
    t.equal(new Set(found.values()).size, found.size, 'each lease once');
    there.clear();
    for (const [name, address] of found) there.set(name, address);
  }
  // As many to the end: a store that is full, or cannot be opened, answers nothing.
  t.ok(answered > 4 * kills, `${answered} answers`);
});

/** A store of sixty clients and its backup, both on the disk. */
async function sixtyClients(t: Test) {
  const folder = t.testdir();
  const file = path.join(folder, 'clients.db');
  const lab = await openClientLab(folder);
  const backup = new Backup(backupFileOf(file), lab.store, (error) => t.fail(String(error)));
  for (let count = 0; count < 60; count += 1) await lab.add(`c${count}`);
  await backup.write();
  return { folder, file, lab, backup };
}

t.test('a damaged store is made anew of what is left of it and of its backup, and kept', async (t) => {
  const { folder, file, lab, backup } = await sixtyClients(t);
  const earlier = readFileSync(backupFileOf(file));
  await lab.add('late');
  backup.close();
  writeFileSync(backupFileOf(file), earlier);
  lab.store.close();
  const all = lab.instance
    .list()
    .map((line) => line.split(' ')[0] ?? '')
    .sort();
  const whole = readFileSync(file);
  const damage = (change: (bytes: Buffer) => Buffer): string => {
    for (const one of readdirSync(folder)) if (one.includes('.damaged-')) rmSync(path.join(folder, one));
    writeFileSync(file, change(Buffer.from(whole)));
    const { store, rescued } = openStore(file, 'then');
    t.match(
      rescued,
      /was damaged .* was made anew: \d+ clients, \d+ of them read from it; the damaged one is kept as .*clients\.db\.damaged-then$/,
    );
    t.ok(readFileSync(`${file}.damaged-then`).equals(change(Buffer.from(whole))), 'as it lay there');
    const names = [...store.list()].map(({ record }) => record.name).sort();
    store.close();
    t.equal(openStore(file, 'later').rescued, '', 'whole from then on');
    return names.join();
  };
  const old = all.filter((name) => name !== 'late');
  t.equal(
    damage(() => Buffer.alloc(9000, 1)),
    old.join(),
    'all of the backup',
  );
  // Some pages later the newest one is in it, and everybody else in the backup.
  const at = whole.length - 3 * 4096;
  const withoutPage = damage((bytes) => bytes.fill(0xff, at, at + 3000));
  t.ok([old.join(), all.join()].includes(withoutPage), withoutPage);
});

t.test('the copy of a damaged store is what lay there, its log included', async (t) => {
  const { folder, file, lab, backup } = await sixtyClients(t);
  backup.close();
  // As a power cut leaves it: the last changes are in the log alone.
  lab.store.tidy();
  const [last] = [...lab.store.list()].slice(-1);
  if (last !== undefined) lab.store.putIfRevision(last.record, last.revision);
  const [left, log] = [readFileSync(file), readFileSync(`${file}-wal`)];
  lab.store.close();
  const lay = (bytes: Buffer): void => {
    writeFileSync(file, bytes);
    writeFileSync(`${file}-wal`, log);
  };
  const damaged = Buffer.from(left).fill(0xff, left.length - 3 * 4096, left.length - 4096);
  lay(damaged);
  const { store, rescued } = openStore(file, 'then');
  store.close();
  t.match(rescued, /was made anew: 60 clients/);
  t.ok(readFileSync(`${file}.damaged-then`).equals(damaged), 'the file');
  t.ok(readFileSync(`${file}.damaged-then-wal`).equals(log), 'and its log');
  lay(left);
  const again = openStore(file, 'never');
  t.equal(again.rescued, '', 'a log alone is no damage');
  t.equal(again.store.count, 60);
  again.store.close();
  // Nothing can be read of it, and nobody has a backup.
  for (const one of [backupFileOf(file), `${file}.damaged-then`, `${file}.damaged-then-wal`]) rmSync(one);
  const nothing = Buffer.alloc(left.length, 1);
  writeFileSync(file, nothing);
  writeFileSync(`${file}-wal`, log.subarray(0, 32));
  t.throws(() => openStore(file, 'no'), { code: 'STORE_DAMAGED' });
  t.ok(readFileSync(file).equals(nothing), 'and it is as it was');
  t.ok(readFileSync(`${file}-wal`).equals(log.subarray(0, 32)));
  t.same(readdirSync(folder).sort(), ['clients.db', 'clients.db-wal'], 'with no copy beside it');
});

t.test('a backup is written a part at a time, and one that has no time to be is written at once', async (t) => {
  const folder = t.testdir();
  const { store } = await openClientLab(folder);
  const [count, file] = [450, path.join(folder, 'backup.json')];
  const devices = () => [
    { name: '', publicKey: generateKeys().publicKey, presharedKey: '', addresses: [], isReserved: false },
  ];
  const recordOf = (index: number) => {
    return {
      id: `i${index}`,
      name: `c${index}`,
      isEnabled: true,
      createdMs: 1,
      expiresMs: undefined,
      devices: devices(),
    };
  };
  store.putAll(Array.from({ length: count }, (_, index) => ({ record: recordOf(index), revision: 0 })));
  const backup = new Backup(file, store, (error) => t.fail(String(error)));
  let turns = 0;
  const ticker = setInterval(() => (turns += 1), 0);
  await backup.write();
  clearInterval(ticker);
  t.ok(turns > 0, 'others had their turns');
  t.equal(readFileSync(file, 'utf8'), backupText(store.list()));
  const writing = backup.write();
  store.putIfRevision(recordOf(count), 0);
  backup.close();
  t.equal(readBackup(file)?.length, count + 1);
  await writing;
  t.equal(readBackup(file)?.length, count + 1, 'what was begun before takes no place');
  const there = readdirSync(folder)
    .filter((name) => !name.endsWith('.lock'))
    .sort();
  t.same(there, ['backup.json', 'clients.db', 'clients.db-wal'], 'and leaves nothing');
  store.close();
  t.same(readdirSync(folder).sort(), ['backup.json', 'clients.db'], 'nor does the store');
});

t.test('a store that nothing can be read of is no empty one', async (t) => {
  const folder = t.testdir({ 'clients.db': 'x'.repeat(9000) });
  const file = path.join(folder, 'clients.db');
  t.throws(() => openStore(file, 'then'), {
    code: 'STORE_DAMAGED',
    message: /nothing can be read of it, and there is no backup/,
  });
  t.equal(readFileSync(file, 'utf8'), 'x'.repeat(9000));
  writeFileSync(backupFileOf(file), 'neither');
  t.throws(() => openStore(file, 'then'), { code: 'STORE_DAMAGED' });
  t.same(readdirSync(folder).sort(), ['clients.db', 'clients.db.backup.json'], 'no copies of what stays where it is');
});

t.test('a client may have several devices, each with a key and a lease', async (t) => {
  const { book, instance, add, events } = await openClientLab(t.testdir());
  await add('anna');
  const device = async (name: string) => {
    const { publicKey } = generateKeys();
    return await book.verbs.addDevice({ name: 'anna', device: name, publicKey, addresses: [], presharedKey: true });
  };
  t.match(await device('tablet'), {
    client: { name: 'anna/tablet', devices: [{ peer: 'anna/tablet', addresses: ['10.9.0.3', 'fd00:9::3'] }] },
  });
  await t.rejects(device('tablet'), { code: 'CLIENT_EXISTS' });
  await t.rejects(device('a/b'), { code: 'CLIENT_NAME' });
  await device('laptop');
  await t.rejects(device('fourth'), { code: 'LIMIT', message: /would have 4 devices.*server\.limits\.perClient/ });
  t.match(events.at(-1), { kind: 'limit-reached', limit: 'perClient' });
  t.same(instance.list().length, 3);
  await book.verbs.rename({ name: 'anna', to: 'Anna' });
  t.match(instance.list().join(), /Anna 10.*Anna\/laptop 10.*Anna\/tablet 10/);
  await book.verbs.removeDevice({ name: 'Anna', device: 'tablet' });
  await t.rejects(async () => book.verbs.removeDevice({ name: 'Anna', device: 'tablet' }), {
    message: /there are: laptop/,
  });
  await book.verbs.disable({ name: 'Anna' });
  t.same(instance.list(), []);
});

t.test('who is kicked for some time is let in again by itself', async (t) => {
  const folder = t.testdir();
  const { book, instance, add, clock, store } = await openClientLab(folder);
  await add('phone');
  t.match(await book.verbs.kick({ name: 'phone', forMs: 60_000 }), {
    state: 'kicked',
    kickedUntilMs: clock.nowMs + 60_000,
  });
  t.same(instance.list(), []);
  t.equal(book.nextDueMs(), clock.nowMs + 60_000);
  await book.verbs.disable({ name: 'phone' });
  await book.verbs.enable({ name: 'phone' });
  t.same(instance.list(), [], 'not by a way round');
  clock.nowMs += 60_000;
  await book.handleDue();
  t.same(instance.list(), ['phone 10.9.0.2 fd00:9::2']);
  t.match(await book.verbs.show({ name: 'phone' }), { state: 'enabled' });
  t.equal(book.nextDueMs(), undefined);
  await book.verbs.kick({ name: 'phone', forMs: 60_000 });
  store.close();
  const later = await openClientLab(folder, { nowMs: clock.nowMs });
  t.same(later.instance.list(), [], 'nor by another thread or process');
  t.equal(later.book.nextDueMs(), later.clock.nowMs + 60_000);
  later.clock.nowMs += 60_000;
  await later.book.handleDue();
  t.same(later.instance.list(), ['phone 10.9.0.2 fd00:9::2']);
  later.store.close();
});

t.test('what is exported can be imported elsewhere, all or nothing', async (t) => {
  const folder = t.testdir({ one: {}, other: {} });
  const [one, other] = [await openClientLab(path.join(folder, 'one')), await openClientLab(path.join(folder, 'other'))];
  for (const name of ['a', 'b', 'c']) await one.add(name);
  await one.book.verbs.disable({ name: 'b' });
  const { clients } = await one.book.verbs.export({});
  t.same(await other.book.verbs.import({ clients: JSON.parse(JSON.stringify(clients)) as unknown[] }), { count: 3 });
  t.same(other.instance.list(), one.instance.list());
  t.same(await other.add('d'), ['10.9.0.5', 'fd00:9::5'], 'their leases are theirs');
  await other.book.verbs.remove({ name: 'b' });
  await other.add('b');
  const before = other.instance.list();
  await t.rejects(async () => other.book.verbs.import({ clients: [...clients] }), { code: 'CLIENT_EXISTS' });
  await t.rejects(async () => other.book.verbs.import({ clients: [{}] }), { code: 'IMPORT' });
  await t.rejects(async () => other.book.verbs.import({ clients: [{ ...clients[0], id: 'new', name: 'x' }] }), {
    code: 'CLIENT_EXISTS',
  });
  t.same(other.instance.list(), before);
  await other.book.verbs.import({ clients: clients.slice(0, 1) });
  t.same(other.instance.list(), before, 'the same again changes nothing');
  const firstId = [...one.store.list()][0]?.record.id ?? '';
  await other.book.verbs.forward({ name: 'd', forward: '80/tcp', isOff: false });
  await other.book.verbs.set({ name: 'd', publicAddress: '203.0.113.8' });
  const changed = (more: object): unknown => ({ ...clients[0], ...more });
  const device = (name: string) => ({ ...one.store.get(firstId)?.record.devices[0], addresses: [], name });
  const withDevices = (...names: string[]): unknown =>
    changed({ devices: names.map((name) => ({ ...device(name), publicKey: generateKeys().publicKey })) });
  for (const [code, value] of [
    ['PORT_TAKEN', changed({ nat: { forwards: ['80:81/tcp'] } })],
    ['PORT_TAKEN', changed({ nat: { forwards: ['22/tcp'] } })],
    ['ADDRESS_TAKEN', changed({ nat: { forwards: [], publicAddress: '203.0.113.8' } })],
    ['ADDRESS_TAKEN', changed({ nat: { forwards: [], publicAddress: '203.0.113.1' } })],
    ['IMPORT', changed({ nat: { forwards: [], publicAddress: '1.2.3.4 }; flush ruleset' } })],
    ['CLIENT_NAME', withDevices('', 'a/b')],
    ['CLIENT_NAME', withDevices('', '')],
    ['CLIENT_EXISTS', withDevices('', 'x', 'x')],
    ['LIMIT', withDevices('', 'x', 'y', 'z')],
  ] as const)
    await t.rejects(async () => other.book.verbs.import({ clients: [value] }), { code }, JSON.stringify(value));
  t.same(other.instance.list(), [...before], 'none of them');
  const twice = changed({ nat: { forwards: ['81/tcp', '81:82/tcp'], publicAddress: '203.0.113.9' } });
  await other.book.verbs.import({ clients: [twice] });
  t.match(other.store.get(firstId)?.record.nat, { forwards: ['81:82/tcp'], publicAddress: '203.0.113.9' });
  const file = path.join(folder, 'backup');
  writeFileSync(file, backupText(one.store.list()));
  t.equal(readBackup(file)?.length, 3);
});
