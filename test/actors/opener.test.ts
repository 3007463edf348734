/** The opener as an actor: sealed packets of a peer with two paths in, what the TUN and the sealer get of them out. */
import t from 'tap';
import { HandRunner } from '../../src/actors/kit/hand-runner.ts';
import { definition, type OpenerSettings } from '../../src/actors/opener.ts';
import { outerFragments } from '../../src/contract/columns.ts';
import { capability, controlKind, report } from '../../src/contract/frames.ts';
import { path, pathState, peer, session, slotState } from '../../src/contract/peer-tables.ts';
import { frame, framePath, received, recordType, train } from '../../src/contract/records.ts';
import { counters } from '../../src/contract/rings.ts';
import { loadAddon } from '../../src/native/addon.ts';
import { createAllowedIpsMemory } from '../../src/rings/allowed-ips.ts';
import { openerCounters } from '../../src/rings/counter-names.ts';
import { createDoorbellMemory, Doorbell } from '../../src/rings/doorbell.ts';
import { SessionTable } from '../../src/rings/session-table.ts';
import { createRingMemory, RingConsumer, RingProducer } from '../../src/rings/spsc-ring.ts';
import { createRowTable, pathTable, peerTable } from '../../src/rings/table.ts';
import { portTo } from '../support/cutting.ts';
import { givePath } from '../support/given-paths.ts';
import { udpPacket } from '../support/packets.ts';
import { usedSessionMemory } from '../support/session-memory.ts';

const addon = loadAddon();
const key = new Uint8Array(32).fill(9);
const receiverIndex = 0x4321;
const messageHeaderBytes = 16;
const tagBytes = 16;
/** Of the inner UDP payload, where the packet's counter is written. */
const sequenceAt = 28;
/** Large enough to be bulk. */
const payloadBytes = 600;

class Rig {
  readonly runner: HandRunner;
  readonly counters = new Float64Array(new SharedArrayBuffer(counters.bytes), 0, counters.bytes >> 3);
  readonly sessions = new SessionTable(usedSessionMemory(4, 65_600));
  readonly peers = peerTable(createRowTable(peer, 2));
  readonly paths = pathTable(createRowTable(path, 64));
  readonly #receivedRing = createRingMemory(1 << 20);
  readonly #plainRing = createRingMemory(1 << 20);
  readonly #reportsRing = createRingMemory(1 << 16);
  readonly #heardRing = createRingMemory(1 << 16);
  readonly #received = new RingProducer(this.#receivedRing, new Doorbell(createDoorbellMemory(), -1, addon));
  readonly #plain = new RingConsumer(this.#plainRing);
  readonly reports = new RingConsumer(this.#reportsRing);
  readonly heard = new RingConsumer(this.#heardRing);

  constructor(opener = addon.Opener) {
    this.runner = new HandRunner(undefined, { ...addon, Opener: opener });
  }

  async start(settings: Partial<OpenerSettings>): Promise<void> {
    const at = this.sessions;
    at.wipe(0);
    at.setInt(0, session.peerAt, 0);
    at.setInt(0, session.localIndexAt, receiverIndex);
    at.setInt(0, session.capabilitiesAt, capability.controlFrames | capability.paths);
    at.slice(0, session.receiveKeyAt, 32).set(key);
    at.setNumber(0, session.expiryAt, 1e18);
    at.setInt(0, session.stateAt, slotState.ready);
    at.tell(0);
    for (const row of [0, 1]) {
      givePath(this.peers, this.paths, row);
      this.paths.setInt(row, path.stateAt, pathState.up);
      this.paths.slice(row, path.endpointAt, 28).set(this.#endpoint(row));
    }
    await this.runner.add(definition, {
      id: 'opener',
      role: 'opener',
      settings: {
        carriers: ['loop'],
        joinUdp: false,
        plaintext: false,
        reorderMs: 'auto',
        awaitsRepairs: true,
        mtu: 1420,
        outerFragments: outerFragments.auto,
        ...settings,
      } satisfies OpenerSettings,
      ports: {
        'received.loop': portTo(this.#receivedRing),
        plain: portTo(this.#plainRing),
        events: portTo(createRingMemory(1 << 16)),
        reports: portTo(this.#reportsRing),
        heard: portTo(this.#heardRing),
      },
      fds: {},
      wakeOn: [],
      memory: {
        counters: this.counters.buffer as SharedArrayBuffer,
        sessions: this.sessions.bytes.buffer as SharedArrayBuffer,
        peers: this.peers.bytes.buffer as SharedArrayBuffer,
        paths: this.paths.bytes.buffer as SharedArrayBuffer,
        allowedIps: createAllowedIpsMemory([{ family: 4, addressHex: '0a090002', prefix: 32, peerRow: 0 }]),
      },
    });
  }

  /** One packet with this counter comes by path `row`, and is dealt with. */
  arrive(counter: number, row: number, plain = this.#packet(counter)): void {
    this.offer(counter, row, plain);
    this.runner.turnUntilIdle();
  }

  offer(counter: number, row: number, plain = this.#packet(counter)): void {
    const message = this.#seal(counter, plain);
    const { view, bytes } = this.#received;
    const at = this.#received.claim(received.payloadAt + message.length);
    bytes.fill(0, at, at + received.payloadAt);
    bytes.set(this.#endpoint(row), at + received.endpointAt);
    view.setInt32(at + received.segmentBytesAt, message.length, true);
    view.setInt32(at + received.lengthAt, message.length, true);
    bytes.set(message, at + received.payloadAt);
    this.#received.commit(received.payloadAt + message.length, recordType.received);
    this.#received.publish();
  }

  /** Counters of what reached the TUN since the last call. */
  delivered(): number[] {
    const counters: number[] = [];
    for (let at = this.#plain.peek(); at >= 0; at = this.#plain.peek()) {
      counters.push(this.#plain.view.getUint32(at + train.packetAt + sequenceAt, true));
      this.#plain.advance();
    }
    this.#plain.release();
    return counters;
  }

  #endpoint(row: number): Uint8Array {
    const address = new Uint8Array(28);
    address.set([2, 0, 0x12, 0x34, 192, 0, 2, 1 + row]);
    return address;
  }

  #packet(counter: number): Uint8Array {
    const packet = udpPacket({ source: [10, 9, 0, 2], payloadBytes });
    new DataView(packet.buffer).setUint32(sequenceAt, counter, true);
    return packet;
  }

  #seal(counter: number, plain: Uint8Array): Uint8Array {
    const padded = new Uint8Array(Math.ceil(plain.length / 16) * 16);
    padded.set(plain);
    const message = new Uint8Array(messageHeaderBytes + padded.length + tagBytes);
    const view = new DataView(message.buffer);
    view.setUint32(0, 4, true);
    view.setUint32(4, receiverIndex, true);
    view.setUint32(8, counter, true);
    const nonce = new Uint8Array(12);
    nonce.set(message.subarray(8, 16), 4);
    addon.aeadSeal(0, key, nonce, new Uint8Array(0), padded, message.subarray(messageHeaderBytes));
    return message;
  }
}

t.test('packets that overtook others on another path are delivered after them', async (t) => {
  const rig = new Rig();
  await rig.start({ reorderMs: 50 });
  t.teardown(() => rig.runner.close());
  rig.arrive(0, 0);
  for (const counter of [2, 3, 5]) rig.arrive(counter, 0);
  t.same(rig.delivered(), [0]);
  t.equal(rig.peers.int(0, peer.heldPacketsAt), 3);
  rig.arrive(1, 1);
  t.same(rig.delivered(), [1, 2, 3]);
  rig.runner.run(49_000);
  t.same(rig.delivered(), [], 'counter 4 is waited for');
  rig.runner.run(2_000);
  t.same(rig.delivered(), [5], 'for 50 ms, as the configuration says');
  t.equal(rig.peers.number(0, peer.givenUpPacketsAt), 1);
  rig.arrive(4, 1);
  t.same(rig.delivered(), [4], 'late, and still delivered');
  t.equal(rig.peers.int(0, peer.heldPacketsAt), 0);
});

t.test('a gap that both paths have passed is given up before its deadline', async (t) => {
  const rig = new Rig();
  await rig.start({ reorderMs: 1_000 });
  t.teardown(() => rig.runner.close());
  for (const counter of [0, 2, 4]) rig.arrive(counter, 0);
  rig.arrive(3, 1);
  rig.runner.run(100_000);
  t.same(rig.delivered(), [0, 2, 3, 4]);
});

t.test('what an only path has lost is waited for where the peer sends it again, and nowhere else', async (t) => {
  const alone = capability.controlFrames | capability.paths;
  for (const [said, awaitsRepairs, wanted] of [
    [alone | capability.repairs, true, [0, 1, 2, 3]],
    [alone | capability.repairs, false, [0, 2, 3, 1]],
    [alone, true, [0, 2, 3, 1]],
  ] as const) {
    const rig = new Rig();
    await rig.start({ awaitsRepairs });
    t.teardown(() => rig.runner.close());
    rig.paths.setInt(1, path.stateAt, pathState.free);
    rig.paths.tell(1);
    rig.sessions.setInt(0, session.capabilitiesAt, said);
    for (const counter of [0, 2, 3]) rig.arrive(counter, 0);
    rig.runner.run(20_000);
    rig.arrive(1, 0);
    t.same(rig.delivered(), wanted);
  }
});

t.test('with reorder off packets are delivered as they come', async (t) => {
  const rig = new Rig();
  await rig.start({ reorderMs: 0 });
  t.teardown(() => rig.runner.close());
  for (const counter of [0, 3, 2, 1]) rig.arrive(counter, 0);
  t.same(rig.delivered(), [0, 3, 2, 1]);
});

t.test('what came is passed on before its report is written', async (t) => {
  const rig = new Rig();
  await rig.start({});
  t.teardown(() => rig.runner.close());
  rig.offer(0, 0);
  t.ok(rig.runner.turn() > 0);
  t.same(rig.delivered(), [0]);
  t.equal(rig.reports.peek(), -1, 'whoever delivers it has the next turn');
  rig.runner.turnUntilIdle();
  t.ok(rig.reports.peek() >= 0);
});

t.test('the sealer is handed a report of what came, and none of control frames', async (t) => {
  const rig = new Rig();
  await rig.start({});
  t.teardown(() => rig.runner.close());
  const probe = new Uint8Array(16);
  probe[1] = controlKind.probe;
  rig.arrive(0, 1, probe);
  rig.runner.run(50_000);
  const probeAt = rig.heard.peek();
  t.equal(rig.heard.type, recordType.frameIn);
  t.equal(rig.heard.view.getInt32(probeAt + frame.pathAt, true), 1);
  t.equal(rig.reports.peek(), -1, 'a probe is passed on and not reported');
  rig.arrive(1, 0);
  rig.arrive(4, 1);
  rig.runner.run(50_000);
  const kinds: number[] = [];
  let next = 0n;
  let bitmap = 0n;
  for (let at = rig.reports.peek(); at >= 0; at = rig.reports.peek()) {
    const { view } = rig.reports;
    kinds.push(rig.reports.type);
    t.equal(view.getInt32(at + frame.pathAt, true), framePath.two);
    const payload = at + frame.payloadAt;
    t.equal(view.getUint8(payload + 1), controlKind.report);
    next = view.getBigUint64(payload + report.nextAt, true);
    const sections = view.getUint8(payload + report.sectionsAt);
    const speltAt = payload + report.headerBytes + sections * report.sectionBytes;
    const words = view.getUint16(payload + report.wordsAt, true);
    t.equal(view.getUint8(speltAt) & 1, 1, 'a word with holes is spelt out');
    bitmap = view.getBigUint64(speltAt + Math.ceil(words / 8), true);
    rig.reports.advance();
  }
  t.ok(kinds.length >= 3 && kinds.length <= 6, `${kinds.length} reports in 50 ms: what is missed is told each 15 ms`);
  t.ok(kinds.every((kind) => kind === recordType.frameOut));
  t.equal(next, 5n);
  t.equal(bitmap, 0b11001n, 'counters 4, 1 and 0');
});

t.test('what came before is counted as a replay and not delivered again', async (t) => {
  const rig = new Rig();
  await rig.start({});
  t.teardown(() => rig.runner.close());
  rig.arrive(0, 0);
  rig.arrive(0, 0);
  t.same(rig.delivered(), [0]);
  t.equal(rig.counters[(counters.cellsAt >> 3) + openerCounters.replayed], 1);
});

t.test('the first packet under new keys may be quicker than the look at the session table', async (t) => {
  const late = { open: (): void => undefined };
  const rig = new Rig(
    class extends addon.Opener {
      override look(input: number, most: number): number {
        late.open();
        return super.look(input, most);
      }
    },
  );
  await rig.start({});
  t.teardown(() => rig.runner.close());
  rig.sessions.setInt(0, session.stateAt, slotState.retired);
  rig.sessions.tell(0);
  rig.runner.turn();
  late.open = () => {
    rig.sessions.setInt(0, session.stateAt, slotState.ready);
    rig.sessions.tell(0);
    late.open = () => undefined;
  };
  rig.arrive(0, 0);
  t.same(rig.delivered(), [0]);
});

t.test('packets of another shard are unknown to an opener, whatever its slots are', async (t) => {
  for (const [shard, wanted] of [
    [0, [0, 1]],
    [1, []],
  ] as const) {
    const rig = new Rig();
    await rig.start({ shard, shards: 2 });
    t.teardown(() => rig.runner.close());
    for (const counter of [0, 1]) rig.arrive(counter, 0);
    t.same(rig.delivered(), wanted, `row 0 is of shard 0, and this opener of ${shard}`);
    const cell = (counters.cellsAt >> 3) + openerCounters.unknown;
    t.equal(rig.counters[cell], 2 - wanted.length);
    t.equal(rig.sessions.wide(0, session.receiveNextAt), wanted.length, 'nor does it touch the replay window');
    t.equal(rig.sessions.acknowledged(session.openerSeenAt, shard), rig.sessions.version());
    t.equal(rig.sessions.acknowledged(session.openerSeenAt, 1 - shard), 0, 'it answers for itself');
  }
});
