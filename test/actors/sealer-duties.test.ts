/** What the sealer owes to others beside sealing: it asks for keys, lets go of old ones, keeps peers apart, and sends what is wanted twice. */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import t from 'tap';
import type { ActorContext } from '../../src/actors/kit/contract.ts';
import { Throughput } from '../../src/actors/kit/ports.ts';
import { FlightMemory, NativeFlight } from '../../src/actors/sealer/native-flight.ts';
import { SealDesk } from '../../src/actors/sealer/seal-desk.ts';
import { capability } from '../../src/contract/frames.ts';
import { path, peer, session, slotState } from '../../src/contract/peer-tables.ts';
import { framePath, recordType } from '../../src/contract/records.ts';
import { loadAddon } from '../../src/native/addon.ts';
import type { Sealer } from '../../src/native/data-api.ts';
import { createDoorbellMemory } from '../../src/rings/doorbell.ts';
import { createRingMemory, RingConsumer } from '../../src/rings/spsc-ring.ts';
import { createRowTable } from '../../src/rings/table.ts';
import { udpPacket } from '../support/packets.ts';
import { type RopeEnd, rope } from '../support/rope.ts';
import { usedSessionMemory } from '../support/session-memory.ts';

const addon = loadAddon();
const noVnet = new Uint8Array(10);
const [three, four] = [new Uint8Array(32).fill(3), new Uint8Array(32).fill(4)];
/** Of an IPv4 header without options, and UDP's. */
const payloadAt = 28;
const payloadBytes = 600;

function numbered(number: number, target = 2): Uint8Array {
  const packet = udpPacket({ source: [10, 9, 0, 1], target: [10, 9, 0, target], payloadBytes });
  packet[payloadAt] = number;
  return packet;
}

/** Numbers of what came out; packets of one flow are joined to trains. */
function numbersFrom(end: RopeEnd): (number | undefined)[] {
  const numbers: (number | undefined)[] = [];
  for (let got = end.take(); got !== undefined; got = end.take()) {
    for (let index = 0; index < got.packets; index += 1) numbers.push(got.packet[payloadAt + index * payloadBytes]);
  }
  return numbers;
}

t.test('what comes without keys is asked for, waits, and leaves in order under the keys that come', async (t) => {
  const { a, b, turn, close } = await rope();
  t.teardown(close);
  a.peers.setInt(0, peer.sendSlotAt, -1);
  for (let number = 0; number < 5; number += 1) a.offer(numbered(number), noVnet);
  turn();
  t.ok(a.peers.int(0, peer.handshakeWantedAt) > 0, 'a handshake is asked for');
  t.equal(b.take(), undefined);
  a.peers.setInt(0, peer.sendSlotAt, 0);
  a.peers.tell(0);
  turn();
  t.same(numbersFrom(b), [0, 1, 2, 3, 4]);
});

t.test('what a client may be sent ends at its quota, to the packet, and goes on with another', async (t) => {
  const { a, b, turn, close } = await rope();
  t.teardown(close);
  const packetBytes = payloadAt + payloadBytes;
  turn();
  a.peers.setInt(0, peer.inUseAt, 1);
  a.peers.setInt(0, peer.isMeteredAt, 1);
  a.peers.setNumber(0, peer.stopTxBytesAt, 3 * packetBytes + 1);
  a.peers.tell(0);
  for (let number = 0; number < 8; number += 1) a.offer(numbered(number), noVnet);
  turn();
  t.same(numbersFrom(b), [0, 1, 2, 3], 'the packet that reaches it still leaves');
  t.equal(a.peers.number(0, peer.innerTxBytesAt), 4 * packetBytes);
  a.offer(numbered(8), noVnet);
  turn();
  t.same(numbersFrom(b), []);
  a.peers.setNumber(0, peer.stopTxBytesAt, 0);
  for (let turns = 0; turns < 150; turns += 1) turn();
  t.same(numbersFrom(b), [4, 5, 6, 7, 8], 'what waited was not lost');
});

t.test(
  'a keepalive for a stock peer is sealed, booked and arrives without a bond; without keys it asks for some',
  async (t) => {
    const { a, b, turn, close } = await rope();
    t.teardown(close);
    const nothing = new Uint8Array(0);
    for (const byPath of [framePath.any, 0]) a.sendFrame(nothing, byPath);
    turn();
    t.equal(b.peers.number(0, peer.receivedBytesAt), 2 * 32);
    t.equal(a.peers.number(0, peer.sentPacketsAt), 2);
    t.equal(a.peers.number(0, peer.sentBytesAt), 2 * 32);
    t.ok(a.peers.number(0, peer.lastSentAt) > 0);
    t.equal(a.peers.number(0, peer.lastDataSentAt), 0);
    t.equal(a.paths.int(0, path.mayFragmentAt), 0, 'no bond was made, which says what the path may do');
    t.equal(a.peers.int(0, peer.handshakeWantedAt), 0);
    a.offer(numbered(1), noVnet);
    a.sendFrame(nothing, framePath.any);
    turn();
    t.ok(b.take());
    t.equal(a.paths.int(0, path.mayFragmentAt), 1);
    t.equal(b.peers.number(0, peer.receivedBytesAt), a.peers.number(0, peer.sentBytesAt));
    a.peers.setInt(0, peer.sendSlotAt, -1);
    a.sendFrame(nothing, framePath.any);
    turn();
    t.equal(a.peers.int(0, peer.handshakeWantedAt), 1);
  },
);

t.test('a packet that ends a silence leaves before the frames that came with it', async (t) => {
  const { a, turn, close } = await rope();
  t.teardown(close);
  const socket = createSocket('udp4');
  t.teardown(() => socket.close());
  const lengths: number[] = [];
  socket.on('message', ({ length }) => lengths.push(length));
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  a.aim(socket.address().port);
  turn();
  a.sendFrame(new Uint8Array(0), framePath.any);
  a.offer(numbered(1), noVnet);
  turn();
  while (lengths.length < 2) await once(socket, 'message');
  t.ok((lengths[0] ?? 0) > 32, lengths.join());
  t.equal(lengths[1], 32);
});

t.test('a keepalive for a peer that nothing was sent to yet and that has no keys asks for some', async (t) => {
  const { a, turn, close } = await rope();
  t.teardown(close);
  a.peers.setInt(0, peer.sendSlotAt, -1);
  a.sendFrame(new Uint8Array(0), framePath.any);
  turn();
  t.equal(a.peers.int(0, peer.handshakeWantedAt), 1);
});

t.test('keys that take the place of others in a slot are used at once, by both threads, which say so', async (t) => {
  const { a, b, turn, close } = await rope();
  t.teardown(close);
  a.offer(numbered(1), noVnet);
  turn();
  t.ok(b.take());
  for (const end of [a, b]) {
    end.sessions.setInt(0, session.stateAt, slotState.retired);
    end.sessions.tell(0);
    end.peers.setInt(0, peer.sendSlotAt, -1);
  }
  turn();
  for (const end of [a, b]) {
    for (const userAt of [session.sealerSeenAt, session.openerSeenAt])
      t.equal(end.sessions.acknowledged(userAt), end.sessions.version(), 'retired keys are let go of');
  }
  a.install(0, { send: three, receive: four, local: 0x3333, remote: 0x4444 });
  b.install(0, { send: four, receive: three, local: 0x4444, remote: 0x3333 });
  a.offer(numbered(2), noVnet);
  turn();
  t.equal(b.take()?.packet[payloadAt], 2);
});

t.test('trains of two peers in one look are sealed each with the keys of its own', async (t) => {
  const { a, b, turn, close } = await rope(0, {}, [{ family: 4, addressHex: '0a090003', prefix: 32, peerRow: 1 }]);
  t.teardown(close);
  const spy = addon.openUdp({ family: 4, port: 0, mark: 0, interface: '' });
  t.teardown(() => addon.closeFd(spy.fd));
  a.install(1, { send: three, receive: four, local: 0x5555, remote: 0x6666 }, 0, 1);
  a.peers.setInt(1, peer.pathAt, 1);
  a.aim(spy.port, 1, 1);
  for (const target of [2, 3, 2, 3]) a.offer(numbered(target, target), noVnet);
  turn();
  t.same(numbersFrom(b), [2, 2]);
  t.equal(b.peers.number(0, peer.rejectedPacketsAt), 0);
  const buffer = new Uint8Array(65_536);
  let bytes = 0;
  for (let got = 1; got > 0; bytes += Math.max(0, got)) got = addon.receiveBytes(spy.fd, buffer, 100);
  t.ok(bytes > 2 * payloadBytes, `${bytes} bytes came to the other peer`);
  t.equal(new DataView(buffer.buffer).getUint32(4, true), 0x6666, 'and are under its keys');
});

t.test('what a redundant class sends goes by two paths', async (t) => {
  const { a, b, turn, close } = await rope(0, { modes: ['redundant', 'redundant', 'redundant'] });
  t.teardown(close);
  for (const end of [a, b]) {
    end.sessions.setInt(0, session.capabilitiesAt, capability.controlFrames | capability.paths);
    end.aim(end === a ? b.port : a.port, 1);
    for (const row of [0, 1]) end.paths.setNumber(row, path.provenUsAt, 1);
  }
  for (let number = 0; number < 5; number += 1) {
    a.offer(numbered(number), noVnet);
    turn();
  }
  t.same(numbersFrom(b), [0, 1, 2, 3, 4], 'each once to the application');
  t.ok(b.peers.number(0, peer.replayedPacketsAt) >= 3, `${b.peers.number(0, peer.replayedPacketsAt)} came twice`);
});

/** Shortest of several rounds, in microseconds for each of `turns` turns. */
function turnUs(end: RopeEnd, turns: number): number {
  let leastUs = Number.POSITIVE_INFINITY;
  for (let round = 0; round < 7; round += 1) {
    const from = performance.now();
    for (let turned = 0; turned < turns; turned += 1) {
      end.runner.clock.advance(1);
      end.runner.turn();
    }
    leastUs = Math.min(leastUs, ((performance.now() - from) * 1000) / turns);
  }
  return leastUs;
}

t.test('a turn costs what is due, not what exists', async (t) => {
  const others = 1_500;
  const { a, close } = await rope(0, {}, [], others + 1);
  t.teardown(close);
  const said = capability.controlFrames | capability.paths;
  a.sessions.setInt(0, session.capabilitiesAt, said);
  a.sendFrame(new Uint8Array(0), 0);
  a.runner.turn();
  const aloneUs = turnUs(a, 300);
  for (let row = 1; row <= others; row += 1) {
    a.install(row, { send: three, receive: four, local: 0x10_0000 + row, remote: 0x20_0000 + row }, 0, row);
    a.sessions.setInt(row, session.capabilitiesAt, said);
    a.aim(9, row, row);
    a.sendFrame(new Uint8Array(0), row, row);
    a.runner.turn();
  }
  for (let turned = 0; turned < 100; turned += 1) a.runner.turn();
  const manyUs = turnUs(a, 300);
  t.comment(`${aloneUs.toFixed(1)} us a turn with one bond, ${manyUs.toFixed(1)} us with ${others + 1}`);
  t.ok(manyUs < 3 * aloneUs + 20, 'bonds that have nothing to do cost next to nothing');
});

t.test('elections that a full ring had no room for are told when there is room, each once', async (t) => {
  const memory = createRingMemory(4096);
  const bell = createDoorbellMemory();
  const requests = { name: 'requests', side: 'producer', ring: memory, doorbell: bell, doorbellFd: -1 } as const;
  const tables = { peers: createRowTable(peer, 300), sessions: usedSessionMemory(2, 256) };
  const spec = { id: 'sealer', role: 'sealer', ports: { requests }, memory: tables };
  const context = { spec, addon } as unknown as ActorContext;
  const desk = new SealDesk(context, {} as Sealer, new Throughput(context.spec));
  for (let row = 0; row < 300; row += 1) desk.wantHandshake(row, 1e6);
  for (const row of [7, 8, 7]) desk.tellJudged(row);
  desk.retell();
  const consumer = new RingConsumer(memory);
  const judged = (): number[] => {
    const rows: number[] = [];
    for (let at = consumer.peek(); at >= 0; at = consumer.peek()) {
      if (consumer.type === recordType.pathJudged) rows.push(consumer.view.getInt32(at, true));
      consumer.advance();
    }
    consumer.release();
    return rows;
  };
  t.same(judged(), [], 'it was full');
  desk.retell();
  desk.retell();
  t.same(judged(), [7, 8]);
});

t.test('a path whose row was freed a moment ago leads no repair anywhere', async (t) => {
  const asked: string[] = [];
  const native = new Proxy({} as Sealer, { get: (_, name) => () => asked.push(String(name)) });
  const flight = (port: number) =>
    new NativeFlight(0, native, new FlightMemory(), { portOf: () => port, slotOf: () => 0 });
  const gone = { row: 3, number: 0 };
  t.same([flight(-1).resend(gone, 1000, 1500, 0), flight(-1).resendCut(gone, 1000, 1500, 0)], [0, 0]);
  t.same(asked, [], 'a port of -1 would be a place before the first');
  flight(1).resend(gone, 1000, 1500, 0);
  t.same(asked, ['resend']);
});
