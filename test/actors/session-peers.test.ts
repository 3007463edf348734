/** Peers that come, change and go while a session-manager runs: nobody else notices, and keys outlive a change. */
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import t, { type Test } from 'tap';
import { peer as layout, session } from '../../src/contract/peer-tables.ts';
import { sessionManagerCounters } from '../../src/rings/counter-names.ts';
import { messageType, wireguardType } from '../../src/wire/wireguard.ts';
import { Host, Lab, labWithHub } from '../support/session-lab.ts';

const hubPlace = [{ host: '10.0.0.1', port: 51820 }];

/** A hub that has a session with `one`, and another host that it does not know. */
async function connect(t: Test): Promise<{ lab: Lab; hub: Host; one: Host; other: Host }> {
  const lab = new Lab();
  t.teardown(() => lab.close());
  const host = (name: string, address: string, octet: number) =>
    new Host(lab, { name, address, privateKey: Buffer.alloc(32, octet) });
  const hub = host('hub', '10.0.0.1:51820', 1);
  const one = host('one', '10.0.0.2:51820', 2);
  const other = host('other', '10.0.0.3:51820', 3);
  await hub.start([hub.peer(one)]);
  await one.start([one.peer(hub, { endpoints: hubPlace })]);
  await other.start([other.peer(hub, { endpoints: hubPlace })]);
  one.sendData('hello');
  lab.settle();
  t.ok(hub.sendSlot() >= 0);
  return { lab, hub, one, other };
}

function initiations(lab: Lab, from: Host): number {
  const sent = lab.sent.filter((one) => one.from === from.address);
  return sent.filter((one) => wireguardType(one.bytes, 0) === messageType.initiation).length;
}

t.test('a peer that comes is served at once, and nobody else gets new keys', async (t) => {
  const { lab, hub, one, other } = await connect(t);
  other.sendData('too early');
  lab.settle();
  t.equal(hub.count(sessionManagerCounters.unknownKey), 1);
  const slot = hub.sendSlot();
  const calls = initiations(lab, one);
  hub.command({ kind: 'peers', put: [hub.peer(other, { row: 1 })], remove: [], isAll: false });
  lab.run(6);
  t.ok(hub.sendSlot(1) >= 0, 'it called again, and was answered');
  t.equal(hub.sendSlot(), slot);
  t.equal(initiations(lab, one), calls);
  one.sendData('goes on');
  lab.settle();
  t.ok(hub.inbox.some((plain) => Buffer.from(plain).includes('goes on')));
});

t.test(
  'hundreds that come at once are taken in a part of them a turn, and those that go again meanwhile are not',
  async (t) => {
    const { lab, hub } = labWithHub(t, { peerRows: 400 });
    await hub.start([]);
    const rows = (): number[] =>
      Array.from({ length: 400 }, (_, row) => row).filter((row) => hub.peers.int(row, layout.inUseAt) === 1);
    const put = Array.from({ length: 350 }, (_, row) => ({
      ...hub.peer(hub),
      row,
      name: `p${row}`,
      publicKey: randomBytes(32).toString('base64'),
    }));
    hub.command({ kind: 'peers', put, remove: [], isAll: false });
    hub.turn();
    t.ok(rows().length > 0 && rows().length <= 200, `${rows().length} after the first turn`);
    hub.command({ kind: 'peers', put: [], remove: [0, 349], isAll: false });
    lab.run(0.2);
    t.same(
      rows(),
      put.map(({ row }) => row).filter((row) => row !== 0 && row !== 349),
    );
    hub.command({ kind: 'peers', put: put.slice(5, 10), remove: [], isAll: true });
    lab.run(0.2);
    t.same(rows(), [5, 6, 7, 8, 9]);
  },
);

t.test('a peer that is another by the same key keeps its keys, its paths and its clock', async (t) => {
  const { lab, hub, one } = await connect(t);
  const [slot, home] = [hub.sendSlot(), hub.peers.int(0, layout.pathAt)];
  const calls = initiations(lab, one) + initiations(lab, hub);
  const stamp = Buffer.from(hub.peers.slice(0, layout.timestampAt, 12));
  hub.command({
    kind: 'peers',
    put: [hub.peer(one, { name: 'renamed', keepaliveMs: 1000 })],
    remove: [],
    isAll: false,
  });
  lab.settle();
  t.same([hub.sendSlot(), hub.peers.int(0, layout.pathAt)], [slot, home]);
  t.same(Buffer.from(hub.peers.slice(0, layout.timestampAt, 12)), stamp);
  const before = hub.sessions.wide(slot, session.sendCounterAt);
  lab.run(5);
  t.ok(hub.sessions.wide(slot, session.sendCounterAt) >= before + 3, 'keepalives leave as is said now');
  one.sendData('still here');
  hub.sendData('and there');
  lab.settle();
  t.ok(hub.inbox.some((plain) => Buffer.from(plain).includes('still here')));
  t.ok(one.inbox.some((plain) => Buffer.from(plain).includes('and there')));
  t.equal(initiations(lab, one) + initiations(lab, hub), calls, 'nobody had to call');
});

t.test('a peer that goes leaves neither keys nor paths, and is a stranger when it calls', async (t) => {
  const { lab, hub, one, other } = await connect(t);
  hub.command({ kind: 'peers', put: [hub.peer(other, { row: 1 })], remove: [], isAll: false });
  other.sendData('hello');
  lab.run(6);
  t.ok(hub.sendSlot(1) >= 0);
  const slot = hub.sendSlot();
  hub.command({ kind: 'peers', put: [], remove: [1], isAll: false });
  lab.settle();
  t.same([hub.peers.int(1, layout.inUseAt), hub.sendSlot(1), hub.peers.int(1, layout.pathAt)], [0, -1, -1]);
  t.same(
    hub.readySlots().filter((ready) => hub.sessions.int(ready, session.peerAt) === 1),
    [],
  );
  const strangers = hub.count(sessionManagerCounters.unknownKey);
  other.command({ kind: 'rekey', peer: 'hub' });
  lab.run(1);
  t.equal(hub.count(sessionManagerCounters.unknownKey), strangers + 1);
  t.equal(hub.sendSlot(), slot);
  // Its row may be another's by now.
  hub.command({ kind: 'peers', put: [hub.peer(other, { row: 1 })], remove: [], isAll: false });
  lab.run(6);
  t.ok(hub.sendSlot(1) >= 0);
  one.sendData('all the while');
  lab.settle();
  t.ok(hub.inbox.some((plain) => Buffer.from(plain).includes('all the while')));
});

t.test('told of all, it keeps those and no others', async (t) => {
  const { lab, hub, one, other } = await connect(t);
  const slot = hub.sendSlot();
  hub.command({ kind: 'peers', put: [hub.peer(one), hub.peer(other, { row: 1 })], remove: [], isAll: true });
  lab.settle();
  t.equal(hub.sendSlot(), slot);
  t.equal(hub.peers.int(1, layout.inUseAt), 1);
  hub.command({ kind: 'peers', put: [hub.peer(other, { row: 1 })], remove: [], isAll: true });
  lab.settle();
  t.same([hub.peers.int(0, layout.inUseAt), hub.peers.int(1, layout.inUseAt)], [0, 1]);
});

t.test('where clients were is kept until their store has spoken, however late that is', async (t) => {
  const { lab, hub, one } = await connect(t);
  const known = () => Object.keys(JSON.parse(readFileSync(path.join(lab.folder, 'hub.peers.json'), 'utf8')) as object);
  lab.run(2);
  hub.stop();
  t.same(known(), [one.publicKey]);
  hub.hasClientStore = true;
  await hub.start([]);
  lab.run(130);
  t.same(known(), [one.publicKey], 'a store that nobody has mended yet');
  hub.peers.setHeadNumber(layout.clientsKnownAt, 1);
  lab.run(130);
  t.same(known(), [], 'one that is no client any more, and there is no other');
});
