/** Clients of a hub: names, leases, what becomes of peers, and that the file has what was answered. */
import { readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import t from 'tap';
import { clientFromText, clientNameOf } from '../../src/actors/clients/client-record.ts';
import { LeasePool } from '../../src/actors/clients/lease-pool.ts';
import { ClientStore } from '../../src/actors/clients/store.ts';
import { openDatabase } from '../../src/io/sqlite.ts';
import { cidrs, openClientLab } from '../support/client-lab.ts';
import { generateKeys } from '../support/keys.ts';

t.test('clientNameOf() takes names of people in any script, and nothing that hides', async (t) => {
  for (const name of ['phone', "Jürgen's Telefon", '田中さんの電話', 'телефон', '📱 Oma', '👩‍💻', 'a.b_c@d-e', '7'])
    t.equal(clientNameOf(name), name.normalize('NFC'), name);
  t.equal(clientNameOf('Ju\u0308rgen'), 'J\u00fcrgen', 'as it is composed');
  const control = ['a\nb', 'a\tb', 'a\u0000', '\u202eabc', 'a\u200bb', 'a\u001b[31m'];
  for (const name of ['', ' ', ' a', 'a ', 'a  b', 'a/b', '-a', 'x'.repeat(65), ...control])
    t.equal(clientNameOf(name), undefined, JSON.stringify(name));
  t.equal(clientNameOf(generateKeys().publicKey), undefined, 'a key that was pasted');
});

t.test('LeasePool gives what is free, around this host, others and the ends of the network', async (t) => {
  const [network] = cidrs(['10.9.0.0/29']);
  if (network === undefined) throw new Error('no network');
  const pool = new LeasePool(network, cidrs(['10.9.0.1', '10.9.0.4/31', '0.0.0.0/0', '10.9.0.0/29', '10.8.0.1']));
  t.equal(pool.size, 3);
  t.same([pool.take(), pool.take(), pool.take(), pool.take()], ['10.9.0.2', '10.9.0.3', '10.9.0.6', undefined]);
  pool.release('10.9.0.3');
  t.equal(pool.reserve('10.9.0.2'), 'used');
  t.equal(pool.reserve('10.9.0.5'), 'outside');
  t.equal(pool.reserve('10.9.0.7'), 'outside');
  t.equal(pool.reserve('192.0.2.1'), 'outside');
  t.equal(pool.take(), '10.9.0.3');
  const [six] = cidrs(['fd00:9::/64']);
  if (six === undefined) throw new Error('no network');
  const pool6 = new LeasePool(six, cidrs(['fd00:9::1']));
  t.same([pool6.take(), pool6.take()], ['fd00:9::2', 'fd00:9::3']);
  pool6.release('fd00:9::2');
  t.equal(pool6.take(), 'fd00:9::4', 'what was given back rests as long as others are free');
});

t.test('a client is a peer with its leases, under its key, and gone when it is removed', async (t) => {
  const { book, instance, add, events } = await openClientLab(t.testdir());
  t.same(await add('phone'), ['10.9.0.2', 'fd00:9::2']);
  t.same(await add('laptop'), ['10.9.0.3', 'fd00:9::3']);
  t.same(instance.list(), ['laptop 10.9.0.3 fd00:9::3', 'phone 10.9.0.2 fd00:9::2']);
  t.same(instance.told, ['+phone -0', '+laptop -0'], 'each alone');
  await book.verbs.rename({ name: 'phone', to: 'Telefon' });
  t.same(instance.list(), ['Telefon 10.9.0.2 fd00:9::2', 'laptop 10.9.0.3 fd00:9::3']);
  await book.verbs.disable({ name: 'laptop' });
  t.same(instance.list(), ['Telefon 10.9.0.2 fd00:9::2']);
  await book.verbs.enable({ name: 'laptop' });
  t.same(instance.list(), ['Telefon 10.9.0.2 fd00:9::2', 'laptop 10.9.0.3 fd00:9::3'], 'with what it had');
  await book.verbs.remove({ name: 'Telefon' });
  t.same(instance.list(), ['laptop 10.9.0.3 fd00:9::3']);
  t.same(
    events.map(({ kind }) => kind),
    [
      'client-created',
      'lease-given',
      'client-created',
      'lease-given',
      'client-disabled',
      'client-enabled',
      'client-removed',
    ],
  );
  const before = instance.told.length;
  await book.verbs.kick({ name: 'laptop', forMs: 0 });
  t.same(instance.told.slice(before), ['+ -1', '+laptop -0']);
});

t.test('preshared keys are told to the client once, and to nobody who asks later', async (t) => {
  const { book, instance } = await openClientLab(t.testdir());
  const { publicKey } = generateKeys();
  const answer = await book.verbs.add({ name: 'phone', publicKey, presharedKey: true, addresses: [] });
  t.equal(Buffer.from(answer.presharedKey, 'base64').length, 32);
  t.equal(
    Buffer.from(instance.peers.get(publicKey)?.presharedKey ?? new ArrayBuffer(0)).toString('base64'),
    answer.presharedKey,
  );
  const said = JSON.stringify([
    await book.verbs.show({ name: 'phone' }),
    await book.verbs.list({}),
    [...instance.peers.values()],
  ]);
  t.notMatch(said, answer.presharedKey.slice(0, 20));
  t.match(said, /"presharedKey":\{\}/, 'as JSON has it');
});

t.test('what cannot be had is refused with a reason, and changes nothing', async (t) => {
  const { book, instance, add, events, clock } = await openClientLab(t.testdir(), {
    pools: ['10.9.0.0/29'],
    mostClients: 4,
  });
  await add('one');
  const { publicKey } = generateKeys();
  const fresh = { publicKey, presharedKey: false, addresses: [] as string[] };
  const key = instance.peers.keys().next().value ?? '';
  await t.rejects(async () => book.verbs.add({ ...fresh, name: 'one' }), { code: 'CLIENT_EXISTS' });
  await t.rejects(async () => book.verbs.add({ ...fresh, name: 'a/b' }), { code: 'CLIENT_NAME' });
  await t.rejects(async () => book.verbs.add({ ...fresh, name: 'two', publicKey: key }), { code: 'CLIENT_EXISTS' });
  await t.rejects(async () => book.verbs.add({ ...fresh, name: 'two', publicKey: 'no key' }), { code: 'KEY_FORM' });
  await t.rejects(async () => book.verbs.add({ ...fresh, name: 'two', addresses: ['10.9.0.2'] }), { code: 'ADDRESS' });
  await t.rejects(async () => book.verbs.add({ ...fresh, name: 'two', addresses: ['10.9.0.1'] }), { code: 'ADDRESS' });
  await t.rejects(async () => book.verbs.add({ ...fresh, name: 'two', addresses: ['phone'] }), { code: 'ADDRESS' });
  await t.rejects(async () => book.verbs.add({ ...fresh, name: 'two', expiresMs: clock.nowMs }), { code: 'EXPIRES' });
  await t.rejects(async () => book.verbs.show({ name: 'two' }), { code: 'NO_SUCH_CLIENT' });
  instance.taken.add('two');
  await t.rejects(async () => add('two'), { code: 'PEER_EXISTS' });
  instance.taken.clear();
  instance.late.add('two');
  await t.rejects(async () => add('two'), { code: 'PEER_EXISTS' });
  t.same(
    (await book.verbs.list({})).map(({ name }) => name),
    ['one'],
  );
  t.same(
    [await add('b'), await add('c'), await add('d')].flat(),
    ['10.9.0.5', '10.9.0.6', '10.9.0.3'],
    'each lease was given back',
  );
  await t.rejects(async () => add('e'), { code: 'LIMIT' });
  t.match(events.at(-1), { kind: 'limit-reached', client: 'e', limit: 'clients' });
});

t.test('an empty pool is a refusal and an event', async (t) => {
  const { add, events, instance } = await openClientLab(t.testdir(), { pools: ['10.9.0.0/30'] });
  await add('one');
  await t.rejects(async () => add('two'), { code: 'NO_LEASE', message: /All 1 addresses of the pool 10\.9\.0\.0\/30/ });
  t.match(events.at(-1), { kind: 'limit-reached', client: 'two', limit: 'pool' });
  t.equal(instance.peers.size, 1);
});

t.test('leases end with the client, but for those that were asked for by name', async (t) => {
  const { book, instance, add, clock, events } = await openClientLab(t.testdir(), { pools: ['10.9.0.0/24'] });
  const expiresMs = clock.nowMs + 1000;
  await add('guest', { expiresMs });
  await add('tv', { addresses: ['10.9.0.77'], expiresMs });
  await add('always');
  t.equal(book.nextDueMs(), expiresMs);
  clock.nowMs = expiresMs;
  await book.handleDue();
  t.same(instance.list(), ['always 10.9.0.3'], 'the one with an address of its own is no peer any more either');
  t.match(events.at(-2), { kind: 'lease-expired', client: 'guest', addresses: ['10.9.0.2'] });
  t.match(events.at(-1), { kind: 'lease-expired', client: 'tv', addresses: [] });
  t.match(await book.verbs.list({}), [
    { name: 'guest', state: 'expired', devices: [{ addresses: [] }] },
    { name: 'tv', state: 'expired', devices: [{ addresses: ['10.9.0.77'] }] },
    { name: 'always', state: 'enabled' },
  ]);
  t.equal(book.nextDueMs(), undefined);
  await book.verbs.set({ name: 'guest', expiresMs: null });
  t.same(instance.list(), ['always 10.9.0.3', 'guest 10.9.0.4']);
  t.same(await add('new', { addresses: ['10.9.0.2'] }), ['10.9.0.2'], 'what the guest had is free');
});

t.test('set moves a client to another address of the pool', async (t) => {
  const { book, instance, add } = await openClientLab(t.testdir());
  await add('tv');
  await add('phone');
  await book.verbs.set({ name: 'tv', addresses: ['10.9.0.20'] });
  t.same(instance.list(), ['phone 10.9.0.3 fd00:9::3', 'tv 10.9.0.20 fd00:9::2']);
  await t.rejects(async () => book.verbs.set({ name: 'tv', addresses: ['10.9.0.3'] }), { code: 'ADDRESS' });
  t.same(instance.list(), ['phone 10.9.0.3 fd00:9::3', 'tv 10.9.0.20 fd00:9::2']);
  instance.taken.add('tv');
  await t.rejects(async () => book.verbs.set({ name: 'tv', addresses: ['10.9.0.30'] }), { code: 'PEER_EXISTS' });
  instance.taken.clear();
  await book.verbs.set({ name: 'phone', addresses: ['10.9.0.30', 'fd00:9::30'] });
  t.same(instance.list(), ['phone 10.9.0.30 fd00:9::30', 'tv 10.9.0.20 fd00:9::2']);
});

t.test('what set cannot do gives back the leases that were given for it', async (t) => {
  const { book, add, clock } = await openClientLab(t.testdir(), { pools: ['10.9.0.0/29'] });
  const expiresMs = clock.nowMs + 1000;
  await add('guest', { expiresMs });
  const { publicKey } = generateKeys();
  await book.verbs.addDevice({ name: 'guest', device: 'tablet', publicKey, addresses: [], presharedKey: false });
  await t.rejects(
    async () => book.verbs.set({ name: 'guest', addresses: ['10.9.0.6'], publicAddress: '203.0.113.1' }),
    { code: 'ADDRESS_TAKEN' },
  );
  t.same(await add('tv', { addresses: ['10.9.0.6'] }), ['10.9.0.6']);
  clock.nowMs = expiresMs;
  await book.handleDue();
  for (const name of ['a', 'b', 'c']) await add(name);
  await t.rejects(async () => book.verbs.set({ name: 'guest', expiresMs: null }), { code: 'NO_LEASE' });
  t.equal((await add('d')).length, 1, 'what the first device got before the second got none');
});

t.test('set changes rates of one client, and of what is not said server.client decides', async (t) => {
  const folder = t.testdir();
  const { book, instance, add, store } = await openClientLab(folder);
  await add('phone');
  await add('laptop');
  const told = instance.told.length;
  const answer = await book.verbs.set({ name: 'phone', rates: { up: 5, down: 'off', priority: 80 } });
  t.strictSame(answer.limits, { upBps: 5e6, downBps: 0, priority: 80 });
  t.same(instance.told.slice(told), ['+phone -0'], 'nobody else is touched');
  const limitsOf = (name: string, of = instance) => [...of.peers.values()].find((peer) => peer.name === name)?.limits;
  t.strictSame(limitsOf('phone'), { upBps: 5e6, downBps: 0, priority: 80 });
  t.strictSame(limitsOf('laptop'), { upBps: 0, downBps: 0, priority: 50 });
  await book.verbs.set({ name: 'phone', rates: { down: 0.5, priority: null } });
  t.strictSame(
    limitsOf('phone'),
    { upBps: 5e6, downBps: 5e5, priority: 50 },
    'what is left out stays, null takes it back',
  );
  store.close();
  const later = await openClientLab(folder, { process: 'two' });
  t.strictSame(limitsOf('phone', later.instance), { upBps: 5e6, downBps: 5e5, priority: 50 });
  await later.book.verbs.set({ name: 'phone', rates: { up: null, down: null } });
  t.strictSame(limitsOf('phone', later.instance), { upBps: 0, downBps: 0, priority: 50 });
});

t.test('the file has what was answered, in a later process too', async (t) => {
  const folder = t.testdir();
  const first = await openClientLab(folder);
  await first.add('phone');
  await first.add('gone');
  await first.add('tv', { addresses: ['10.9.0.99'] });
  await first.book.verbs.remove({ name: 'gone' });
  const told = first.instance.list();
  first.store.close();
  const second = await openClientLab(folder);
  t.same(second.instance.list(), told);
  t.same(await second.add('next'), ['10.9.0.3', 'fd00:9::3'], 'leases are those of before');
  await t.rejects(async () => second.add('other', { addresses: ['10.9.0.99'] }), { code: 'ADDRESS' });
  second.store.close();
  t.equal(statSync(path.join(folder, 'clients.db')).mode & 0o777, 0o600);
});

t.test('a record of the store is put only by who has seen the last one', async (t) => {
  const { store, book, add } = await openClientLab(t.testdir());
  await add('phone');
  const [seen] = [...store.list()];
  if (seen === undefined) throw new Error('no client');
  await book.verbs.disable({ name: 'phone' });
  t.throws(() => store.putIfRevision(seen.record, seen.revision), { code: 'CHANGED' });
  t.throws(() => store.delete(seen.record.id, seen.revision), { code: 'CHANGED' });
  t.throws(() => store.putIfRevision({ ...seen.record, id: 'another' }, 0), /UNIQUE/, 'a name leads to one');
  t.equal(store.count, 1, 'and nothing of that is in the store');
});

t.test('a file of a later version, or no file of ours, is refused and left as it is', async (t) => {
  const folder = t.testdir({ 'noise.db': 'x'.repeat(5000) });
  const later = path.join(folder, 'later.db');
  const database = openDatabase(later);
  database.exec('PRAGMA user_version = 99');
  t.throws(() => new ClientStore(database), { code: 'STORE_VERSION', message: /later version.*update hawser/ });
  database.close();
  const noise = path.join(folder, 'noise.db');
  const before = readFileSync(noise);
  t.throws(() => openDatabase(noise), /not a database/);
  t.ok(readFileSync(noise).equals(before));
  t.equal(clientFromText('{'), undefined);
  t.equal(clientFromText('{"id":"x"}'), undefined);
});
