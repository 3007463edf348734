/**
 * What the addon does to the bytes of a TCP train, on one core and without any socket: `seal` cuts 64 KiB into segments of 1420 bytes
 * and seals each into the log, `open` opens them and joins them again. Cipher `plaintext` copies instead: the cost of all but
 * the cipher. Beside them the cipher's own speed by `openssl speed` at 1420 bytes.
 */

import { facts, gaps, lateness, opened, runs } from '../../src/contract/columns.ts';
import { cipher, path, peer, session, slotState } from '../../src/contract/peer-tables.ts';
import { descriptor, received, recordType, train } from '../../src/contract/records.ts';
import { log } from '../../src/contract/rings.ts';
import { type Addon, loadAddon } from '../../src/native/addon.ts';
import type { NativePort } from '../../src/native/port.ts';
import { createAllowedIpsMemory } from '../../src/rings/allowed-ips.ts';
import { createDoorbellMemory, Doorbell } from '../../src/rings/doorbell.ts';
import { createSealedLogMemory } from '../../src/rings/sealed-log.ts';
import { SessionTable } from '../../src/rings/session-table.ts';
import { createRingMemory, RingConsumer, RingProducer } from '../../src/rings/spsc-ring.ts';
import { createStashMemory } from '../../src/rings/stash.ts';
import { createRowTable } from '../../src/rings/table.ts';
import { feedbackParts, innerLimitParts } from '../../test/support/bonding.ts';
import { tcpTrain } from '../../test/support/packets.ts';
import { usedSessionMemory } from '../../test/support/session-memory.ts';
import { answer, measure, measuredWords, median, pairCount, report, runSeconds, spread } from '../support/bench.ts';
import { opensslGbps } from '../support/openssl.ts';

/** 1420 of MTU less IPv4, TCP and its timestamps; 47 of them are one train. */
const segmentBytes = 1368;
const segmentCount = 47;
const trainsPerTurn = 8;
const receiverIndex = 0x1111;
const ciphers = {
  'chacha20-poly1305': cipher.chacha20poly1305,
  'aes-256-gcm': cipher.aes256gcm,
  plaintext: cipher.plaintext,
};
type CipherName = keyof typeof ciphers;

interface Ends {
  readonly port: NativePort;
  readonly producer: RingProducer;
  readonly consumer: RingConsumer;
}

function createRing(addon: Addon, capacityBytes: number): Ends {
  const memory = createRingMemory(capacityBytes);
  const bell = createDoorbellMemory();
  return {
    port: { ring: new Uint8Array(memory), doorbell: new Uint8Array(bell), doorbellFd: -1 },
    producer: new RingProducer(memory, new Doorbell(bell, -1, addon)),
    consumer: new RingConsumer(memory),
  };
}

/** One session whose two directions share a key: what was sealed here can be opened here. */
function createSessions(which: number): SharedArrayBuffer {
  const memory = usedSessionMemory(4, 65_536);
  const table = new SessionTable(memory);
  const isAes = which === cipher.aes256gcm;
  table.wipe(0);
  table.setInt(0, session.peerAt, 0);
  table.setInt(0, isAes ? session.localIndexAesAt : session.localIndexAt, receiverIndex);
  table.setInt(0, isAes ? session.remoteIndexAesAt : session.remoteIndexAt, receiverIndex);
  table.setInt(0, session.sendCipherAt, which);
  for (const at of [session.sendKeyAt, session.receiveKeyAt, session.sendKeyAesAt, session.receiveKeyAesAt]) {
    table.slice(0, at, 32).fill(5);
  }
  table.setNumber(0, session.expiryAt, 1e18);
  table.setInt(0, session.stateAt, slotState.ready);
  table.tell(0);
  return memory;
}

const view = (memory: SharedArrayBuffer) => new Uint8Array(memory);

/** Seals trains, lays what lies in the log into the opener's ring as a link would, opens; the clock runs in native calls only. */
class Bench {
  readonly #addon: Addon;
  readonly #plain: Ends;
  readonly #descriptors: Ends;
  readonly #received: Ends;
  readonly #delivered: Ends;
  readonly #log = createSealedLogMemory(32 << 20);
  readonly #runs = new Int32Array(new SharedArrayBuffer(runs.max * runs.columns * 4));
  readonly #result = new Int32Array(new SharedArrayBuffer(opened.columns * 4));
  readonly #sealer;
  readonly #opener;
  readonly #which: number;
  readonly #train = tcpTrain({ version: 4, payloadBytes: segmentBytes * segmentCount, segmentBytes, push: false });
  sealUs = 0;
  openUs = 0;
  sealedBytes = 0;
  openedPackets = 0;

  constructor(which: number) {
    const addon = loadAddon();
    const sessions = view(createSessions(which));
    const allowed = [
      { family: 4 as const, addressHex: '0a090002', prefix: 32, peerRow: 0 },
      { family: 4 as const, addressHex: '0a090001', prefix: 32, peerRow: 0 },
    ];
    const allowedIps = view(createAllowedIpsMemory(allowed));
    this.#addon = addon;
    this.#which = which;
    this.#plain = createRing(addon, 1 << 20);
    this.#descriptors = createRing(addon, 1 << 16);
    this.#received = createRing(addon, 4 << 20);
    this.#delivered = createRing(addon, 1 << 21);
    const stash = view(createStashMemory({ small: 8, large: 2 }));
    const rows = view(new SharedArrayBuffer(64 * facts.columns * 4));
    const carriers = [this.#descriptors.port];
    this.#sealer = new addon.Sealer({
      plain: this.#plain.port,
      carriers,
      log: view(this.#log),
      sessions,
      allowedIps,
      stash,
      facts: rows,
      ...feedbackParts(),
    });
    this.#opener = new addon.Opener({
      received: [this.#received.port],
      plain: this.#delivered.port,
      events: createRing(addon, 1 << 16).port,
      reports: createRing(addon, 1 << 16).port,
      heard: createRing(addon, 1 << 16).port,
      sessions,
      paths: view(createRowTable(path, 4)),
      allowedIps,
      joinUdp: true,
      runs: new Uint8Array(this.#runs.buffer),
      result: new Uint8Array(this.#result.buffer),
      unreported: view(new SharedArrayBuffer(64 * 4)),
      orderFromPaths: 2,
      awaitsRepairs: false,
      gaps: view(new SharedArrayBuffer(8 + gaps.max * gaps.columns * 8)),
      lateness: view(new SharedArrayBuffer(8 + lateness.max * lateness.columns * 8)),
      maxFecBytes: 1412,
      ...innerLimitParts(),
      peers: view(createRowTable(peer, 4)),
    });
  }

  turn(): void {
    for (let i = 0; i < trainsPerTurn; i += 1) this.#offer();
    this.#seal();
    for (let at = this.#descriptors.consumer.peek(); at >= 0; at = this.#descriptors.consumer.peek()) {
      this.#deliver(at);
      this.#descriptors.consumer.advance();
    }
    this.#descriptors.consumer.release();
    this.#received.producer.publish();
    this.#open();
  }

  #offer(): void {
    const { packet, vnet } = this.#train;
    const { producer } = this.#plain;
    const at = producer.claim(train.maxRecordBytes);
    if (at < 0) throw new Error('the plain ring is full');
    producer.view.setInt32(at + train.progressAt, 0, true);
    producer.view.setInt32(at + train.lengthAt, packet.length, true);
    producer.bytes.set(vnet, at + train.vnetAt);
    producer.bytes.set(packet, at + train.packetAt);
    producer.commit(train.packetAt + packet.length + 16, recordType.train);
    producer.publish();
  }

  #seal(): void {
    const nowUs = this.#addon.nowUs();
    const count = this.#sealer.look(trainsPerTurn);
    const began = this.#sealer.begin(0, 0, 2, 1424, nowUs, 0, 0, -1);
    const segments = this.#sealer.sealTrains(0, count, segmentCount * trainsPerTurn);
    this.sealedBytes += this.#sealer.end();
    this.#sealer.release(count);
    this.sealUs += this.#addon.nowUs() - nowUs;
    if (began !== 0 || segments !== segmentCount * trainsPerTurn) throw new Error(`begin ${began}, sealed ${segments}`);
  }

  /** What recvmmsg with UDP_GRO would have put into the ring for this run. */
  #deliver(from: number): void {
    const { view: facts } = this.#descriptors.consumer;
    const { producer } = this.#received;
    const length = facts.getInt32(from + descriptor.lengthAt, true);
    const start = (facts.getInt32(from + descriptor.positionAt, true) * log.unitBytes) & ((32 << 20) - 1);
    const at = producer.claim(received.payloadAt + length);
    if (at < 0) throw new Error('the received ring is full');
    producer.bytes.fill(0, at, at + received.payloadAt);
    producer.view.setInt32(at + received.segmentBytesAt, facts.getInt32(from + descriptor.segmentBytesAt, true), true);
    producer.view.setInt32(at + received.lengthAt, length, true);
    producer.bytes.set(new Uint8Array(this.#log, log.dataAt + start, length), at + received.payloadAt);
    producer.commit(received.payloadAt + length, recordType.received);
  }

  #open(): void {
    const nowUs = this.#addon.nowUs();
    for (let count = this.#opener.look(0, 64); count > 0; count = this.#opener.look(0, 64)) {
      for (let run = 0; run < count; run += 1) {
        this.#runs[run * runs.columns + runs.slot] = 0;
        this.#runs[run * runs.columns + runs.cipher] = this.#which;
      }
      this.#opener.open(0, count, nowUs);
      this.openedPackets += this.#result[opened.packets] ?? 0;
    }
    this.openUs += this.#addon.nowUs() - nowUs;
    for (let at = this.#delivered.consumer.peek(); at >= 0; at = this.#delivered.consumer.peek()) {
      this.#delivered.consumer.advance();
    }
    this.#delivered.consumer.release();
  }
}

function runOne(name: CipherName): void {
  const bench = new Bench(ciphers[name]);
  for (let i = 0; i < 50; i += 1) bench.turn();
  bench.sealUs = 0;
  bench.openUs = 0;
  bench.openedPackets = 0;
  const endMs = performance.now() + runSeconds * 1000;
  let turns = 0;
  for (; performance.now() < endMs; turns += 1) bench.turn();
  const packets = turns * trainsPerTurn * segmentCount;
  if (bench.openedPackets !== packets) throw new Error(`${packets} packets sealed, ${bench.openedPackets} opened`);
  const bits = packets * 1420 * 8;
  answer(bits / bench.sealUs / 1e3, bits / bench.openUs / 1e3);
}

function main(): void {
  for (const name of ['chacha20-poly1305', 'aes-256-gcm'] as const) {
    const limit = Array.from({ length: pairCount }, () => opensslGbps(name));
    report('aead', { cipher: name, bytes: 1420, side: 'openssl', spread: spread(limit) }, median(limit), 'Gbit/s');
  }
  for (const name of ['chacha20-poly1305', 'aes-256-gcm', 'plaintext'] satisfies CipherName[]) {
    const rows = Array.from({ length: pairCount }, () => measure(import.meta.url, [name]));
    for (const [index, step] of ['seal', 'open'].entries()) {
      const values = rows.map((row) => row[index] ?? Number.NaN);
      report(
        `native-${step}`,
        { cipher: name, segmentBytes: 1420, cores: 1, spread: spread(values) },
        median(values),
        'Gbit/s',
      );
    }
  }
}

const words = measuredWords();
const [name] = words ?? [];
if (words === undefined) main();
else if (name === 'chacha20-poly1305' || name === 'aes-256-gcm' || name === 'plaintext') runOne(name);
