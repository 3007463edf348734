// Many paths between two session-managers turned by hand: proof, withdrawal, return, and what a stock peer is spared.
import t, { type Test } from 'tap';
import { lifeState } from '../../src/bonding/life/path-life-states.ts';
import { capability, controlKind } from '../../src/contract/frames.ts';
import { link } from '../../src/contract/link-tables.ts';
import { path as pathLayout, pathState, peer as peerLayout, session } from '../../src/contract/peer-tables.ts';
import { linkOf } from '../../src/rings/carriers.ts';
import { readPeerLink } from '../../src/rings/peer-link.ts';
import { namesCheckLength, namesEmit, namesHasHeard } from '../../src/wire/control-frame.ts';
import { dataHeaderBytes, messageType, wireguardType } from '../../src/wire/wireguard.ts';
import { type Address, type Datagram, Host, type HostOptions, Lab } from '../support/session-lab.ts';

// The clock is virtual, but the machine may be starved.
t.setTimeout(180_000);

const fibre = '10.0.0.1:51820';
const lte = '10.1.0.1:51820';
const hub = '10.0.0.2:51820';
const hubToo = '10.0.0.3:51820';
const toHub = { endpoints: [{ host: '10.0.0.2', port: 51820 }] };
/** Of a sealed frame of 12 bytes: HELLO, CHALLENGE or RESPONSE. */
const shortBytes = 12 + dataHeaderBytes + 16;

interface Pair {
  readonly lab: Lab;
  /** Two links: `wan` at `fibre`, and `lte`. */
  readonly left: Host;
  /** One link. */
  readonly right: Host;
}

async function startPair(t: Test, right: Partial<HostOptions> = {}, endpoints = toHub): Promise<Pair> {
  const lab = new Lab();
  t.teardown(() => lab.close());
  const key = (fill: number) => Buffer.alloc(32, fill);
  const left = new Host(lab, { name: 'left', address: fibre, privateKey: key(1), links: { lte } });
  const hubHost = new Host(lab, { name: 'right', address: hub, privateKey: key(2), ...right });
  await left.start([left.peer(hubHost, endpoints)]);
  await hubHost.start([hubHost.peer(left)]);
  return { lab, left, right: hubHost };
}

/** Sends data both ways until the ends know each other. */
function talk({ lab, left, right }: Pair, seconds = 0.1): void {
  left.sendData('x');
  lab.settle();
  left.sendData('one');
  right.sendData('two');
  lab.run(seconds);
}

async function connect(t: Test, ...rest: [Partial<HostOptions>?, typeof toHub?]): Promise<Pair> {
  const pair = await startPair(t, ...rest);
  talk(pair);
  return pair;
}

const stateNames = Object.fromEntries(Object.entries(pathState).map(([name, state]) => [state, name]));

/** `10.0.0.1:51820 up`, of all paths of a host's one peer. */
function pathsOf(host: Host): string[] {
  return rowsOf(host).map((row) => `${host.endpointOf(row)} ${stateNames[host.paths.int(row, pathLayout.stateAt)]}`);
}

function rowsOf(host: Host): number[] {
  const rows = Array.from({ length: host.paths.used() }, (_, row) => row);
  return rows.filter((row) => host.paths.int(row, pathLayout.stateAt) !== pathState.free);
}

/** Says what a sealer would: how it takes the life of a path. */
function setLife({ paths }: Host, row: number, life: number): void {
  paths.setInt(row, pathLayout.lifeAt, life);
  paths.tell(row);
}

function rowTo(host: Host, endpoint: Address, linkRow = 0): number {
  const isIt = (row: number) =>
    host.endpointOf(row) === endpoint && linkOf(host.paths.int(row, pathLayout.carrierAt)) === linkRow;
  return rowsOf(host).find(isIt) ?? -1;
}

function isUp(host: Host, endpoint: Address, linkRow = 0): boolean {
  return host.paths.int(rowTo(host, endpoint, linkRow), pathLayout.stateAt) === pathState.up;
}

function homeOf(host: Host): number {
  return host.peers.int(0, peerLayout.pathAt);
}

function frames(lab: Lab, from: Address, to?: Address): Datagram[] {
  return lab.sent.filter((one) => one.from === from && isFrame(one) && (to === undefined || one.to === to));
}

const isData = (one: Datagram): boolean => wireguardType(one.bytes, 0) === messageType.data;
/** HELLO has 12 bytes too: so lost, it makes two Hawser ends stock peers to each other. */
const isFrame = (one: Datagram): boolean => isData(one) && one.bytes.length === shortBytes;

t.test('a second link becomes a path of both ends once a challenge has come back by it', async (t) => {
  const pair = await startPair(t);
  const { lab, left, right } = pair;
  const version = left.paths.version();
  talk(pair);
  t.same(pathsOf(left), [`${hub} up`, `${hub} up`]);
  t.same(pathsOf(right).sort(), [`${fibre} up`, `${lte} up`]);
  t.ok(left.paths.version() > version, 'readers are told');
  t.ok(
    frames(lab, lte, hub).length > 0 && frames(lab, hub, lte).length > 0,
    'the server proves what it has learnt, too',
  );
  const onLte = lab.sent.filter((one) => one.from === lte || one.to === lte);
  t.ok(onLte.filter(isData).every(isFrame), 'by nothing larger than a frame');
  t.match(left.events('path-up').at(-1), { peer: 'right', link: 'lte', endpoint: hub });
  t.ok(left.paths.number(rowTo(left, hub, 1), pathLayout.provenUsAt) > 0);
});

/** What the other end calls its link, of every path in use. */
function peerLinksOf(host: Host): string[] {
  return rowsOf(host)
    .map((row) => `${host.endpointOf(row)} ${readPeerLink(host.paths, row)}`)
    .sort();
}

/** How often a host has said a name, or answered to one: frames of kind NAMES that it gave its sealer. */
function namesSaid(host: Host, hasHeard: boolean): number {
  return host.framesSent.filter((one) => namesCheckLength(one, 0, one.length) && namesHasHeard(one, 0) === hasHeard)
    .length;
}

t.test(
  'each end learns what the other calls its links, under new keys again, and says no more once it was answered',
  async (t) => {
    const { lab, left, right } = await connect(t);
    lab.run(10);
    t.same(peerLinksOf(right), [`${fibre} wan`, `${lte} lte`]);
    t.same(peerLinksOf(left), [`${hub} wan`, `${hub} wan`]);
    t.same(
      [left, right].map((host) => [namesSaid(host, false), namesSaid(host, true)]),
      [
        [2, 2],
        [2, 2],
      ],
    );
    left.command({ kind: 'rekey', peer: 'right' });
    lab.run(1);
    left.sendData('under new keys');
    lab.run(10);
    t.same(
      [left, right].map((host) => namesSaid(host, false)),
      [4, 4],
    );
  },
);

t.test('a name that got lost is said again, a few times, and only to who reads names', async (t) => {
  const pair = await startPair(t);
  const { lab, left, right } = pair;
  let lost = 0;
  // To the lab a NAMES of a short name looks like any short frame; only its sender knows.
  right.refuse = (bytes) => namesCheckLength(bytes, 0, bytes.length) && !namesHasHeard(bytes, 0) && ++lost > 0;
  talk(pair);
  lab.run(30);
  t.same(peerLinksOf(right), [`${fibre} `, `${lte} `]);
  t.equal(namesSaid(left, false), 8, 'four times by each');
  t.equal(lost, 8);
});

t.test('a peer whose HELLO does not say that it reads names hears none, and may yet tell its own', async (t) => {
  const pair = await startPair(t);
  const { lab, left, right } = pair;
  left.refuse = (bytes) => {
    if (bytes[1] === controlKind.hello) bytes[4] = (bytes[4] ?? 0) & ~capability.names;
    return false;
  };
  talk(pair);
  lab.run(10);
  t.same(peerLinksOf(right), [`${fibre} `, `${lte} `]);
  t.same([namesSaid(left, false), namesSaid(left, true)], [0, 2]);
});

t.test('what is no name is not kept, and names that change all the time are kept at a measured pace', async (t) => {
  const { lab, left, right } = await connect(t);
  lab.run(5);
  const row = rowTo(right, fibre);
  const version = right.paths.version();
  const say = (name: string) => {
    left.sendFrame(namesEmit({ name, hasHeard: false }));
    lab.settle();
    return readPeerLink(right.paths, row);
  };
  for (const name of ['', 'a b', '../etc', '\u001b[2J', '-x', 'x\n']) t.equal(say(name), 'wan', JSON.stringify(name));
  t.equal(say('x'.repeat(32)), 'x'.repeat(32));
  t.equal(say('y'), 'x'.repeat(32), 'too soon');
  lab.run(1);
  t.equal(say('y'), 'y');
  t.equal(right.paths.version(), version, 'the data path hears nothing of it');
});

t.test('an unanswered path is tried with growing pauses, with small packets, for ever', async (t) => {
  const pair = await startPair(t);
  const { lab, left } = pair;
  lab.lose = (one) => one.from === lte || one.to === lte;
  talk(pair, 60);
  t.equal(isUp(left, hub, 1), false);
  const small = frames(lab, lte).length;
  t.ok(small > 12 && small < 24, `${small} small ones in 60 s`);
  lab.lose = () => false;
  lab.run(6);
  t.equal(isUp(left, hub, 1), true);
});

t.test('an answer that comes by another path proves nothing, nor does a wrong one', async (t) => {
  const pair = await startPair(t);
  const { lab, left, right } = pair;
  // The challenge arrives, its answer does not: the server answers by the path it came by, and by no other.
  // Somebody hands it in by the other link.
  let strays = 0;
  lab.lose = (one) => {
    if (one.to !== lte) return false;
    if (isFrame(one)) lab.send({ ...one, to: fibre });
    strays += Number(isFrame(one));
    return true;
  };
  talk(pair, 3);
  t.ok(strays > 2);
  t.equal(isUp(left, hub, 1), false);
  t.equal(isUp(right, lte), false);
  t.ok(
    lab.sent.some((one) => one.to === lte && isFrame(one)),
    'it was answered',
  );
});

t.test('of two endpoints over one link one carries, the other stands by at both ends and takes over', async (t) => {
  const endpoints = { endpoints: [...toHub.endpoints, { host: '10.0.0.3', port: 51820 }] };
  const { lab, left, right } = await connect(t, { links: { second: hubToo } }, endpoints);
  lab.run(1);
  for (const linkRow of [0, 1]) {
    const ups = [hub, hubToo].filter((endpoint) => isUp(left, endpoint, linkRow));
    t.equal(ups.length, 1, `one by link ${linkRow}`);
  }
  t.equal(pathsOf(right).filter((one) => one.endsWith(' up')).length, 2, 'the server uses what the client uses');
  t.equal(pathsOf(right).filter((one) => one.endsWith(' standby')).length, 2);
  const carrier = isUp(left, hub, 1) ? hub : hubToo;
  const spare = carrier === hub ? hubToo : hub;
  setLife(left, rowTo(left, carrier, 1), lifeState.dead);
  lab.run(1);
  t.same([isUp(left, carrier, 1), isUp(left, spare, 1)], [false, true]);
  t.equal(pathsOf(right).filter((one) => one.endsWith(' up')).length, 2, 'the server has followed');
});

t.test('a wish that comes back before the peer has answered the other one is said again', async (t) => {
  const endpoints = { endpoints: [...toHub.endpoints, { host: '10.0.0.3', port: 51820 }] };
  const { lab, left, right } = await connect(t, { links: { second: hubToo } }, endpoints);
  lab.run(1);
  const [carrier, spare] = isUp(left, hub, 1) ? [hub, hubToo] : [hubToo, hub];
  const ups = (): boolean[] => [hub, hubToo].map((_, linkRow) => isUp(right, lte, linkRow));
  const before = ups();
  const live = (endpoint: Address, life: number): void => {
    setLife(left, rowTo(left, endpoint, 1), life);
  };
  // What the server hears it follows, and its answers are lost.
  lab.lose = (one) => one.to === lte;
  live(carrier, lifeState.dead);
  lab.run(0.2);
  t.notSame(ups(), before, 'the server has followed');
  live(carrier, lifeState.live);
  live(spare, lifeState.dead);
  lab.run(0.2);
  t.ok(isUp(left, carrier, 1));
  t.same(ups(), before, 'and comes back, though nobody has answered');
  live(spare, lifeState.live);
  lab.run(60);
  const asked = frames(lab, lte).length;
  lab.run(60);
  t.ok(frames(lab, lte).length - asked <= 30, 'what nobody answers is said seldom');
  lab.lose = () => true;
  live(spare, lifeState.live);
  live(carrier, lifeState.dead);
  lab.run(10);
  lab.lose = () => false;
  lab.run(35);
  t.notSame(ups(), before, 'and it is said until it was heard');
});

t.test('a notice is answered for good by an answer that took longer than it waits for one', async (t) => {
  const endpoints = { endpoints: [...toHub.endpoints, { host: '10.0.0.3', port: 51820 }] };
  const { lab, left } = await connect(t, { links: { second: hubToo } }, endpoints);
  lab.run(1);
  const late: { readonly atUs: number; readonly datagram: Datagram }[] = [];
  lab.lose = (datagram) => {
    if (datagram.to === lte) late.push({ atUs: lab.nowUs + 1_200_000, datagram });
    return datagram.to === lte;
  };
  setLife(left, rowTo(left, isUp(left, hub, 1) ? hub : hubToo, 1), lifeState.dead);
  const said = (): number => left.framesSent.filter((one) => one[1] === controlKind.challenge).length;
  const before = said();
  const run = (seconds: number): void => {
    for (const endUs = lab.nowUs + seconds * 1e6; lab.nowUs < endUs; lab.run(0.05)) {
      for (; (late[0]?.atUs ?? Number.POSITIVE_INFINITY) <= lab.nowUs; late.shift())
        if (late[0] !== undefined) left.receive(late[0].datagram);
    }
  };
  run(2);
  t.ok(said() - before >= 4, `both paths were spoken of more than once: ${said() - before}`);
  const answered = said();
  run(20);
  t.equal(said(), answered, 'and no more since the first answers came');
});

t.test('two addresses of one link of the server are two paths, and each is answered from itself', async (t) => {
  const endpoints = { endpoints: [...toHub.endpoints, { host: '10.0.0.3', port: 51820 }] };
  const { lab, left, right } = await connect(t, { aliases: [hubToo] }, endpoints);
  lab.run(1);
  t.same(pathsOf(left).sort(), [`${hub} up`, `${hub} up`, `${hubToo} standby`, `${hubToo} standby`].sort());
  t.same(pathsOf(right).sort(), [`${fibre} standby`, `${fibre} up`, `${lte} standby`, `${lte} up`]);
  lab.lose = (one) => one.from === hub || one.to === hub;
  for (const linkRow of [0, 1]) setLife(left, rowTo(left, hub, linkRow), lifeState.dead);
  lab.run(1);
  left.sendData('by the other address');
  lab.settle();
  t.ok(right.sendData('and back'));
  lab.settle();
  t.equal(Buffer.from(right.inbox.at(-1) ?? []).toString(), 'by the other address');
});

t.test('behind a NAT that gave another port, the new path is proven first, and the old one forgotten', async (t) => {
  const { lab, left, right } = await connect(t);
  const moved = '10.0.0.1:4000';
  left.address = moved;
  lab.lose = (one) => one.to === moved;
  left.sendData('from another port');
  lab.settle();
  t.equal(isUp(right, moved), false, 'not proven yet');
  t.equal(isUp(right, fibre), true, 'and so not yet forgotten');
  lab.lose = () => false;
  lab.run(1);
  t.equal(isUp(right, moved), true);
  t.not(homeOf(right), rowTo(right, fibre), 'nothing leaves for the old one');
  t.ok(right.sendData('there you are'));
  lab.settle();
  t.equal(left.inbox.length, 2);
  for (let second = 0; second < 15; second += 1) {
    left.sendData('alive');
    lab.run(1);
  }
  t.equal(rowTo(right, fibre), -1, 'the old row is free');
  t.equal(isUp(right, moved), true);
});

t.test('a stranger who repeats packets from elsewhere gets challenges, and no data', async (t) => {
  const { lab, left, right } = await connect(t);
  lab.lose = (one) => one.from === fibre;
  left.sendData('caught');
  const caught = lab.sent.at(-1);
  lab.lose = () => false;
  if (caught === undefined) throw new Error('nothing was caught');
  lab.send({ ...caught, from: '10.6.6.6:1' });
  lab.run(2);
  t.equal(isUp(right, '10.6.6.6:1'), false);
  right.sendData('secret');
  lab.settle();
  t.notOk(lab.sent.some((one) => one.to === '10.6.6.6:1' && !isFrame(one)));
  for (let second = 0; second < 40; second += 1) {
    left.sendData('alive');
    lab.run(1);
  }
  t.equal(rowTo(right, '10.6.6.6:1'), -1, 'forgotten');
});

t.test(
  'paths are withdrawn when the kernel says that their link is gone, and proven anew when it is back',
  async (t) => {
    const { lab, left } = await connect(t);
    const say = (isUp: boolean, routes?: string[]) =>
      left.command({ kind: 'link-state', link: 'wan', isUp, reason: 'no carrier', addresses: [], routes });
    const version = left.paths.version();
    t.equal(homeOf(left), rowTo(left, hub, 0));
    say(false);
    lab.settle();
    t.equal(left.paths.int(rowTo(left, hub, 0), pathLayout.stateAt), pathState.down);
    t.ok(left.paths.version() > version);
    t.equal(homeOf(left), rowTo(left, hub, 1), 'the other link takes over');
    t.match(left.events('path-down'), [{ link: 'wan', reason: 'no carrier' }]);
    const before = frames(lab, fibre).length;
    lab.lose = (one) => one.from === fibre;
    say(true);
    lab.settle();
    t.equal(isUp(left, hub, 0), false, 'what it was proves nothing of what it is');
    lab.lose = () => false;
    say(false);
    lab.settle();
    say(true);
    lab.settle();
    t.equal(isUp(left, hub, 0), true);
    t.ok(frames(lab, fibre).length >= before + 2, 'it was asked each time');
    say(true, ['10.7.0.0/16']);
    lab.settle();
    t.equal(left.paths.int(rowTo(left, hub, 0), pathLayout.stateAt), pathState.down, 'no route leads there');
    say(true, ['10.7.0.0/16', '10.0.0.0/9']);
    lab.settle();
    t.equal(isUp(left, hub, 0), true);
  },
);

t.test('a disabled link is left after the peer was told', async (t) => {
  const { lab, left, right } = await connect(t);
  left.links.setInt(1, link.disabledAt, 1);
  lab.run(1);
  t.equal(left.paths.int(rowTo(left, hub, 1), pathLayout.stateAt), pathState.down);
  t.equal(right.paths.int(rowTo(right, lte), pathLayout.stateAt), pathState.standby);
  const before = lab.sent.filter((one) => one.from === lte).length;
  lab.run(5);
  t.equal(lab.sent.filter((one) => one.from === lte).length, before, 'nothing leaves by it');
  left.links.setInt(1, link.disabledAt, 0);
  lab.run(1);
  t.same([isUp(left, hub, 1), isUp(right, lte)], [true, true]);
});

t.test(
  'to a stock peer one link emits at a time: the next when the first is withdrawn, and the first again when it is stable',
  async (t) => {
    const pair = await startPair(t);
    const { lab, left, right } = pair;
    lab.lose = isFrame;
    talk(pair, 8);
    t.same(pathsOf(left), [`${hub} up`]);
    const emitters = () =>
      new Set(
        lab.sent
          .splice(0)
          .filter(isData)
          .map((one) => one.from)
          .filter((from) => from !== hub),
      );
    t.same(emitters(), new Set([fibre]));
    const say = (isUp: boolean) =>
      left.command({ kind: 'link-state', link: 'wan', isUp, reason: 'down', addresses: [], routes: undefined });
    say(false);
    lab.settle();
    t.same(emitters(), new Set([lte]), 'an authentic packet tells the peer at once');
    t.equal(right.endpointOf(homeOf(right)), lte);
    t.ok(right.sendData('an answer by lte'));
    lab.settle();
    t.equal(Buffer.from(left.inbox.at(-1) ?? []).toString(), 'an answer by lte');
    say(true);
    lab.run(3);
    left.sendData('not yet');
    lab.run(1);
    t.same(emitters(), new Set([lte]));
    lab.run(3);
    left.sendData('home again');
    lab.settle();
    t.same(emitters(), new Set([fibre]));
    t.match(left.events('failover'), [{ from: 'wan', to: 'lte' }]);
    t.match(left.events('failback'), [{ from: 'lte', link: 'wan' }]);
  },
);

t.test('a successor keeps the paths as they are, and goes on proving what is not proven', async (t) => {
  const pair = await startPair(t);
  const { lab, left, right } = pair;
  talk(pair);
  const before = pathsOf(left);
  left.crash();
  await left.start([left.peer(right, toHub)]);
  lab.run(2);
  t.same(pathsOf(left), before);
  lab.lose = (one) => one.from === lte || one.to === lte;
  const say = (isUp: boolean) =>
    left.command({ kind: 'link-state', link: 'lte', isUp, reason: 'down', addresses: [], routes: undefined });
  say(false);
  lab.settle();
  say(true);
  lab.settle();
  left.crash();
  lab.lose = () => false;
  await left.start([left.peer(right, toHub)]);
  lab.run(1);
  t.equal(isUp(left, hub, 1), true);
});

t.test('after SIGKILL the server calls the client by all paths it had proven', async (t) => {
  const pair = await connect(t);
  const { lab, left, right } = pair;
  lab.run(2);
  right.crash();
  lab.hosts.splice(lab.hosts.indexOf(right), 1);
  const reborn = new Host(lab, { name: 'right', address: hub, privateKey: Buffer.alloc(32, 2) });
  lab.sent.splice(0);
  lab.lose = (one) => one.to === fibre || one.from === fibre;
  await reborn.start([reborn.peer(left)]);
  lab.settle();
  const called = lab.sent.filter((one) => wireguardType(one.bytes, 0) === messageType.initiation).map((one) => one.to);
  t.same(called.sort(), [fibre, lte]);
  t.ok(reborn.sendSlot() >= 0, 'fibre is dead, and lte brought the session');
});

t.test('a client whose paths are all dead calls by all of them, and finds a hub that has lost its keys', async (t) => {
  const { lab, left, right } = await connect(t);
  lab.run(2);
  const initiations = () => lab.sent.filter((one) => wireguardType(one.bytes, 0) === messageType.initiation);
  right.crash();
  lab.hosts.splice(lab.hosts.indexOf(right), 1);
  lab.sent.splice(0);
  setLife(left, rowTo(left, hub, 0), lifeState.dead);
  lab.run(1);
  t.same(initiations(), [], 'one of two');
  setLife(left, rowTo(left, hub, 1), lifeState.dead);
  lab.run(2);
  t.same(new Set(initiations().map((one) => one.from)), new Set([fibre, lte]));
  const reborn = new Host(lab, { name: 'other', address: hub, privateKey: Buffer.alloc(32, 2) });
  await reborn.start([reborn.peer(left)]);
  lab.run(6);
  t.ok(reborn.sendSlot() >= 0, 'the next call reaches it');
});

t.test('of more places than one initiation goes to each has its turn, and the first is always called', async (t) => {
  const ports = Array.from({ length: 19 }, (_, index) => 51820 + index);
  const endpoints = { endpoints: ports.map((port) => ({ host: '10.0.0.2', port })) };
  const { lab, left } = await startPair(t, {}, endpoints);
  lab.lose = () => true;
  left.sendData('x');
  lab.run(40);
  const calls = lab.sent.filter((one) => wireguardType(one.bytes, 0) === messageType.initiation).map((one) => one.to);
  t.equal(new Set(calls).size, ports.length);
  const mostCalled = Math.max(...ports.map((port) => calls.filter((one) => one === `10.0.0.2:${port}`).length));
  t.ok(calls.length <= 8 * mostCalled, `${calls.length} datagrams, ${mostCalled} to the first`);
});

t.test('a link that was removed takes its paths along', async (t) => {
  const { lab, left, right } = await connect(t);
  left.stop();
  await left.start([left.peer(right, toHub)], lab.folder, [0]);
  lab.run(1);
  t.equal(rowTo(left, hub, 1), -1);
  t.equal(isUp(left, hub, 0), true);
});

t.test('a rekey does not fold the bond, and a peer that says HELLO no more is a stock peer again', async (t) => {
  const { lab, left, right } = await connect(t);
  const speaks = (host: Host) => (host.sessions.int(host.sendSlot(), session.capabilitiesAt) & capability.paths) !== 0;
  lab.run(6);
  const slot = left.sendSlot();
  lab.lose = isFrame;
  left.command({ kind: 'rekey', peer: 'right' });
  lab.settle();
  t.not(left.sendSlot(), slot);
  t.same([speaks(left), speaks(right)], [true, true], 'before any HELLO has arrived');
  lab.lose = () => false;
  lab.run(12);
  t.same([speaks(left), speaks(right)], [true, true]);
  left.command({ kind: 'rekey', peer: 'right' });
  lab.lose = isFrame;
  lab.run(12);
  t.same([speaks(left), speaks(right)], [false, false]);
});

for (const kind of ['hawser', 'stock'] as const) {
  t.test(`a ${kind} peer that only receives is found at once when its address went and another came`, async (t) => {
    const pair = await startPair(t);
    const { lab, left, right } = pair;
    lab.lose = (one) => kind === 'stock' && isFrame(one);
    left.command({ kind: 'link-state', link: 'lte', isUp: false, reason: 'gone', addresses: [], routes: undefined });
    talk(pair, 8);
    const say = (isUp: boolean, ...addresses: string[]) =>
      left.command({ kind: 'link-state', link: 'wan', isUp, reason: 'no address', addresses, routes: undefined });
    say(true, '10.0.0.1');
    lab.run(1);
    const moved = '10.0.0.77:51820';
    left.address = moved;
    say(false);
    lab.settle();
    say(true, '10.0.0.77');
    lab.settle();
    t.equal(right.endpointOf(homeOf(right)), moved, 'without a packet of the data path');
    t.ok(right.sendData('the rest of the download'));
    lab.settle();
    t.equal(Buffer.from(left.inbox.at(-1) ?? []).toString(), 'the rest of the download');
  });
}

t.test('an absent peer is called at once when this host has come to another network', async (t) => {
  const { lab, left, right } = await startPair(t);
  left.stop();
  await left.start([left.peer(right, { ...toHub, keepaliveMs: 25_000 })]);
  const say = (...addresses: string[]) =>
    left.command({ kind: 'link-state', link: 'wan', isUp: true, reason: '', addresses, routes: undefined });
  say('10.0.0.1');
  lab.lose = () => true;
  lab.run(900);
  const calls = () => lab.sent.filter((one) => wireguardType(one.bytes, 0) === messageType.initiation).length;
  const before = calls();
  lab.run(120);
  t.ok(calls() - before <= 2, `${calls() - before} calls in two minutes`);
  lab.lose = () => false;
  say('10.0.0.78');
  lab.run(1);
  t.ok(left.sendSlot() >= 0);
});
