/**
 * The opener's thread is cut at random moments while it opens, again and again: every packet that arrived is delivered exactly
 * once, because one native call opens, marks the replay window, publishes and releases. 1,000 times with HAWSER_LONG=1.
 */
import t from 'tap';
import type { ActorSpec } from '../../src/actors/kit/contract.ts';
import type { OpenerSettings } from '../../src/actors/opener.ts';
import { outerFragments } from '../../src/contract/columns.ts';
import { path, peer, session, slotState } from '../../src/contract/peer-tables.ts';
import { received, recordType, train } from '../../src/contract/records.ts';
import { counters, ring } from '../../src/contract/rings.ts';
import { loadAddon } from '../../src/native/addon.ts';
import { createAllowedIpsMemory } from '../../src/rings/allowed-ips.ts';
import { createDoorbellMemory, Doorbell } from '../../src/rings/doorbell.ts';
import { SessionTable } from '../../src/rings/session-table.ts';
import { createRingMemory, RingConsumer, RingProducer } from '../../src/rings/spsc-ring.ts';
import { createRowTable } from '../../src/rings/table.ts';
import { cutAtRandom, cutRounds, portTo, type Victim } from '../support/cutting.ts';
import { udpPacket } from '../support/packets.ts';
import { usedSessionMemory } from '../support/session-memory.ts';

t.setTimeout(900_000);

const addon = loadAddon();
const key = new Uint8Array(32).fill(9);
const receiverIndex = 0x4321;
const payloadBytes = 200;
const sequenceAt = 28;
/** Type, receiver index, counter. */
const messageHeaderBytes = 16;
const tagBytes = 16;
/** Datagrams of one record, as GRO would join them. */
const datagrams = 5;

class OpenerRig implements Victim {
  readonly doorbell = { memory: createDoorbellMemory(), fd: addon.openDoorbell() };
  readonly #receivedRing = createRingMemory(1 << 20);
  readonly #plainRing = createRingMemory(1 << 20);
  readonly #sessions = usedSessionMemory(4, 65_600);
  readonly #memory: Record<string, SharedArrayBuffer>;
  readonly #received: RingProducer;
  readonly #plain: RingConsumer;
  readonly #packet = udpPacket({ source: [10, 9, 0, 2], payloadBytes });
  readonly #sealedBytes: number;
  offered = 0;
  made = 0;
  readonly seen: number[] = [];

  constructor() {
    const padded = Math.ceil(this.#packet.length / 16) * 16;
    this.#sealedBytes = messageHeaderBytes + padded + tagBytes;
    this.#memory = {
      sessions: this.#sessions,
      peers: createRowTable(peer, 4),
      paths: createRowTable(path, 4),
      allowedIps: createAllowedIpsMemory([{ family: 4, addressHex: '0a090002', prefix: 32, peerRow: 0 }]),
      counters: new SharedArrayBuffer(counters.bytes),
    };
    this.#received = new RingProducer(this.#receivedRing, new Doorbell(this.doorbell.memory, this.doorbell.fd, addon));
    this.#plain = new RingConsumer(this.#plainRing);
    const table = new SessionTable(this.#sessions);
    table.wipe(0);
    table.setInt(0, session.peerAt, 0);
    table.setInt(0, session.localIndexAt, receiverIndex);
    table.slice(0, session.receiveKeyAt, 32).set(key);
    table.setNumber(0, session.expiryAt, 1e18);
    table.setInt(0, session.stateAt, slotState.ready);
    table.tell(0);
  }

  get spec(): ActorSpec {
    return {
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
      } satisfies OpenerSettings,
      ports: {
        'received.loop': portTo(this.#receivedRing, this.doorbell),
        plain: portTo(this.#plainRing),
        events: portTo(createRingMemory(1 << 16)),
        reports: portTo(createRingMemory(1 << 16)),
        heard: portTo(createRingMemory(1 << 16)),
      },
      fds: {},
      wakeOn: [],
      memory: this.#memory,
    };
  }

  offer(count: number): void {
    const { view, bytes } = this.#received;
    const lengthBytes = datagrams * this.#sealedBytes;
    for (let left = count; left > 0; left -= datagrams) {
      const at = this.#received.claim(received.payloadAt + lengthBytes);
      if (at < 0) break;
      bytes.fill(0, at, at + received.payloadAt);
      view.setInt32(at + received.segmentBytesAt, this.#sealedBytes, true);
      view.setInt32(at + received.lengthAt, lengthBytes, true);
      for (let index = 0; index < datagrams; index += 1) {
        bytes.set(this.#seal(), at + received.payloadAt + index * this.#sealedBytes);
      }
      this.#received.commit(received.payloadAt + lengthBytes, recordType.received);
    }
    this.#received.publish();
  }

  drain(): void {
    for (let at = this.#plain.peek(); at >= 0; at = this.#plain.peek()) {
      const sequence = this.#plain.view.getUint32(at + train.packetAt + sequenceAt, true);
      this.seen[sequence] = (this.seen[sequence] ?? 0) + 1;
      this.made += 1;
      this.#plain.advance();
      this.#plain.release();
    }
  }

  get isTaken(): boolean {
    return this.#received.usedBytes() === 0;
  }

  /** Packets of the records skipped because two openers in a row were cut at them. */
  get poisoned(): number {
    return datagrams * (new Int32Array(this.#receivedRing)[ring.poisonedAt >> 2] ?? 0);
  }

  /** The next packet as its sender would have sealed it: counter and sequence are the same number. */
  #seal(): Uint8Array {
    const message = new Uint8Array(this.#sealedBytes);
    const view = new DataView(message.buffer);
    view.setUint32(0, 4, true);
    view.setUint32(4, receiverIndex, true);
    view.setUint32(8, this.offered, true);
    const nonce = new Uint8Array(12);
    nonce.set(message.subarray(8, 16), 4);
    new DataView(this.#packet.buffer).setUint32(sequenceAt, this.offered, true);
    const padded = new Uint8Array(this.#sealedBytes - messageHeaderBytes - tagBytes);
    padded.set(this.#packet);
    addon.aeadSeal(0, key, nonce, new Uint8Array(0), padded, message.subarray(messageHeaderBytes));
    this.offered += 1;
    return message;
  }
}

t.test('an opener cut at random moments', async (t) => {
  const rig = new OpenerRig();
  const { atWork, failures } = await cutAtRandom(rig, cutRounds, 20_261_122);
  t.same(failures, []);
  const times = Array.from({ length: rig.offered }, (_, at) => rig.seen[at] ?? 0);
  const lost = times.filter((count) => count === 0).length;
  t.ok(lost <= rig.poisoned, `of ${rig.offered} packets ${lost} are lost, ${rig.poisoned} were fatal to two openers`);
  t.equal(times.filter((count) => count > 1).length, 0, 'none was delivered twice: the replay window survives');
  t.comment(`${cutRounds} deaths, ${rig.offered} packets`);
  t.ok(atWork > cutRounds / 4, `the opener was at work in ${atWork} of ${cutRounds} rounds`);
});
