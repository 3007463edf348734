// Session-managers turned by hand under a virtual clock; the data path and the network between them are arrays.

import { randomBytes } from 'node:crypto';
import t, { type Test } from 'tap';
import type { OutsideChange, PeerSettings } from '../../src/actors/session/settings.ts';
import { capability } from '../../src/contract/frames.ts';
import { cipher, path as pathLayout, peer as peerLayout, session, slotState } from '../../src/contract/peer-tables.ts';
import { HandshakeKey } from '../../src/crypto/handshake-key.ts';
import { loadAddon } from '../../src/native/addon.ts';
import { CookieJar } from '../../src/protocols/session/cookies.ts';
import { Initiation, LocalIdentity, RemoteIdentity } from '../../src/protocols/session/handshake.ts';
import { sessionManagerCounters as counted } from '../../src/rings/counter-names.ts';
import { sockaddrMaxBytes } from '../../src/wire/sockaddr.ts';
import { initiationBytes, messageType, responseBytes, wireguardType } from '../../src/wire/wireguard.ts';
import { type Datagram, Host, Lab, rawAddress } from '../support/session-lab.ts';

const leftAddress = '10.0.0.1:51820';
const rightAddress = '10.0.0.2:51820';

interface Pair {
  readonly lab: Lab;
  readonly left: Host;
  readonly right: Host;
}

/** Two hosts; the left one knows where the right one is. */
function createPair(t: Test): Pair {
  const lab = new Lab();
  t.teardown(() => lab.close());
  const left = new Host(lab, { name: 'left', address: leftAddress, privateKey: Buffer.alloc(32, 1) });
  const right = new Host(lab, { name: 'right', address: rightAddress, privateKey: Buffer.alloc(32, 2) });
  return { lab, left, right };
}

const toRight = { endpoints: [{ host: '10.0.0.2', port: 51820 }] };

async function startPair(t: Test): Promise<Pair> {
  const pair = createPair(t);
  await pair.left.start([pair.left.peer(pair.right, toRight)]);
  await pair.right.start([pair.right.peer(pair.left)]);
  return pair;
}

/** Both ends have keys. */
async function connect(t: Test): Promise<Pair> {
  const pair = await startPair(t);
  pair.left.sendData('first');
  pair.lab.settle();
  return pair;
}

function ofType(lab: Lab, type: number): Datagram[] {
  return lab.sent.filter((one) => wireguardType(one.bytes, 0) === type);
}

function text(host: Host): string[] {
  return host.inbox.splice(0).map((bytes) => Buffer.from(bytes).toString());
}

t.test('a handshake begins when data waits, and gives both sides keys within one exchange', async (t) => {
  const { lab, left, right } = await startPair(t);
  lab.run(1);
  t.equal(lab.sent.length, 0, 'nobody speaks unasked');
  t.notOk(left.sendData('waits'));
  lab.settle();
  t.same(
    lab.sent.slice(0, 2).map((one) => one.bytes.length),
    [initiationBytes, responseBytes],
  );
  t.ok(left.sendSlot() >= 0);
  t.ok(right.sendSlot() >= 0, "the initiator's keepalive confirmed the keys");
  t.ok(left.sendData('there'));
  t.ok(right.sendData('and back'));
  lab.settle();
  t.same([text(right), text(left)], [['there'], ['and back']]);
  t.equal(left.count(counted.established), 1);
  t.equal(right.count(counted.established), 1);
  t.match(right.events('session'), [{ peer: 'left', endpoint: leftAddress }]);
});

t.test('what asked for a handshake while it went on is served by it', async (t) => {
  const { lab, left } = await startPair(t);
  lab.lose = (one) => {
    // More data waits while the response is under way.
    if (one.bytes.length === responseBytes) left.wantHandshake(0);
    return false;
  };
  left.sendData('waits');
  lab.run(12);
  t.equal(ofType(lab, messageType.initiation).length, 1);
});

t.test('a responder does not seal before the initiator has', async (t) => {
  const { lab, left, right } = await startPair(t);
  lab.lose = (one) => wireguardType(one.bytes, 0) === messageType.data;
  left.sendData('x');
  lab.settle();
  t.ok(left.sendSlot() >= 0);
  t.equal(right.sendSlot(), -1);
  lab.lose = () => false;
  left.sendData('y');
  lab.settle();
  t.ok(right.sendSlot() >= 0);
});

t.test('over a long round trip the first data lets the responder send within milliseconds', async (t) => {
  // Looks that are far apart may come at the right moment by chance, but not for all of these.
  for (const roundTripMs of [470, 530, 590, 650, 710, 770]) {
    const { lab, left, right } = await startPair(t);
    const turnRight = (): void => {
      lab.clock.advance(1000);
      right.turn();
    };
    lab.lose = (one) => wireguardType(one.bytes, 0) === messageType.data;
    left.sendData('lost');
    lab.settle();
    for (let ms = 0; ms < roundTripMs; ms += 1) turnRight();
    t.equal(right.sendSlot(), -1);
    left.sendData('arrives');
    left.pump();
    right.receive(lab.sent.at(-1) as Datagram);
    let waitedMs = 0;
    for (; waitedMs < 200 && right.sendSlot() < 0; waitedMs += 1) turnRight();
    t.ok(waitedMs <= 4, `${waitedMs} ms after ${roundTripMs} ms`);
  }
});

t.test('a path row that a dead session-manager left half written is mended by the next', async (t) => {
  const { lab, left, right } = await connect(t);
  const row = right.peers.int(0, peerLayout.pathAt);
  right.crash();
  // The seqlock is odd, the address half of an old and half of a new one.
  right.paths.addInt(row, pathLayout.sequenceAt, 1);
  right.paths.slice(row, pathLayout.endpointAt + 2, 4).fill(0xee);
  await right.start([right.peer(left)]);
  t.equal(right.paths.int(row, pathLayout.sequenceAt) & 1, 0, 'readers need not wait for ever');
  const address = right.paths.slice(row, pathLayout.endpointAt, sockaddrMaxBytes);
  const isFree = address.every((byte) => byte === 0);
  t.ok(
    isFree || Buffer.from(address).equals(rawAddress(leftAddress)),
    'none, or one that was remembered: not half of two',
  );
  t.ok(left.sendData('here I am'));
  lab.settle();
  t.ok(right.sendData('and I know again where you are'));
  lab.settle();
  t.same([text(right).at(-1), text(left).at(-1)], ['here I am', 'and I know again where you are']);
  t.equal(ofType(lab, messageType.initiation).length, 1, 'without a new handshake');
});

t.test('a lost response is asked for again after 5 s', async (t) => {
  const { lab, left, right } = await startPair(t);
  lab.lose = (one) => one.bytes.length === responseBytes;
  left.sendData('x');
  lab.run(3);
  t.equal(left.sendSlot(), -1);
  lab.lose = () => false;
  lab.run(3);
  t.ok(left.sendSlot() >= 0 && right.sendSlot() >= 0);
  t.equal(ofType(lab, messageType.initiation).length, 2);
});

t.test('a rekey under traffic loses no packet, in either direction', async (t) => {
  const { lab, left, right } = await connect(t);
  const firstSlot = left.sendSlot();
  let sent = 0;
  for (let step = 0; step < 2600; step += 1) {
    sent += Number(left.sendData(`l${step}`)) + Number(right.sendData(`r${step}`));
    lab.run(0.05);
  }
  t.equal(ofType(lab, messageType.initiation).length, 2, 'one rekey in 130 s');
  t.not(left.sendSlot(), firstSlot);
  t.equal(sent, 5200);
  t.equal(text(left).length + text(right).length, 5200);
  t.equal(left.unopened + right.unopened, 0);
  t.ok(left.readySlots().length <= 2, 'current and previous');
});

t.test('old keys are zeroed after sealer and opener have let go of them', async (t) => {
  const { lab, left } = await connect(t);
  const slot = left.sendSlot();
  t.notOk(left.sessions.slice(slot, session.sendKeyAt, 128).every((byte) => byte === 0));
  const generation = left.sessions.int(slot, session.generationAt);
  lab.run(185);
  t.equal(left.sendSlot(), -1, 'nothing is sealed after 180 s');
  t.equal(left.sessions.int(slot, session.stateAt), slotState.free);
  t.ok(left.sessions.slice(slot, session.sendKeyAt, 128).every((byte) => byte === 0));
  t.not(left.sessions.int(slot, session.generationAt), generation);
  t.notOk(left.sendData('again'));
  lab.settle();
  t.ok(left.sendData('works'));
});

t.test('a retired slot keeps its keys until both users have acknowledged it', async (t) => {
  const { lab, left } = await connect(t);
  const slot = left.sendSlot();
  const acknowledge = left.sessions.acknowledge.bind(left.sessions);
  left.sessions.acknowledge = (at, version) => {
    if (at === session.sealerSeenAt) acknowledge(at, version);
  };
  lab.run(190);
  t.equal(left.sessions.int(slot, session.stateAt), slotState.retired);
  left.sessions.acknowledge = acknowledge;
  lab.run(1);
  t.equal(left.sessions.int(slot, session.stateAt), slotState.free);
});

t.test('simultaneous initiations leave both sides able to speak at once', async (t) => {
  const { lab, left, right } = createPair(t);
  await left.start([left.peer(right, toRight)]);
  await right.start([right.peer(left, { endpoints: [{ host: '10.0.0.1', port: 51820 }] })]);
  left.sendData('x');
  right.sendData('y');
  lab.settle();
  t.ok(left.sendData('from left') && right.sendData('from right'));
  lab.settle();
  t.same([text(right), text(left)], [['from left'], ['from right']]);
  t.equal(ofType(lab, messageType.initiation).length, 2, 'nobody had to try again');
  lab.run(30);
  t.equal(left.unopened + right.unopened, 0);
});

t.test('what is in flight under keys that fell out of the three generations still arrives', async (t) => {
  const { lab, left, right } = await connect(t);
  lab.run(6);
  const held: Datagram[] = [];
  lab.lose = (one) => {
    if (wireguardType(one.bytes, 0) === messageType.data) held.push(one);
    return wireguardType(one.bytes, 0) === messageType.data;
  };
  left.sendData('slow');
  right.sendData('slow too');
  left.command({ kind: 'rekey', peer: 'right' });
  right.command({ kind: 'rekey', peer: 'left' });
  lab.settle();
  lab.lose = () => false;
  t.equal(ofType(lab, messageType.initiation).length, 3, 'both have begun at once');
  for (const one of held.splice(0, 2)) lab.send(one);
  lab.settle();
  t.same([text(right).at(-1), text(left).at(-1)], ['slow', 'slow too']);
  lab.run(10);
  t.ok(left.readySlots().length <= 3 && right.readySlots().length <= 3, 'for a while only');
  for (let rekeys = 0; rekeys < 3; rekeys += 1) {
    left.command({ kind: 'rekey', peer: 'right' });
    lab.settle();
    lab.run(10);
  }
  t.ok(left.readySlots().length <= 3 && right.readySlots().length <= 3, 'however often keys change');
});

t.test('a peer that moves is followed by its first authentic packet, and nothing else moves it', async (t) => {
  const { lab, left, right } = await connect(t);
  const pathOf = () => right.paths.slice(right.peers.int(0, peerLayout.pathAt), pathLayout.endpointAt + 4, 4).join('.');
  t.equal(pathOf(), '10.0.0.1');
  const [old] = ofType(lab, messageType.data);
  lab.send({ from: '10.6.6.6:1', to: rightAddress, bytes: new Uint8Array(60).fill(4) });
  const forged = Uint8Array.from(old?.bytes ?? []);
  forged[20] = (forged[20] ?? 0) ^ 1;
  lab.send({ from: '10.6.6.6:1', to: rightAddress, bytes: forged });
  lab.settle();
  t.equal(pathOf(), '10.0.0.1');
  left.address = '10.0.0.77:4000';
  left.sendData('hello from afar');
  lab.settle();
  t.equal(pathOf(), '10.0.0.77');
  t.ok(right.sendData('found you'));
  lab.settle();
  t.same(text(left).at(-1), 'found you');
  t.equal(right.count(counted.roamed), 1);
});

t.test('a replayed initiation is met with silence, also by a successor', async (t) => {
  const { lab, left, right } = await connect(t);
  const [first] = ofType(lab, messageType.initiation);
  if (first === undefined) throw new Error('no initiation');
  const replay = () => {
    lab.send({ ...first, from: '10.6.6.6:1' });
    const before = lab.sent.length;
    lab.settle();
    return lab.sent.length - before;
  };
  lab.run(1);
  t.equal(replay(), 0);
  t.equal(right.count(counted.replayed), 1);
  right.crash();
  await right.start([right.peer(left)]);
  lab.settle();
  t.equal(replay(), 0);
  t.equal(right.count(counted.replayed), 2);
  right.stop();
  lab.hosts.splice(lab.hosts.indexOf(right), 1);
  const reborn = new Host(lab, { name: 'right', address: rightAddress, privateKey: Buffer.alloc(32, 2) });
  await reborn.start([reborn.peer(left)]);
  t.equal(replay(), 0, 'a new process knows it from its files');
  t.equal(reborn.count(counted.replayed), 1);
});

t.test('nothing is said to whom we do not know, whatever they send', async (t) => {
  const { lab, left, right } = await connect(t);
  const stranger = new Host(lab, { name: 'stranger', address: '10.6.6.6:1', privateKey: Buffer.alloc(32, 7) });
  await stranger.start([stranger.peer(right, toRight)]);
  stranger.sendData('let me in');
  const initiation = ofType(lab, messageType.initiation)[0]?.bytes ?? new Uint8Array(initiationBytes);
  lab.settle();
  const mine = lab.sent.filter((one) => one.from === '10.6.6.6:1');
  t.equal(mine.length, 1);
  t.equal(right.count(counted.unknownKey), 1, 'a well-formed initiation of no peer');
  for (let bit = 0; bit < initiation.length; bit += 7) {
    const bytes = Uint8Array.from(initiation);
    bytes[bit] = (bytes[bit] ?? 0) ^ 0x10;
    lab.send({ from: '10.6.6.6:2', to: rightAddress, bytes });
  }
  for (const length of [0, 1, 32, 64, responseBytes, initiationBytes, 1400]) {
    for (const type of [0, 1, 2, 3, 5]) {
      const bytes = new Uint8Array(length);
      if (length > 0) bytes[0] = type;
      if (length >= 4) lab.send({ from: '10.6.6.6:3', to: rightAddress, bytes });
    }
  }
  lab.settle();
  t.equal(lab.sent.filter((one) => one.to.startsWith('10.6.6.6')).length, 0);
  t.ok(right.count(counted.badMac1) > 15);
  t.ok(left.sendData('still here'));
});

t.test('noise from somebody who knows our public key is met with silence', async (t) => {
  const { lab, left, right } = await connect(t);
  const jar = new CookieJar(loadAddon(), Buffer.from(right.publicKey, 'base64'));
  const before = right.count(counted.forged);
  const ephemerals = [new Uint8Array(32), new Uint8Array(32).fill(0xff), Uint8Array.of(1, ...new Uint8Array(31))];
  for (let round = 0; round < 60; round += 1) {
    const bytes = new Uint8Array(randomBytes(round % 3 === 2 ? responseBytes : initiationBytes));
    bytes.set([round % 3 === 2 ? 2 : 1, 0, 0, 0]);
    const ephemeral = ephemerals[round % 7];
    if (ephemeral !== undefined) bytes.set(ephemeral, 8);
    jar.addMacs(bytes, lab.nowUs);
    lab.send({ from: '10.6.6.6:4', to: rightAddress, bytes });
  }
  lab.settle();
  t.equal(right.count(counted.forged) - before, 60);
  t.equal(lab.sent.filter((one) => one.to.startsWith('10.6.6.6')).length, 0);
  t.ok(left.sendData('unharmed'));
  lab.settle();
  t.equal(text(right).at(-1), 'unharmed');
});

t.test('under load a cookie is asked for, shown, and then served', async (t) => {
  const { lab, left, right } = await startPair(t);
  left.sendData('x');
  lab.settle();
  const [first] = ofType(lab, messageType.initiation);
  if (first === undefined) throw new Error('no initiation');
  // Replays have a good mac1: 200 of them are a flood.
  for (let copy = 0; copy < 200; copy += 1) lab.send({ ...first, from: '10.6.6.6:1' });
  lab.settle();
  const cookiesTo = (to: string) => ofType(lab, messageType.cookieReply).filter((one) => one.to === to).length;
  t.ok(cookiesTo('10.6.6.6:1') > 50, 'who writes from there may prove that it can read there');
  t.equal(ofType(lab, messageType.response).length, 1, 'no X25519 for them');
  // The left one begins anew while the flood goes on: a cookie first, and 5 s later the initiation that shows it.
  left.command({ kind: 'rekey', peer: 'right' });
  const initiations = () => ofType(lab, messageType.initiation).filter((one) => one.from === leftAddress).length;
  for (let round = 0; round < 80 && initiations() < 3; round += 1) {
    for (let copy = 0; copy < 120; copy += 1) lab.send({ ...first, from: '10.6.6.6:1' });
    lab.run(0.2);
  }
  // The X25519 of a flood is done by other threads, which a busy machine is slow to start: virtual time waits for them.
  for (let wait = 0; wait < 600 && right.count(counted.responses) < 2; wait += 1) {
    await new Promise((resolve) => setTimeout(resolve, 100));
    lab.settle();
  }
  t.equal(cookiesTo(leftAddress), 1);
  t.equal(right.count(counted.responses), 2, 'the initiation with mac2 was answered under load');
  t.equal(initiations(), 3);
  lab.settle();
  t.equal(left.count(counted.established), 2);
});

/** The calls of so many peers, with their settings. */
function callersOf(
  lab: Lab,
  right: Host,
  count: number,
): { readonly peers: PeerSettings[]; readonly calls: Datagram[] } {
  const addon = loadAddon();
  const rightKey = Buffer.from(right.publicKey, 'base64');
  const jar = new CookieJar(addon, rightKey);
  const peers: PeerSettings[] = [];
  const calls = Array.from({ length: count }, (_, row): Datagram => {
    const local = new LocalIdentity(addon, randomBytes(32));
    const publicKey = Buffer.from(local.key.publicKey).toString('base64');
    peers.push(right.peer(right, { row, name: `caller${row}`, publicKey }));
    const remote = new RemoteIdentity(local, rightKey, new Uint8Array(32));
    const bytes = Initiation.create(local, remote, row + 1, new HandshakeKey(addon), Date.now() * 1000)?.message;
    if (bytes === undefined) throw new Error('no initiation');
    jar.addMacs(bytes, lab.nowUs);
    return { from: `10.7.${row >> 8}.${row & 255}:1`, to: rightAddress, bytes };
  });
  return { peers, calls };
}

t.test('150 peers that call at once are answered at once: no cookie costs them a round', async (t) => {
  const lab = new Lab();
  t.teardown(() => lab.close());
  const room = { peerRows: 150, slots: 512 };
  const right = new Host(lab, { name: 'right', address: rightAddress, privateKey: Buffer.alloc(32, 2), ...room });
  const { peers, calls } = callersOf(lab, right, 150);
  await right.start(peers);
  for (const call of calls) lab.send(call);
  lab.settle();
  t.equal(right.count(counted.responses), 150);
  t.equal(right.count(counted.cookies), 0);
});

t.test('cookie replies that nobody asked for, which anybody can write, are no load', async (t) => {
  const { lab, right } = createPair(t);
  const { peers, calls } = callersOf(lab, right, 2);
  await right.start(peers);
  for (let copy = 0; copy < 200; copy += 1) {
    const bytes = new Uint8Array(randomBytes(64));
    bytes.set([messageType.cookieReply, 0, 0, 0]);
    lab.send({ from: '10.6.6.6:4', to: rightAddress, bytes });
  }
  for (const call of calls) lab.send(call);
  lab.settle();
  t.equal(right.count(counted.forged), 200);
  t.equal(right.count(counted.responses), 2);
});

t.test('who has waited for 4 s is not answered: it calls again, and would not read the answer', async (t) => {
  const { lab, right } = createPair(t);
  const { peers, calls } = callersOf(lab, right, 2);
  await right.start(peers);
  const [early, late] = calls as [Datagram, Datagram];
  lab.send({ ...late, waitedUs: 4_100_000 });
  lab.send({ ...early, waitedUs: 3_900_000 });
  lab.settle();
  t.same(
    ofType(lab, messageType.response).map(({ to }) => to),
    [early.from],
  );
  t.equal(right.count(counted.late), 1);
});

t.test('two Hawser ends find each other beside data, and change to AES without loss', async (t) => {
  const { lab, left, right } = createPair(t);
  await left.start([left.peer(right, { ...toRight, cipher: 'aes-256-gcm' })]);
  await right.start([right.peer(left, { cipher: 'aes-256-gcm' })]);
  left.sendData('x');
  lab.run(2);
  const cipherOf = (host: Host) => host.sessions.int(host.sendSlot(), session.sendCipherAt);
  t.equal(cipherOf(left), cipher.chacha20poly1305, 'nothing is said without data');
  for (let step = 0; step < 40; step += 1) {
    left.sendData(`l${step}`);
    right.sendData(`r${step}`);
    lab.settle();
  }
  t.same([cipherOf(left), cipherOf(right)], [cipher.aes256gcm, cipher.aes256gcm]);
  t.equal(text(right).length, 40);
  t.equal(text(left).length, 40);
  t.equal(left.unopened + right.unopened, 0);
  const slot = left.sendSlot();
  lab.run(121);
  left.sendData('rekey');
  lab.settle();
  left.sendData('new session');
  lab.run(1);
  t.not(left.sendSlot(), slot);
  t.equal(cipherOf(left), cipher.aes256gcm, 'said again in the new session');
});

t.test('a side that wants ChaCha20 gets it, while the other way may be AES', async (t) => {
  const { lab, left, right } = createPair(t);
  await left.start([left.peer(right, { ...toRight, cipher: 'chacha20-poly1305' })]);
  await right.start([right.peer(left, { cipher: 'aes-256-gcm' })]);
  left.sendData('x');
  lab.settle();
  for (let step = 0; step < 10; step += 1) {
    left.sendData('l');
    right.sendData('r');
    lab.run(0.5);
  }
  for (const host of [left, right]) {
    t.equal(host.sessions.int(host.sendSlot(), session.sendCipherAt), cipher.chacha20poly1305, host.name);
    t.not(host.sessions.int(host.sendSlot(), session.capabilitiesAt), 0, 'but they know each other');
  }
});

t.test('a peer is told in each session whether this end repairs, and waits for what is repaired', async (t) => {
  const { lab, left, right } = createPair(t);
  right.repairsAlone = false;
  await left.start([left.peer(right, toRight)]);
  await right.start([right.peer(left)]);
  left.sendData('x');
  lab.settle();
  left.sendData('y');
  lab.run(1);
  const said = (host: typeof left) => host.sessions.int(host.sendSlot(), session.capabilitiesAt) & capability.repairs;
  t.equal(said(left), 0, 'the right one does not');
  t.equal(said(right), capability.repairs);
});

t.test('HELLO is said three times at most to a peer that does not understand it', async (t) => {
  const { lab, left } = await connect(t);
  // Control frames are lost: a stock WireGuard drops them just so. 12 bytes inside make 44 outside.
  const isHello = (one: Datagram) => wireguardType(one.bytes, 0) === messageType.data && one.bytes.length === 44;
  lab.lose = isHello;
  const before = lab.sent.filter(isHello).length;
  for (let step = 0; step < 60; step += 1) {
    left.sendData('only the left one has data, and more than the frame is long');
    lab.run(1);
  }
  t.equal(lab.sent.filter((one) => isHello(one) && one.from === leftAddress).length - before, 3);
});

t.test('a successor takes the sessions over, without a handshake', async (t) => {
  const { lab, left, right } = await connect(t);
  lab.run(1);
  const handshakes = lab.sent.filter((one) => one.bytes.length === initiationBytes).length;
  const slot = left.sendSlot();
  left.crash();
  left.sendData('while nobody manages');
  lab.settle();
  await left.start([left.peer(right, toRight)]);
  lab.run(20);
  t.equal(left.sendSlot(), slot);
  left.sendData('and after');
  lab.settle();
  t.same(text(right).slice(-2), ['while nobody manages', 'and after']);
  t.equal(lab.sent.filter((one) => one.bytes.length === initiationBytes).length, handshakes);
  left.sendData('keep it going');
  lab.run(101);
  left.sendData('rekey is due');
  lab.settle();
  t.not(left.sendSlot(), slot, 'it goes on counting from the birth of the keys');
});

t.test('a successor answers for a handshake that its predecessor had answered', async (t) => {
  const { lab, left, right } = await startPair(t);
  lab.lose = (one) => wireguardType(one.bytes, 0) === messageType.data;
  left.sendData('x');
  lab.settle();
  right.crash();
  await right.start([right.peer(left)]);
  lab.lose = () => false;
  left.sendData('first under the new keys');
  lab.settle();
  t.ok(right.sendSlot() >= 0);
  t.ok(right.sendData('y'));
});

t.test('after SIGKILL either side calls the other at once, if it is a Hawser', async (t) => {
  const { lab, left, right } = await connect(t);
  for (let step = 0; step < 4; step += 1) {
    left.sendData('l');
    lab.run(0.5);
  }
  lab.run(2);
  right.crash();
  lab.hosts.splice(lab.hosts.indexOf(right), 1);
  const reborn = new Host(lab, { name: 'right', address: rightAddress, privateKey: Buffer.alloc(32, 2) });
  await reborn.start([reborn.peer(left)]);
  lab.settle();
  t.ok(reborn.sendSlot() >= 0, 'the server has initiated to where the client was');
  t.ok(left.sendData('go on'));
  lab.settle();
  t.same(text(reborn), ['go on']);
});

t.test('a successor takes back what belongs to peers that are configured no more', async (t) => {
  const { lab, left, right } = await connect(t);
  left.stop();
  await left.start([]);
  lab.run(1);
  t.equal(left.sendSlot(), -1);
  t.equal(left.peers.int(0, peerLayout.inUseAt), 0);
  t.equal(left.peers.int(0, peerLayout.pathAt), -1);
  t.same(left.readySlots(), []);
  t.ok(right.sendData('to nobody'));
  lab.settle();
  t.ok(left.unopened > 0);
});

t.test('a machine that slept calls its peers at once', async (t) => {
  const { lab, left } = await connect(t);
  lab.run(6);
  const before = ofType(lab, messageType.initiation).length;
  lab.clock.advance(60e6);
  lab.settle();
  t.ok(ofType(lab, messageType.initiation).length > before);
  t.ok(left.sendData('awake'));
});

t.test('a state directory that cannot be written costs one event, not the sessions', async (t) => {
  const { lab, left, right } = createPair(t);
  await left.start([left.peer(right, toRight)], `${lab.folder}/missing`);
  await right.start([right.peer(left)]);
  left.sendData('x');
  lab.run(2);
  t.ok(left.sendSlot() >= 0);
  left.command({ kind: 'rekey', peer: 'right' });
  lab.run(6);
  const messages = left.events('state-file').map((event) => JSON.stringify(event));
  t.ok(messages.length > 0);
  t.equal(new Set(messages).size, messages.length, 'each once');
});

t.test('a handshake that fails tries every endpoint, and stays with the one that answers', async (t) => {
  const { lab, left, right } = createPair(t);
  const endpoints = [
    { host: '10.9.9.9', port: 1 },
    { host: 'not-resolved.example', port: 2 },
    { host: '10.0.0.2', port: 51820 },
  ];
  await left.start([left.peer(right, { endpoints })]);
  await right.start([right.peer(left)]);
  left.sendData('x');
  lab.settle();
  t.same(
    ofType(lab, messageType.initiation).map((one) => one.to),
    ['10.9.9.9:1', rightAddress],
  );
  t.ok(left.sendData('arrives'));
  lab.settle();
  t.same(text(right), ['arrives']);
});

t.test('a command brings endpoints; a successor adds peers and takes them away', async (t) => {
  const { lab, left, right } = createPair(t);
  await left.start([left.peer(right, { keepaliveMs: 25_000 })]);
  await right.start([]);
  lab.settle();
  t.equal(lab.sent.length, 0, 'nowhere to go');
  left.command({ kind: 'endpoints', peer: 'right', endpoints: [{ host: '10.0.0.2', port: 51820 }] });
  lab.run(1);
  t.equal(ofType(lab, messageType.initiation).length, 1, 'at once, not 5 s after the attempt that led nowhere');
  t.equal(left.sendSlot(), -1);
  right.stop();
  await right.start([right.peer(left)]);
  lab.run(6);
  t.ok(left.sendSlot() >= 0 && right.sendSlot() >= 0);
  right.stop();
  await right.start([]);
  lab.run(1);
  t.equal(right.sendSlot(), -1);
  t.same(right.readySlots(), []);
  t.equal(right.peers.int(0, peerLayout.inUseAt), 0);
});

t.test('a changed network frees the paths that are bound to an address, and the peers hear of it', async (t) => {
  const { lab, left, right } = await connect(t);
  const localOf = (host: Host) => host.paths.slice(host.peers.int(0, peerLayout.pathAt), pathLayout.localAt, 16);
  const packetsAfter = (host: Host, goneAddress: string | undefined, cameToo = false): number => {
    if (!cameToo) localOf(host).set([10, 0, 0, 7]);
    const before = ofType(lab, messageType.data).length;
    const change: OutsideChange =
      goneAddress === undefined ? { kind: 'default-route' } : { kind: 'address-gone', address: goneAddress };
    host.command({ kind: 'network-changed', change: cameToo ? { kind: 'address-came' } : change });
    lab.settle();
    return ofType(lab, messageType.data).length - before;
  };
  t.equal(packetsAfter(left, '10.0.0.8'), 0, 'an address that is not in use');
  t.equal(localOf(left)[3], 7);
  t.equal(packetsAfter(left, '10.0.0.7'), 1);
  t.ok(localOf(left).every((byte) => byte === 0));
  t.equal(packetsAfter(left, undefined, true), 1, 'what was said while there was no address had no way out');
  t.equal(packetsAfter(left, undefined), 1, 'another default route');
  t.equal(packetsAfter(right, undefined, true), 0, 'who has lost nothing says nothing');
  t.equal(packetsAfter(right, undefined), 0, 'a side that only answers stays where it was called');
  t.equal(packetsAfter(right, '10.0.0.7'), 1);
});

t.test('a preshared key that differs makes no session', async (t) => {
  const { lab, left, right } = createPair(t);
  const { writeFileSync } = await import('node:fs');
  const file = `${lab.folder}/psk`;
  writeFileSync(file, `${Buffer.alloc(32, 5).toString('base64')}\n`, { mode: 0o600 });
  await left.start([left.peer(right, { ...toRight, presharedKeyFile: file })]);
  await right.start([right.peer(left)]);
  left.sendData('x');
  lab.settle();
  t.equal(left.sendSlot(), -1);
  t.equal(left.count(counted.forged), 1);
  right.stop();
  await right.start([right.peer(left, { presharedKeyFile: file })]);
  lab.run(6);
  t.ok(left.sendSlot() >= 0);
});
