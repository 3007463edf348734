import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import t from 'tap';
import { capability, controlKind } from '../../src/contract/frames.ts';
import { path, peer, session } from '../../src/contract/peer-tables.ts';
import { loadAddon } from '../../src/native/addon.ts';
import { foldedSum, tcpTrain, transportSum, udpPacket } from '../support/packets.ts';
import { rope } from '../support/rope.ts';

const addon = loadAddon();
const socket = createSocket('udp4');
t.teardown(() => socket.close());

function sendTo(port: number, bytes: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.send(bytes, port, '127.0.0.1', (error) => (error === null ? resolve() : reject(error)));
  });
}

for (const cipher of [0, 1]) {
  t.test(`a TCP train comes out as it went in, under cipher ${cipher}`, async (t) => {
    const { a, b, turn, close } = await rope(cipher);
    t.teardown(close);
    const sent = tcpTrain({ version: 4, payloadBytes: 20_000, segmentBytes: 1368, push: true });
    t.ok(a.offer(sent.packet, sent.vnet));
    turn();
    const got = b.take();
    t.ok(got);
    t.equal(got?.packets, 15, '20,000 bytes are 15 segments of 1368');
    t.same(got?.packet.subarray(sent.headerBytes), sent.packet.subarray(sent.headerBytes), 'the payload is the same');
    t.equal(got?.vnet[1], 1, 'VIRTIO_NET_HDR_GSO_TCPV4');
    t.equal((got?.vnet[4] ?? 0) | ((got?.vnet[5] ?? 0) << 8), 1368, 'gso_size');
    t.equal(b.take(), undefined, 'joined into one');
    t.equal(b.peers.number(0, peer.receivedPacketsAt), 15);
  });
}

t.test('IPv6 trains are cut and joined too', async (t) => {
  const { a, b, turn, close } = await rope();
  t.teardown(close);
  const sent = tcpTrain({ version: 6, payloadBytes: 60_000, segmentBytes: 1348, push: false });
  a.offer(sent.packet, sent.vnet);
  turn();
  const pieces = [];
  for (let got = b.take(); got !== undefined; got = b.take()) pieces.push(got.packet.subarray(sent.headerBytes));
  t.same(Buffer.concat(pieces), Buffer.from(sent.packet.subarray(sent.headerBytes)));
});

t.test('segments on the wire are sound packets: lengths, sequence numbers, checksums', async (t) => {
  const { a, turn, close } = await rope();
  t.teardown(close);
  // An aim at a socket of our own shows what is sent.
  const spy = addon.openUdp({ family: 4, port: 0, mark: 0, interface: '' });
  a.aim(spy.port);
  const sent = tcpTrain({ version: 4, payloadBytes: 3_000, segmentBytes: 1000, push: true });
  a.offer(sent.packet, sent.vnet);
  turn();
  const datagrams: Uint8Array[] = [];
  const buffer = new Uint8Array(65_536);
  for (let got = addon.receiveBytes(spy.fd, buffer, 100); got > 0; got = addon.receiveBytes(spy.fd, buffer, 0)) {
    for (let at = 0; at < got; at += 1072 + 16) datagrams.push(buffer.slice(at, Math.min(got, at + 1088)));
  }
  addon.closeFd(spy.fd);
  t.equal(datagrams.length, 3);
  datagrams.forEach((datagram, index) => {
    const plain = new Uint8Array(datagram.length - 32);
    const nonce = new Uint8Array(12);
    nonce.set(datagram.subarray(8, 16), 4);
    t.equal(nonce[4], index, 'counters follow');
    t.equal(
      addon.aeadOpen(0, new Uint8Array(32).fill(1), nonce, new Uint8Array(0), datagram.subarray(16), plain),
      plain.length,
    );
    const length = ((plain[2] as number) << 8) | (plain[3] as number);
    t.equal(length, 1052);
    t.equal(plain.length % 16, 0, 'padded to 16');
    t.equal(foldedSum(plain.subarray(0, 20)), 0xffff, 'IPv4 header checksum');
    t.equal(transportSum(plain.subarray(0, length)), 0xffff, 'TCP checksum');
    const sequence = new DataView(plain.buffer).getUint32(24);
    t.equal(sequence, sent.sequence + index * 1000);
    t.equal((plain[33] as number) & 0x08, index === 2 ? 0x08 : 0, 'PSH on the last only');
  });
});

t.test('what is forged, replayed or from a foreign inner address is not delivered', async (t) => {
  const { a, b, turn, close } = await rope();
  t.teardown(close);
  const spy = addon.openUdp({ family: 4, port: 0, mark: 0, interface: '' });
  t.teardown(() => addon.closeFd(spy.fd));
  a.aim(spy.port);
  a.offer(udpPacket({ source: [10, 9, 0, 1], payloadBytes: 100 }), new Uint8Array(10));
  a.offer(udpPacket({ source: [10, 9, 0, 77], payloadBytes: 120 }), new Uint8Array(10));
  turn();
  const buffer = new Uint8Array(65_536);
  const first = buffer.slice(0, addon.receiveBytes(spy.fd, buffer, 100));
  const foreign = buffer.slice(0, addon.receiveBytes(spy.fd, buffer, 100));
  const send = async (bytes: Uint8Array): Promise<void> => {
    await sendTo(b.port, bytes);
    turn();
  };
  const forged = first.slice();
  forged[40] = (forged[40] as number) ^ 1;
  await send(forged);
  t.equal(b.take(), undefined, 'forged');
  await send(first);
  t.ok(b.take(), 'the genuine one');
  await send(first);
  t.equal(b.take(), undefined, 'its replay');
  t.equal(b.peers.number(0, peer.replayedPacketsAt), 1);
  await send(foreign);
  t.equal(b.take(), undefined, 'authentic, but 10.9.0.77 is not an allowed IP');
  t.equal(b.peers.number(0, peer.rejectedPacketsAt), 2);
});

t.test('counters are taken before sealing and never twice', async (t) => {
  const { a, turn, close } = await rope();
  t.teardown(close);
  for (let round = 0; round < 10; round += 1) {
    a.offer(udpPacket({ source: [10, 9, 0, 1], payloadBytes: 50 + round }), new Uint8Array(10));
    turn();
  }
  const counter = new DataView(a.sessions.bytes.buffer).getBigUint64(a.sessions.at(0) + session.sendCounterAt, true);
  t.equal(counter, 10n);
});

t.test('small packets overdraw the credit of a path by their reserve, and no more', async (t) => {
  const { a, turn, close } = await rope();
  t.teardown(close);
  const offerAll = (): void => {
    for (let number = 0; number < 200; number += 1)
      t.ok(a.offer(udpPacket({ source: [10, 9, 0, 1], payloadBytes: 200 }), new Uint8Array(10)));
  };
  offerAll();
  for (let round = 0; round < 40; round += 1) {
    // As much as the path's limit can be is under way, and nothing gets through: only the reserve is left.
    a.paths.setNumber(0, path.sentBytesAt, -512 * 1024);
    a.runner.turn();
  }
  const bytes = a.peers.number(0, peer.sentBytesAt);
  t.ok(bytes > 4_000 && bytes < 2 * 16 * 1024, `${bytes} bytes sealed`);
  a.paths.setNumber(0, path.sentBytesAt, a.paths.number(0, path.sealedBytesAt));
  for (let round = 0; round < 40; round += 1) turn();
  t.equal(a.peers.number(0, peer.sentPacketsAt), 200, 'the rest waited, and goes when there is credit');
});

t.test('data does not wait at the peer for a control frame that went by another path', async (t) => {
  const { a, b, turn, close } = await rope();
  t.teardown(close);
  const nowhere = addon.openUdp({ family: 4, port: 0, mark: 0, interface: '' });
  t.teardown(() => addon.closeFd(nowhere.fd));
  for (const end of [a, b]) {
    end.sessions.setInt(0, session.capabilitiesAt, capability.controlFrames | capability.paths);
    end.aim(nowhere.port, 1);
    end.paths.setNumber(0, path.provenUsAt, 1);
  }
  const offer = (): void => {
    a.offer(udpPacket({ source: [10, 9, 0, 1], payloadBytes: 800 }), new Uint8Array(10));
    turn();
  };
  offer();
  t.ok(b.take(), 'both ends know each other');
  const response = new Uint8Array(16);
  response[1] = controlKind.response;
  a.sendFrame(response, 1);
  turn();
  offer();
  t.ok(b.take(), 'the counter of the frame is known to be none of data');
  t.equal(b.peers.int(0, peer.heldPacketsAt), 0);
});

t.test('what a lost SKIP had named is said again when it is known to be lost, and not waited for', async (t) => {
  const { a, b, turn, close } = await rope();
  t.teardown(close);
  const nowhere = addon.openUdp({ family: 4, port: 0, mark: 0, interface: '' });
  t.teardown(() => addon.closeFd(nowhere.fd));
  for (const end of [a, b]) {
    end.sessions.setInt(0, session.capabilitiesAt, capability.controlFrames | capability.paths | capability.repairs);
    end.aim(nowhere.port, 1);
    end.paths.setNumber(0, path.provenUsAt, 1);
  }
  const offer = (): void => {
    a.offer(udpPacket({ source: [10, 9, 0, 1], payloadBytes: 800 }), new Uint8Array(10));
    turn();
  };
  const frame = new Uint8Array(16);
  frame[1] = controlKind.response;
  for (let round = 0; round < 4; round += 1) {
    offer();
    t.ok(b.take(), 'both ends know each other');
  }
  // The frame is lost by the one path, and the SKIP that names it by the other.
  a.aim(nowhere.port, 0);
  a.sendFrame(frame, 1);
  turn();
  a.aim(b.port, 0);
  let came = 0;
  let turns = 0;
  for (; turns < 100 && (came === 0 || b.peers.int(0, peer.heldPacketsAt) > 0); turns += 1) {
    offer();
    while (b.take() !== undefined) came += 1;
  }
  t.ok(turns > 1, 'it was waited for');
  t.ok(turns < 60, `for ${turns} turns of 0.4 ms`);
});

t.test('a packet alone is sent by the sealer while the carrier sleeps, and by the carrier otherwise', async (t) => {
  const { a, close } = await rope();
  t.teardown(close);
  const beside = addon.openUdp({ family: 4, port: 0, mark: 0, interface: '' });
  t.teardown(() => addon.closeFd(beside.fd));
  const receiver = createSocket('udp4').bind(0, '127.0.0.1');
  t.teardown(() => receiver.close());
  await once(receiver, 'listening');
  a.aim(receiver.address().port);
  a.lendBeside(beside.fd);
  const portOfNext = async (isAsleep: boolean, packet = udpPacket({ source: [10, 9, 0, 1], payloadBytes: 100 })) => {
    const came = once(receiver, 'message') as Promise<[Buffer, { port: number }]>;
    a.offer(packet, new Uint8Array(10));
    a.setAsleep(isAsleep);
    a.runner.turnUntilIdle();
    return (await came)[1].port;
  };
  t.equal(await portOfNext(false), a.port);
  t.equal(await portOfNext(true), beside.port);
  a.lendBeside(-1);
  t.equal(await portOfNext(true), a.port, 'nothing leaves by a socket that is lent no more');
});
