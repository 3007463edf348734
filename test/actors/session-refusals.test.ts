// Handshakes that fail, and what people are told: each reason staged between two session-managers turned by hand.
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import t, { type Test } from 'tap';
import { peer as peerLayout } from '../../src/contract/peer-tables.ts';
import { sumsOf } from '../../src/control/crowd.ts';
import { explain } from '../../src/control/explain.ts';
import { PathReader } from '../../src/control/read-paths.ts';
import { PeerReader } from '../../src/control/read-peers.ts';
import type { Snapshot } from '../../src/control/snapshot.ts';
import { sessionManagerCounters as counted } from '../../src/rings/counter-names.ts';
import { messageType, wireguardType } from '../../src/wire/wireguard.ts';
import { Host, Lab } from '../support/session-lab.ts';

t.setTimeout(180_000);

const leftAddress = '10.0.0.1:51820';
const toRight = { endpoints: [{ host: '10.0.0.2', port: 51820 }] };
const hourMs = 3_600_000;
const dayMs = 24 * hourMs;

function createPair(t: Test) {
  const lab = new Lab();
  t.teardown(() => lab.close());
  const left = new Host(lab, { name: 'left', address: leftAddress, privateKey: Buffer.alloc(32, 1) });
  const right = new Host(lab, { name: 'right', address: '10.0.0.2:51820', privateKey: Buffer.alloc(32, 2) });
  return { lab, left, right };
}

/** A device whose memory is lost, and with it what its state files held. */
async function forgetful(host: Host, other: Host, lab: Lab, skewMs: number): Promise<Host> {
  host.stop();
  lab.hosts.splice(lab.hosts.indexOf(host), 1);
  for (const ending of ['timestamp', 'peers.json']) {
    const file = path.join(lab.folder, `${host.name}.${ending}`);
    if (existsSync(file)) writeFileSync(file, '');
  }
  const reborn = new Host(lab, { name: 'left', address: leftAddress, privateKey: Buffer.alloc(32, 1) });
  reborn.wallSkewMs = skewMs;
  await reborn.start([reborn.peer(other, { ...toRight, keepaliveMs: 25_000 })]);
  return reborn;
}

/** What `explain` says of the host's one peer. */
function told(host: Host, lab: Lab): string[] {
  const name = host.name === 'left' ? 'right' : 'left';
  const instance = {
    name: host.name,
    fec: 'off',
    troubles: [],
    peers: [{ row: 0, name, publicKey: '', allowedIPs: [], endpoints: [], keepaliveMs: 0 }],
    links: [],
  } as unknown as Snapshot['instance'];
  const memory = host.shared;
  const reader = new PeerReader(
    memory,
    new PathReader(memory, { conditions: [], reasons: [], holds: [], zoneOf: String }),
  );
  const peers = instance.peers.map((named) => reader.peer(named, instance, lab.nowUs));
  const quiet = {
    nowMs: 0,
    paths: [],
    links: [],
    health: [],
    actors: [],
    rings: [],
    changedAgesMs: {},
    sums: sumsOf(peers, []),
  };
  const kernel = { forwardsV4: true, forwardsV6: true, connections: undefined };
  const snapshot: Snapshot = { ...quiet, instance, peers, host: kernel };
  return explain(snapshot).map((one) => `${one.text} → ${one.remedy ?? ''}`);
}

t.test('a clock that was ahead and is right now: the hub says by how much, and can be told to forget it', async (t) => {
  const { lab, left, right } = createPair(t);
  left.wallSkewMs = 11 * hourMs;
  await right.start([right.peer(left)]);
  await left.start([left.peer(right, { ...toRight, keepaliveMs: 25_000 })]);
  lab.run(2);
  t.ok(left.sendSlot() >= 0);
  lab.run(30);
  const reborn = await forgetful(left, right, lab, 0);
  lab.run(28);
  t.equal(reborn.sendSlot(), -1, 'refused as a replay would be');
  t.match(right.events('handshake-refused'), [{ peer: 'left', endpoint: leftAddress, reason: /clock is behind/ }]);
  const [event] = right.events('handshake-refused') as { behindSeconds: number }[];
  t.ok(Math.abs((event?.behindSeconds ?? 0) - 11 * 3600) < 120, `${event?.behindSeconds} s`);
  t.match(told(right, lab), [/left are refused: its clock is 11 h behind .* forget-clock left --name right/]);
  right.crash();
  await right.start([right.peer(reborn)]);
  lab.run(12);
  t.equal(reborn.sendSlot(), -1, 'a restart does not help');
  right.command({ kind: 'forget-clock', peer: 'left' });
  lab.run(12);
  t.ok(reborn.sendSlot() >= 0);
  t.same(told(right, lab), []);
});

t.test(
  'a client that has used up its quota loses its session, is refused with the reason, and called back after',
  async (t) => {
    const { lab, left, right } = createPair(t);
    const put = (more: object): void =>
      right.command({ kind: 'peers', put: [right.peer(left, { isClient: true, ...more })], remove: [], isAll: false });
    await right.start([right.peer(left, { isClient: true })]);
    await left.start([left.peer(right, { ...toRight, keepaliveMs: 25_000 })]);
    lab.run(2);
    t.ok(left.sendSlot() >= 0 && right.sendSlot() >= 0);
    put({ refusal: 'quota' });
    lab.run(2);
    t.equal(right.sendSlot(), -1, 'nothing is sent to it');
    left.sendData('hello');
    lab.settle();
    t.ok(right.unopened > 0, 'and nothing of it is opened');
    // Data that waits for it on this side, and its own calls.
    right.peers.addInt(0, peerLayout.handshakeWantedAt, 1);
    left.command({ kind: 'rekey', peer: 'right' });
    const before = lab.sent.length;
    lab.run(20);
    t.same(
      lab.sent.slice(before).filter(({ from }) => from !== leftAddress),
      [],
      'nothing goes out to it',
    );
    t.ok(right.count(counted.refused) >= 3, `${right.count(counted.refused)} of its calls were refused`);
    t.match(right.events('handshake-refused'), [{ peer: 'left', reason: 'it has used up its quota' }]);
    t.match(told(right, lab), [/Client left has used up its quota.*hawser client set left --daily/]);
    right.crash();
    await right.start([right.peer(left, { isClient: true, refusal: 'quota' })]);
    lab.run(8);
    t.equal(right.sendSlot(), -1, 'a successor keeps it out as well');
    put({});
    lab.run(3);
    t.ok(right.sendSlot() >= 0 && left.sendSlot() >= 0, 'the hub calls it at once');
    t.same(told(right, lab), []);
  },
);

t.test('taking the peer out and putting it in again forgets its clock too', async (t) => {
  const { lab, left, right } = createPair(t);
  left.wallSkewMs = 11 * hourMs;
  await right.start([right.peer(left)]);
  await left.start([left.peer(right, { ...toRight, keepaliveMs: 25_000 })]);
  lab.run(2);
  const reborn = await forgetful(left, right, lab, 0);
  lab.run(12);
  t.equal(reborn.sendSlot(), -1);
  for (const peers of [[], [right.peer(reborn)]]) {
    right.stop();
    await right.start(peers);
    // Other sources of peers than the file have a minute to speak.
    lab.run(61);
  }
  lab.run(8);
  t.ok(reborn.sendSlot() >= 0);
});

t.test('a clock that was days ahead locks nobody out, and what it sent then stays a replay', async (t) => {
  const { lab, left, right } = createPair(t);
  left.wallSkewMs = 3 * dayMs;
  await right.start([right.peer(left)]);
  await left.start([left.peer(right, { ...toRight, keepaliveMs: 25_000 })]);
  lab.run(2);
  t.ok(left.sendSlot() >= 0);
  t.match(right.events('peer-clock'), [{ peer: 'left', reason: /clock is ahead/ }]);
  const initiations = () => lab.sent.filter((one) => wireguardType(one.bytes, 0) === messageType.initiation);
  const old = initiations().slice();
  const reborn = await forgetful(left, right, lab, 0);
  lab.run(8);
  t.ok(reborn.sendSlot() >= 0, 'with the right time it is taken at once');
  const answers = right.count(counted.responses);
  for (const one of old) lab.send({ ...one, from: '10.6.6.6:1' });
  lab.run(1);
  t.equal(right.count(counted.responses), answers);
  const ahead = await forgetful(reborn, right, lab, 4 * dayMs);
  lab.run(8);
  t.ok(ahead.sendSlot() >= 0, 'and so it is when it is wrong again');
});

t.test('a wall clock that jumps back locks nobody out', async (t) => {
  const { lab, left, right } = createPair(t);
  await right.start([right.peer(left)]);
  await left.start([left.peer(right, { ...toRight, keepaliveMs: 25_000 })]);
  lab.run(10);
  left.wallSkewMs = -2 * hourMs;
  const slot = left.sendSlot();
  left.command({ kind: 'rekey', peer: 'right' });
  lab.run(8);
  t.ok(left.sendSlot() >= 0 && left.sendSlot() !== slot, 'while it runs');
  left.crash();
  await left.start([left.peer(right, { ...toRight, keepaliveMs: 25_000 })]);
  const before = left.sendSlot();
  left.command({ kind: 'rekey', peer: 'right' });
  lab.run(8);
  t.not(left.sendSlot(), before, 'and after a crash');
  t.same(right.events('handshake-refused'), []);
});

t.test('a wrong preshared key is named by both sides', async (t) => {
  const { lab, left, right } = createPair(t);
  const file = path.join(lab.folder, 'psk');
  writeFileSync(file, `${Buffer.alloc(32, 5).toString('base64')}\n`, { mode: 0o600 });
  await right.start([right.peer(left)]);
  await left.start([left.peer(right, { ...toRight, presharedKeyFile: file, keepaliveMs: 25_000 })]);
  lab.run(28);
  t.match(told(left, lab), [
    /right answers, but its response cannot be opened: the preshared keys differ .*presharedKeyFile/,
  ]);
  t.match(told(right, lab), [
    /left calls and does not use the responses: the preshared keys differ, or they do not arrive/,
  ]);
  t.equal(left.events('handshake-refused').length, 1, 'an event a minute');
  t.equal(right.events('handshake-refused').length, 1);
  lab.run(50);
  const [, second] = left.events('handshake-refused') as { more?: number }[];
  t.ok((second?.more ?? 0) > 3, 'which says how many came in between');
});

t.test('a key that is no peer of ours, and a call that is for another hub', async (t) => {
  const { lab, left, right } = createPair(t);
  const other = new Host(lab, { name: 'other', address: '10.0.0.3:51820', privateKey: Buffer.alloc(32, 3) });
  await right.start([]);
  await left.start([left.peer(right, { ...toRight, keepaliveMs: 25_000 })]);
  lab.run(6);
  const key = `${left.publicKey.slice(0, 8)}…`;
  t.match(right.events('handshake-refused'), [
    { endpoint: leftAddress, key, reason: /no peer here has its public key/ },
  ]);
  t.ok(right.count(counted.unknownKey) > 0);
  left.stop();
  await left.start([left.peer(other, { ...toRight, keepaliveMs: 25_000 })]);
  lab.run(6);
  t.match(right.events('handshake-refused')[1], { endpoint: leftAddress, reason: /another public key than ours/ });
});

t.test('whoever is asked for a cookie says so', async (t) => {
  const { lab, left, right } = createPair(t);
  await right.start([right.peer(left)]);
  const stranger = new Host(lab, { name: 'stranger', address: '10.0.0.9:1', privateKey: Buffer.alloc(32, 9) });
  await stranger.start([stranger.peer(right, { ...toRight, keepaliveMs: 25_000 })]);
  lab.settle();
  const initiation = lab.sent.find((one) => one.from === '10.0.0.9:1');
  if (initiation === undefined) throw new Error('no initiation');
  for (let count = 0; count < 150; count += 1) lab.send(initiation);
  lab.settle();
  for (let count = 0; count < 150; count += 1) lab.send(initiation);
  await left.start([left.peer(right, { ...toRight, keepaliveMs: 25_000 })]);
  lab.settle();
  t.match(right.events('handshake-refused').at(-1), { reason: /too many handshakes/ });
  t.match(told(left, lab), [/right is under load: it wants a cookie/]);
  lab.run(8);
  t.ok(left.sendSlot() >= 0);
  t.same(told(left, lab), []);
});

t.test('stamps are written down some minutes ahead, and a file that cannot be right is not believed', async (t) => {
  const { lab, left, right } = createPair(t);
  const file = path.join(lab.folder, 'left.timestamp');
  const stamp = () => Number(readFileSync(file, 'utf8').split(' ')[0]);
  const settings = () => [left.peer(right, { ...toRight, keepaliveMs: 25_000 })];
  await left.start(settings());
  lab.run(1);
  const { ino } = statSync(file);
  const first = stamp();
  lab.run(600);
  t.equal(statSync(file).ino, ino, 'not written again in ten minutes of calling');
  left.stop();
  t.ok(stamp() < first, 'an orderly end writes down what was used');
  for (const [text, complaint] of [
    ['9999999999999999', /lies in the future/],
    ['17xx', /damaged/],
    ['1800000000000000 deadbeef', /damaged/],
  ] as const) {
    writeFileSync(file, text);
    await left.start(settings());
    lab.run(6);
    t.match(left.events('state-file'), [{ message: complaint }]);
    t.ok(Math.abs(stamp() - first) < 3600e6, text);
    left.crash();
  }
});

t.test('a router that drops what bears a DSCP keeps nobody apart: every other call does without', async (t) => {
  const { lab, left, right } = createPair(t);
  await right.start([right.peer(left)]);
  lab.lose = ({ trafficClass = 0 }) => trafficClass !== 0;
  await left.start([left.peer(right, { ...toRight, keepaliveMs: 25_000 })]);
  lab.run(1);
  t.equal(left.sendSlot(), -1);
  t.equal(lab.sent[0]?.trafficClass, 0x88, "as the kernel's WireGuard at first");
  lab.run(6);
  const slot = left.sendSlot();
  t.ok(slot >= 0, 'the second call is answered, without a DSCP too');
  lab.run(6);
  left.command({ kind: 'rekey', peer: 'right' });
  lab.run(1);
  t.ok(left.sendSlot() >= 0 && left.sendSlot() !== slot, 'later ones at once');
});
