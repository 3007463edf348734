// A peer whose packets come from ever new addresses: what leaves for those, by how much more than they sent, and who suffers.
import t, { type Test } from 'tap';
import { path as pathLayout, pathState, peer as peerLayout } from '../../src/contract/peer-tables.ts';
import { messageType, wireguardType } from '../../src/wire/wireguard.ts';
import { type Address, type Datagram, Host, Lab } from '../support/session-lab.ts';

t.setTimeout(180_000);

const home = '10.0.0.1:51820';
const hub = '10.0.0.2:51820';
/** IPv4 and UDP. */
const outerHeaderBytes = 28;

async function connect(t: Test) {
  const lab = new Lab();
  t.teardown(() => lab.close());
  const left = new Host(lab, { name: 'left', address: home, privateKey: Buffer.alloc(32, 1) });
  const right = new Host(lab, { name: 'right', address: hub, privateKey: Buffer.alloc(32, 2) });
  await left.start([left.peer(right, { endpoints: [{ host: '10.0.0.2', port: 51820 }] })]);
  await right.start([right.peer(left)]);
  left.sendData('x');
  lab.settle();
  left.sendData('one');
  right.sendData('two');
  lab.run(0.2);
  return { lab, left, right };
}

/** The next datagram that `left` sends comes from `source` instead; nobody is there. */
function spoof(lab: Lab, left: Host, source: Address): void {
  const caught: Datagram[] = [];
  const { lose } = lab;
  lab.lose = (one) => {
    const isCaught = one.from === left.address && caught.length === 0;
    if (isCaught) caught.push(one);
    return isCaught || lose(one);
  };
  left.sendData('');
  lab.settle();
  lab.lose = lose;
  for (const one of caught) lab.send({ ...one, from: source });
  lab.settle();
}

/** Bytes on the wire from each false address and to it. */
function weigh(lab: Lab): Map<Address, { sent: number; drawn: number }> {
  const all = new Map<Address, { sent: number; drawn: number }>();
  const at = (address: Address) => {
    const known = all.get(address) ?? { sent: 0, drawn: 0 };
    all.set(address, known);
    return known;
  };
  for (const one of lab.sent) {
    if (one.from.startsWith('10.66.')) at(one.from).sent += one.bytes.length + outerHeaderBytes;
    if (one.to.startsWith('10.66.')) at(one.to).drawn += one.bytes.length + outerHeaderBytes;
  }
  return all;
}

function falseAddress(index: number): Address {
  return `10.66.${index >> 8}.${index & 255}:7000`;
}

function isUp(host: Host, endpoint: Address): boolean {
  return Array.from({ length: host.paths.used() }, (_, row) => row).some(
    (row) => host.endpointOf(row) === endpoint && host.paths.int(row, pathLayout.stateAt) === pathState.up,
  );
}

for (const sources of [1, 30, 300, 3000]) {
  t.test(
    `packets from ${sources} false addresses draw no more than three times their bytes, within a budget`,
    async (t) => {
      const { lab, left, right } = await connect(t);
      const beganUs = lab.nowUs;
      for (let index = 0; index < Math.max(sources, 60); index += 1) spoof(lab, left, falseAddress(index % sources));
      lab.run(20);
      const all = [...weigh(lab).values()];
      const worst = Math.max(...all.map((one) => one.drawn / one.sent));
      const drawn = all.reduce((sum, one) => sum + one.drawn, 0);
      const seconds = (lab.nowUs - beganUs) / 1e6;
      t.comment(`worst ${worst.toFixed(2)}; ${drawn} bytes in ${seconds.toFixed(1)} s to ${all.length} addresses`);
      t.equal(all.length, sources);
      t.ok(worst <= 3, 'each address');
      t.ok(drawn <= (32 + 8 * seconds) * 80, 'all together');
      left.sendData('still here');
      lab.settle();
      t.equal(isUp(right, home), true, 'the proven path carries on');
    },
  );
}

t.test('a peer that moves amid a thousand false addresses a second is found within seconds', async (t) => {
  const { lab, left, right } = await connect(t);
  let index = 0;
  for (; index < 600; index += 1) spoof(lab, left, falseAddress(index));
  const moved = '10.0.0.1:4000';
  left.address = moved;
  const beganUs = lab.nowUs;
  while (!isUp(right, moved) && lab.nowUs - beganUs < 30e6) {
    for (let each = 0; each < 20; each += 1, index += 1) spoof(lab, left, falseAddress(index % 60_000));
    left.sendData('here');
    lab.run(0.02);
  }
  const seconds = (lab.nowUs - beganUs) / 1e6;
  t.comment(`${seconds.toFixed(1)} s`);
  t.ok(seconds < 5, `${seconds} s`);
});

t.test('challenges from ever new addresses are not answered at another one', async (t) => {
  const { lab, left, right } = await connect(t);
  const { lose } = lab;
  const caught: Datagram[] = [];
  lab.lose = (one) => one.from === home && caught.push(one) > 0;
  for (let second = 0; second < 30; second += 1) {
    // Whoever has another address challenges the way there.
    const addresses = [`10.0.0.${second + 1}`];
    left.command({ kind: 'link-state', link: 'wan', isUp: true, reason: '', addresses, routes: undefined });
    lab.run(1);
  }
  lab.lose = lose;
  for (const [index, one] of caught.entries()) lab.send({ ...one, from: falseAddress(index) });
  lab.run(1);
  const worst = Math.max(...[...weigh(lab).values()].map((one) => one.drawn / one.sent));
  t.comment(`${caught.length} packets, worst ${worst.toFixed(2)}`);
  t.ok(caught.length > 30);
  t.ok(worst > 0 && worst <= 3, `${worst}`);
  t.equal(isUp(right, home), true);
});

t.test('an initiation proves no address until the peer has used its answer', async (t) => {
  const { lab, left, right } = await connect(t);
  lab.run(6);
  lab.lose = (one) => one.from === home && wireguardType(one.bytes, 0) === messageType.initiation;
  left.command({ kind: 'rekey', peer: 'right' });
  lab.settle();
  const initiation = lab.sent.findLast((one) => wireguardType(one.bytes, 0) === messageType.initiation);
  if (initiation === undefined) throw new Error('no initiation');
  lab.send({ ...initiation, from: falseAddress(1) });
  lab.run(0.1);
  t.equal(isUp(right, falseAddress(1)), false);
  t.equal(right.endpointOf(right.peers.int(0, peerLayout.pathAt)), home, 'data goes where it went');
  const one = weigh(lab).get(falseAddress(1));
  t.ok(one !== undefined && one.drawn <= one.sent, 'a response is smaller than what it answers');
});

t.test('a response from where nobody was called proves nothing either', async (t) => {
  const { lab, left } = await connect(t);
  lab.run(6);
  const isResponse = (one: Datagram) => wireguardType(one.bytes, 0) === messageType.response;
  lab.lose = (one) => isResponse(one) && one.from === hub;
  left.command({ kind: 'rekey', peer: 'right' });
  lab.settle();
  const response = lab.sent.findLast(isResponse);
  if (response === undefined) throw new Error('no response');
  lab.send({ ...response, from: falseAddress(1) });
  lab.run(0.1);
  t.equal(isUp(left, falseAddress(1)), false);
  t.equal(left.endpointOf(left.peers.int(0, peerLayout.pathAt)), hub);
  t.ok(left.sendData('on'), 'but the session is in use');
});
