/** Invitations without a hub: who may join by one, how often, and what is left of it after a restart. */
import path from 'node:path';
import t, { type Test } from 'tap';
import type { EnrolOutcome } from '../../src/actors/clients/invitation-book.ts';
import { invitationFromText } from '../../src/actors/clients/invitation-record.ts';
import { formatKey, publicKeyOf } from '../../src/config/keys.ts';
import { peer as peerLayout } from '../../src/contract/peer-tables.ts';
import { deriveInvitation } from '../../src/crypto/invitation.ts';
import { openDatabase } from '../../src/io/sqlite.ts';
import { createRowTable, peerTable } from '../../src/rings/table.ts';
import { enrolStatus } from '../../src/wire/enrol-frame.ts';
import { type ClientLab, type ClientLabOptions, openClientLab } from '../support/client-lab.ts';
import { generateKeys } from '../support/keys.ts';

const dayMs = 86_400_000;
const newKey = (): string => generateKeys().publicKey;

let made = 0;

/** As `hawser invite` makes them. */
function invitationKey(): { publicKey: string; presharedKey: string } {
  made += 1;
  const { privateKey, presharedKey } = deriveInvitation(Buffer.alloc(32, 7), Buffer.alloc(16, made));
  return { publicKey: formatKey(publicKeyOf(privateKey)), presharedKey: formatKey(presharedKey) };
}

async function open(t: Test, more: ClientLabOptions = {}, folder = t.testdir()): Promise<ClientLab> {
  const lab = await openClientLab(folder, more);
  t.teardown(() => lab.store.close());
  return lab;
}

/** Public key of a new invitation. */
async function invite(lab: ClientLab, name: string, forMs = dayMs): Promise<string> {
  const key = invitationKey();
  await lab.book.verbs.invite({ name, keys: [key], expiresMs: lab.clock.nowMs + forMs });
  return key.publicKey;
}

function connect(lab: ClientLab, key: string): void {
  lab.peers.setNumber(lab.feed.rows.get(key) ?? -1, peerLayout.lastHandshakeAt, 1);
}

const kinds = (lab: ClientLab): string[] => lab.events.map(({ kind }) => kind);
const statusOf = (outcome: EnrolOutcome | undefined): number | undefined => outcome?.status;

t.test('an invitation is a peer without addresses, and gone when its client has connected', async (t) => {
  const lab = await open(t);
  const invitation = await invite(lab, 'van');
  const peer = lab.instance.peers.get(invitation);
  t.match(peer, { name: 'invite:van', allowedIPs: [], mayEnrol: true });
  t.equal(peer?.isClient, undefined);
  const key = newKey();
  const outcome = await lab.book.invitations.enrol(invitation, key);
  t.match(outcome, { status: enrolStatus.welcome, client: { name: 'van', devices: [{ publicKey: key }] } });
  t.ok(lab.instance.peers.has(key) && lab.instance.peers.has(invitation), 'not used before it has connected');
  t.match(lab.book.verbs.invitations({}), [{ name: 'van', state: 'joining' }]);
  lab.book.invitations.look();
  t.ok(lab.book.invitations.isAwaiting);
  connect(lab, key);
  lab.book.invitations.look();
  await lab.feed.settled();
  t.notOk(lab.instance.peers.has(invitation), 'used');
  t.same(lab.book.verbs.invitations({}), []);
  t.equal(await lab.book.invitations.enrol(invitation, newKey()), undefined, 'and silent from now on');
  t.same(kinds(lab), ['invitation-created', 'client-created', 'lease-given', 'invitation-joining', 'invitation-used']);
});

t.test(
  'the same key gets the same answer; another one waits, and takes the place of one that never came',
  async (t) => {
    const lab = await open(t);
    const invitation = await invite(lab, 'van');
    const [first, second, third] = [newKey(), newKey(), newKey()];
    const one = await lab.book.invitations.enrol(invitation, first);
    t.same(await lab.book.invitations.enrol(invitation, first), one);
    t.equal(statusOf(await lab.book.invitations.enrol(invitation, second)), enrolStatus.busy);
    t.match(lab.events.at(-1), { kind: 'invitation-refused', client: 'van', reason: /another machine/ });
    lab.clock.nowMs += 151_000;
    const other = await lab.book.invitations.enrol(invitation, second);
    t.match(other, { status: enrolStatus.welcome, client: { devices: [{ publicKey: second }] } });
    t.notOk(lab.instance.peers.has(first), 'the one before is nobody any more');
    t.equal(lab.store.count, 1);
    t.same(lab.instance.list(), ['invite:van', 'van 10.9.0.2 fd00:9::2'], 'the same lease');
    connect(lab, second);
    lab.clock.nowMs += 151_000;
    t.equal(await lab.book.invitations.enrol(invitation, third), undefined, 'who has connected keeps its place');
    t.ok(lab.instance.peers.has(second));
  },
);

t.test('of two at once one wins', async (t) => {
  const lab = await open(t);
  const invitation = await invite(lab, 'van');
  const outcomes: (number | undefined)[] = [];
  // The store asks one after the other.
  for (const key of [newKey(), newKey()]) outcomes.push(statusOf(await lab.book.invitations.enrol(invitation, key)));
  t.same(outcomes, [enrolStatus.welcome, enrolStatus.busy]);
  t.equal(lab.store.count, 1);
});

t.test('keys that are known are refused', async (t) => {
  const lab = await open(t);
  const invitation = await invite(lab, 'van');
  const other = await invite(lab, 'bus');
  await lab.add('phone');
  const phone = [...lab.store.list()][0]?.record.devices[0]?.publicKey ?? '';
  for (const key of [phone, invitation, other, lab.instance.hubKey, formatKey(new Uint8Array(32))])
    t.equal(statusOf(await lab.book.invitations.enrol(invitation, key)), enrolStatus.knownKey, key);
  t.equal(lab.store.count, 1);
  t.equal(statusOf(await lab.book.invitations.enrol(invitation, newKey())), enrolStatus.welcome, 'nothing was lost');
});

t.test('invitations and who is joining by them outlive a restart', async (t) => {
  const folder = t.testdir();
  const before = await openClientLab(folder);
  const [invitation, unused] = [await invite(before, 'van'), await invite(before, 'bus')];
  const key = newKey();
  before.clock.nowMs -= 300_000;
  const one = await before.book.invitations.enrol(invitation, key);
  before.store.close();

  const lab = await open(t, { process: 'two' }, folder);
  t.match(lab.book.verbs.invitations({}), [
    { name: 'van', state: 'joining' },
    { name: 'bus', state: 'open' },
  ]);
  t.ok(lab.instance.peers.has(invitation) && lab.instance.peers.has(unused) && lab.instance.peers.has(key));
  t.same(await lab.book.invitations.enrol(invitation, key), one, 'the same answer');
  lab.clock.nowMs += 100_000;
  t.equal(statusOf(await lab.book.invitations.enrol(invitation, newKey())), enrolStatus.busy, 'it has its time anew');
  connect(lab, key);
  lab.book.invitations.look();
  lab.store.close();
  const last = await open(t, { process: 'three' }, folder);
  t.match(last.book.verbs.invitations({}), [{ name: 'bus' }], 'used for ever');
});

t.test(
  'one that expires is silent; who is joining then may still connect, and else leaves nothing behind',
  async (t) => {
    const lab = await open(t);
    const [open_, joining] = [await invite(lab, 'bus', 60_000), await invite(lab, 'van', 60_000)];
    const key = newKey();
    lab.clock.nowMs += 50_000;
    await lab.book.invitations.enrol(joining, key);
    lab.clock.nowMs += 10_001;
    t.ok((lab.book.nextDueMs() ?? Number.NaN) <= lab.clock.nowMs);
    await lab.book.handleDue();
    t.notOk(lab.instance.peers.has(open_));
    t.ok(lab.instance.peers.has(key));
    t.equal(await lab.book.invitations.enrol(open_, newKey()), undefined);
    t.equal(await lab.book.invitations.enrol(joining, newKey()), undefined);
    lab.clock.nowMs += 151_000;
    await lab.book.handleDue();
    t.same([...lab.instance.peers.keys()], []);
    t.equal(lab.store.count, 0);
    t.same(await lab.add('next'), ['10.9.0.3', 'fd00:9::3'], 'addresses rest while others are free');
    t.equal(kinds(lab).filter((kind) => kind === 'invitation-expired').length, 2);
  },
);

t.test('revoke takes it back with the client that has not connected, and leaves one that has', async (t) => {
  const lab = await open(t);
  const [van, bus] = [await invite(lab, 'van'), await invite(lab, 'Bücherbus 📚')];
  const keys = [newKey(), newKey()] as const;
  await lab.book.invitations.enrol(van, keys[0]);
  await lab.book.invitations.enrol(bus, keys[1]);
  connect(lab, keys[1]);
  t.match(await lab.book.verbs.revoke({ name: 'van' }), { name: 'van' });
  t.notOk(lab.instance.peers.has(van) || lab.instance.peers.has(keys[0]));
  await t.rejects(async () => await lab.book.verbs.revoke({ name: 'Bücherbus 📚' }), { code: 'NO_SUCH_INVITATION' });
  t.ok(lab.instance.peers.has(keys[1]));
  await t.rejects(async () => await lab.book.verbs.revoke({ name: 'van' }), { code: 'NO_SUCH_INVITATION' });
  const train = await invite(lab, 'train');
  const key = newKey();
  await lab.book.invitations.enrol(train, key);
  await lab.book.verbs.remove({ name: 'train' });
  t.equal(
    await lab.book.invitations.enrol(train, newKey()),
    undefined,
    'removed by an operator, and nobody becomes it again',
  );
});

t.test('names are kept for who was invited; several lines have several names', async (t) => {
  const lab = await open(t);
  await invite(lab, 'van');
  await t.rejects(lab.add('van'), { code: 'CLIENT_EXISTS', message: /was invited/ });
  await t.rejects(invite(lab, 'van'), { code: 'CLIENT_EXISTS' });
  await lab.add('phone');
  await t.rejects(invite(lab, 'phone'), { code: 'CLIENT_EXISTS' });
  await t.rejects(invite(lab, 'a/b'), { code: 'CLIENT_NAME' });
  const keys = [invitationKey(), invitationKey(), invitationKey()];
  const rows = await lab.book.verbs.invite({ name: 'branch', keys, expiresMs: lab.clock.nowMs + dayMs });
  t.same(
    rows.map(({ name }) => name),
    ['branch-1', 'branch-2', 'branch-3'],
  );
  const rates = { up: 5, down: 20 };
  const quota = { monthlyBytes: 5e9, resetDay: 15 };
  await lab.book.verbs.invite({
    name: 'slow',
    keys: [invitationKey()],
    expiresMs: lab.clock.nowMs + dayMs,
    rates,
    quota,
  });
  const slow = [...lab.store.invitations.list()].at(-1)?.publicKey ?? '';
  await lab.book.invitations.enrol(slow, newKey());
  t.match(lab.book.verbs.show({ name: 'slow' }), {
    limits: { upBps: 5e6, downBps: 20e6 },
    quota: { monthlyBytes: 5e9, resetDay: 15 },
  });
  await t.rejects(invite(lab, 'late', -1), { code: 'EXPIRES' });
  await t.rejects(invite(lab, 'for-ever', 400 * dayMs), { code: 'EXPIRES' });
});

t.test('a full pool, a full hub and a full disk are refusals that lose nothing', async (t) => {
  const lab = await open(t, { pools: ['10.9.0.0/30'], taken: ['10.9.0.1'] });
  const [van, bus] = [await invite(lab, 'van'), await invite(lab, 'bus')];
  const [first, second] = [newKey(), newKey()];
  t.equal(statusOf(await lab.book.invitations.enrol(van, first)), enrolStatus.welcome);
  t.equal(statusOf(await lab.book.invitations.enrol(bus, second)), enrolStatus.full);
  t.match(lab.events.slice(-2), [{ kind: 'limit-reached', limit: 'pool' }, { kind: 'invitation-refused' }]);
  await lab.book.verbs.remove({ name: 'van' });
  t.equal(statusOf(await lab.book.invitations.enrol(bus, second)), enrolStatus.welcome, 'the same invitation, later');

  const small = await open(t, { mostClients: 1 }, t.testdir({}));
  await small.add('phone');
  t.equal(statusOf(await small.book.invitations.enrol(await invite(small, 'van'), newKey())), enrolStatus.full);

  const full = await open(t, { pools: ['10.9.0.0/30'], taken: ['10.9.0.1'] }, t.testdir({}));
  const invitation = await invite(full, 'van');
  full.store.putAll = () => {
    throw new Error('database or disk is full');
  };
  const key = newKey();
  t.equal(statusOf(await full.book.invitations.enrol(invitation, key)), enrolStatus.unwritten);
  t.notOk(full.instance.peers.has(key));
  Reflect.deleteProperty(full.store, 'putAll');
  t.match(await full.book.invitations.enrol(invitation, key), {
    status: enrolStatus.welcome,
    client: { devices: [{ addresses: ['10.9.0.2'] }] },
  });
});

t.test('what a peer of the file is in the way of is a refusal', async (t) => {
  const lab = await open(t);
  const invitation = await invite(lab, 'van');
  lab.instance.taken.add('van');
  t.equal(statusOf(await lab.book.invitations.enrol(invitation, newKey())), enrolStatus.refused);
  lab.instance.taken.clear();
  lab.instance.late.add('van');
  t.equal(statusOf(await lab.book.invitations.enrol(invitation, newKey())), enrolStatus.refused);
  lab.instance.late.clear();
  t.equal(lab.store.count, 0);
  t.match(lab.book.verbs.invitations({}), [{ state: 'open' }], 'nobody is joining');
  t.equal(statusOf(await lab.book.invitations.enrol(invitation, newKey())), enrolStatus.welcome);
});

t.test('a damaged store that is made anew has its invitations', async (t) => {
  const folder = t.testdir();
  const before = await openClientLab(folder);
  const [van, bus] = [await invite(before, 'van'), await invite(before, 'bus')];
  const key = newKey();
  await before.book.invitations.enrol(van, key);
  await before.book.invitations.enrol(bus, newKey());
  before.store.close();
  const file = path.join(folder, 'clients.db');
  const database = openDatabase(file);
  database.run("UPDATE clients SET document = 'x' WHERE name = 'bus'");
  database.close();
  const lab = await open(t, {}, folder);
  t.match(lab.book.verbs.invitations({}), [
    { name: 'van', state: 'joining' },
    { name: 'bus', state: 'open' },
  ]);
  t.ok(lab.instance.peers.has(key));
  t.equal(statusOf(await lab.book.invitations.enrol(bus, newKey())), enrolStatus.welcome);
});

t.test('one that is taken back on a full disk lets nobody in, says so, and is written later', async (t) => {
  const lab = await open(t);
  const invitation = await invite(lab, 'van');
  lab.store.invitations.deleteAll = () => {
    throw new Error('database or disk is full');
  };
  await t.rejects(async () => await lab.book.verbs.revoke({ name: 'van' }), { code: 'STORE' });
  t.notOk(lab.instance.peers.has(invitation));
  t.equal(await lab.book.invitations.enrol(invitation, newKey()), undefined);
  lab.book.invitations.look();
  t.equal(kinds(lab).filter((kind) => kind === 'warning').length, 1, 'said once');
  t.ok(lab.book.invitations.isAwaiting);
  t.equal(lab.book.nextDueMs(), undefined);
  Reflect.deleteProperty(lab.store.invitations, 'deleteAll');
  lab.book.invitations.look();
  t.equal(lab.store.invitations.count, 0);
  t.notOk(lab.book.invitations.isAwaiting);
});

t.test('an invitation keeps its name while its client has another; an import takes neither name nor key', async (t) => {
  const lab = await open(t);
  await lab.add('phone');
  const backup = lab.book.verbs.export({}) as { clients: Record<string, unknown>[] };
  const invitation = await invite(lab, 'van');
  await lab.book.invitations.enrol(invitation, newKey());
  await lab.book.verbs.rename({ name: 'van', to: 'bus' });
  await t.rejects(invite(lab, 'van'), { code: 'CLIENT_EXISTS', message: /was invited/ });
  await lab.book.verbs.rename({ name: 'bus', to: 'van' });
  await lab.book.verbs.rename({ name: 'van', to: 'bus' });
  const named = backup.clients.map((client) => ({ ...client, name: 'van' }));
  await t.rejects(async () => await lab.book.verbs.import({ clients: named }), { code: 'CLIENT_EXISTS' });
  t.match(await lab.book.verbs.import({ clients: backup.clients }), { count: 1 });
});

t.test('a client that had connected stays when its invitation ends, also where its row has forgotten it', async (t) => {
  const lab = await open(t);
  for (const name of ['counted', 'disabled', 'kicked', 'never'])
    await lab.book.invitations.enrol(await invite(lab, name, 60_000), newKey());
  const id = [...lab.store.list()][0]?.record.id ?? '';
  lab.store.usage.add([{ id, day: '2026-01-01', upBytes: 5, downBytes: 5 }], []);
  await lab.book.verbs.disable({ name: 'disabled' });
  await lab.book.verbs.kick({ name: 'kicked', forMs: 1000 });
  lab.clock.nowMs += 300_000;
  await lab.book.handleDue();
  t.same(
    [...lab.store.list()].map(({ record }) => record.name),
    ['counted', 'disabled', 'kicked'],
  );
  t.equal(lab.store.invitations.count, 0);
});

t.test('what is no record of ours is none', async (t) => {
  const good = {
    ...{ id: 'a', name: 'van', createdMs: 1, expiresMs: 2, publicKey: newKey(), presharedKey: newKey() },
    ...{ allowed: ['0.0.0.0/0'], limits: { upBps: 5 }, joining: { clientId: 'b', atMs: 3 } },
  };
  t.same(invitationFromText(JSON.stringify(good)), good);
  for (const [name, values] of Object.entries({
    ...{ id: [1], name: [null], createdMs: ['x'], expiresMs: [null], publicKey: ['x'], presharedKey: [''] },
    ...{ allowed: [['x'], 'x', [1]], limits: [{ upBps: -1 }, 5], joining: [null, 5, { clientId: 1, atMs: 1 }, {}] },
  }))
    for (const value of values)
      t.equal(
        invitationFromText(JSON.stringify({ ...good, [name]: value })),
        undefined,
        `${name} ${JSON.stringify(value)}`,
      );
  for (const text of ['', 'null', '5', '[]', '{']) t.equal(invitationFromText(text), undefined, text);
});

t.test('the store keeps neither the secret nor the private key', async (t) => {
  const folder = t.testdir();
  const lab = await openClientLab(folder, { peers: peerTable(createRowTable(peerLayout, 8)) });
  const secret = Buffer.alloc(16, 0xa5);
  const { privateKey, presharedKey } = deriveInvitation(Buffer.alloc(32, 7), secret);
  const key = { publicKey: formatKey(publicKeyOf(privateKey)), presharedKey: formatKey(presharedKey) };
  await lab.book.verbs.invite({ name: 'van', keys: [key], expiresMs: lab.clock.nowMs + dayMs });
  lab.store.close();
  const database = openDatabase(path.join(folder, 'clients.db'));
  const [row] = database.all('SELECT document FROM invitations');
  database.close();
  const text = String(row?.document);
  t.match(text, key.publicKey.slice(0, 20));
  for (const held of [secret, Buffer.from(privateKey)])
    for (const form of ['hex', 'base64', 'base64url'] as const) t.notMatch(text, held.toString(form).slice(0, 20));
});
