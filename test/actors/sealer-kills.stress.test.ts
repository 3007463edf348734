/**
 * The sealer's thread is cut at random moments while it seals, again and again: no counter is used for two packets, and every
 * packet that was offered comes out. 1,000 times with HAWSER_LONG=1, 25 times otherwise.
 */
import t from 'tap';
import type { ActorSpec } from '../../src/actors/kit/contract.ts';
import type { SealerSettings } from '../../src/actors/sealer.ts';
import { outerFragments } from '../../src/contract/columns.ts';
import { carrier, link } from '../../src/contract/link-tables.ts';
import { path, peer, session, slotState } from '../../src/contract/peer-tables.ts';
import { descriptor, recordType, train } from '../../src/contract/records.ts';
import { counters, log, ring } from '../../src/contract/rings.ts';
import { loadAddon } from '../../src/native/addon.ts';
import { createAllowedIpsMemory } from '../../src/rings/allowed-ips.ts';
import { createDoorbellMemory, Doorbell } from '../../src/rings/doorbell.ts';
import { createSealedLogMemory } from '../../src/rings/sealed-log.ts';
import { SessionTable } from '../../src/rings/session-table.ts';
import { createRingMemory, RingConsumer, RingProducer } from '../../src/rings/spsc-ring.ts';
import { createStashMemory } from '../../src/rings/stash.ts';
import { createRowTable, pathTable, peerTable } from '../../src/rings/table.ts';
import { adaptiveBonding } from '../support/bonding.ts';
import { cutAtRandom, cutRounds, portTo, type Victim } from '../support/cutting.ts';
import { udpPacket } from '../support/packets.ts';
import { usedSessionMemory } from '../support/session-memory.ts';

t.setTimeout(900_000);

const addon = loadAddon();
const sendKey = new Uint8Array(32).fill(7);
/** 16 bytes of message header (type, receiver, counter), the padded packet, and 16 bytes of tag. */
const messageHeaderBytes = 16;
const payloadBytes = 200;
const sequenceAt = 28;

class SealerRig implements Victim {
  readonly doorbell = { memory: createDoorbellMemory(), fd: addon.openDoorbell() };
  readonly #plainRing = createRingMemory(1 << 20);
  readonly #descriptorRing = createRingMemory(1 << 16);
  readonly #log = createSealedLogMemory(1 << 22);
  readonly #sessions = usedSessionMemory(4, 65_600);
  readonly #memory: Record<string, SharedArrayBuffer>;
  readonly #plain: RingProducer;
  readonly #descriptors: RingConsumer;
  readonly #paths;
  readonly #packet = udpPacket({ source: [10, 9, 0, 1], payloadBytes });
  /** Packets offered, and which of them came out, how often. */
  offered = 0;
  readonly seen: number[] = [];
  made = 0;
  readonly problems: string[] = [];

  constructor() {
    this.#packet.set([10, 9, 0, 2], 16);
    this.#memory = {
      sealedLog: this.#log,
      sessions: this.#sessions,
      peers: createRowTable(peer, 4),
      paths: createRowTable(path, 4),
      links: createRowTable(link, 2),
      carriers: createRowTable(carrier, 2),
      allowedIps: createAllowedIpsMemory([{ family: 4, addressHex: '0a090002', prefix: 32, peerRow: 0 }]),
      stash: createStashMemory({ small: 64, large: 16 }),
      counters: new SharedArrayBuffer(counters.bytes),
    };
    this.#paths = pathTable(this.#memory.paths as SharedArrayBuffer);
    this.#plain = new RingProducer(this.#plainRing, new Doorbell(this.doorbell.memory, this.doorbell.fd, addon));
    this.#descriptors = new RingConsumer(this.#descriptorRing);
    this.#install();
  }

  get spec(): ActorSpec {
    return {
      id: 'sealer',
      role: 'sealer',
      settings: {
        mtu: 1420,
        outerFragments: outerFragments.auto,
        carriers: [
          { row: 0, name: 'loop', link: 'loop', rateBps: 0, priority: 0, place: 1, weight: 1, role: 'always' },
        ],
        bonding: adaptiveBonding,
        fecMtu: 1380,
      } satisfies SealerSettings,
      ports: {
        plain: portTo(this.#plainRing, this.doorbell),
        frames: portTo(createRingMemory(4096), this.doorbell),
        requests: portTo(createRingMemory(4096)),
        reports: portTo(createRingMemory(4096), this.doorbell),
        heard: portTo(createRingMemory(4096), this.doorbell),
        'descriptors.loop': portTo(this.#descriptorRing),
      },
      fds: {},
      wakeOn: [],
      memory: this.#memory,
    };
  }

  /** Offers packets until the ring is full, at most `count`. */
  offer(count: number): void {
    for (let left = count; left > 0; left -= 1) {
      const at = this.#plain.claim(train.packetAt + this.#packet.length + 64);
      if (at < 0) break;
      const { view, bytes } = this.#plain;
      view.setInt32(at + train.progressAt, 0, true);
      view.setInt32(at + train.lengthAt, this.#packet.length, true);
      bytes.fill(0, at + train.vnetAt, at + train.packetAt);
      new DataView(this.#packet.buffer).setUint32(sequenceAt, this.offered, true);
      bytes.set(this.#packet, at + train.packetAt);
      this.#plain.commit(train.packetAt + this.#packet.length + 16, recordType.train);
      this.offered += 1;
    }
    this.#plain.publish();
  }

  /** Checks all that the sealer published, as a wan-link would send it. */
  drain(): void {
    const { view } = this.#descriptors;
    for (let at = this.#descriptors.peek(); at >= 0; at = this.#descriptors.peek()) {
      const position = view.getUint32(at + descriptor.positionAt, true);
      const count = view.getInt32(at + descriptor.countAt, true);
      const segmentBytes = view.getInt32(at + descriptor.segmentBytesAt, true);
      const lastBytes = view.getInt32(at + descriptor.lastBytesAt, true);
      const counter = Number(view.getBigUint64(at + descriptor.counterAt, true));
      if (counter < this.made) this.problems.push(`counter ${counter} again, after ${this.made - 1}`);
      for (let index = 0; index < count; index += 1) {
        const lengthBytes = index === count - 1 ? lastBytes : segmentBytes;
        this.#check(position, index * segmentBytes, lengthBytes, counter + index);
      }
      this.made = counter + count;
      this.#paths.addNumber(0, path.sentBytesAt, view.getInt32(at + descriptor.lengthAt, true));
      this.#descriptors.advance();
      this.#descriptors.release();
    }
  }

  /** The sealer has released everything that was offered. */
  get isTaken(): boolean {
    return this.#plain.usedBytes() === 0;
  }

  /** Records skipped because two sealers in a row were cut at them. */
  get poisoned(): number {
    return new Int32Array(this.#plainRing)[ring.poisonedAt >> 2] ?? 0;
  }

  #check(position: number, from: number, lengthBytes: number, counter: number): void {
    const units = (this.#log.byteLength - log.dataAt) / log.unitBytes;
    const start = log.dataAt + (position % units) * log.unitBytes + from;
    const message = new Uint8Array(this.#log, start, lengthBytes);
    const nonce = new Uint8Array(12);
    nonce.set(message.subarray(8, 16), 4);
    const inHeader = Number(new DataView(this.#log, start).getBigUint64(8, true));
    if (inHeader !== counter) this.problems.push(`header says ${inHeader}, descriptor ${counter}`);
    const target = new Uint8Array(lengthBytes);
    const opened = addon.aeadOpen(0, sendKey, nonce, new Uint8Array(0), message.subarray(messageHeaderBytes), target);
    if (opened < 0) this.problems.push(`counter ${counter} does not open: ${opened}`);
    const sequence = new DataView(target.buffer).getUint32(sequenceAt, true);
    this.seen[sequence] = (this.seen[sequence] ?? 0) + 1;
  }

  #install(): void {
    const table = new SessionTable(this.#sessions);
    table.wipe(0);
    table.setInt(0, session.peerAt, 0);
    table.setInt(0, session.remoteIndexAt, 0x1234);
    table.slice(0, session.sendKeyAt, 32).set(sendKey);
    table.setNumber(0, session.expiryAt, 1e18);
    table.setInt(0, session.stateAt, slotState.ready);
    table.tell(0);
    const peers = peerTable(this.#memory.peers as SharedArrayBuffer);
    peers.setInt(0, peer.sendSlotAt, 0);
    peers.setInt(0, peer.pathAt, 0);
  }
}

t.test('a sealer cut at random moments', async (t) => {
  const rig = new SealerRig();
  const { atWork, failures } = await cutAtRandom(rig, cutRounds, 20_261_121);
  t.same([...failures, ...rig.problems], [], 'every counter once, every packet opens');
  const lost = Array.from({ length: rig.offered }, (_, at) => rig.seen[at] ?? 0).filter((times) => times === 0).length;
  const twice = rig.seen.filter((times) => times > 1).length;
  t.ok(lost <= rig.poisoned, `of ${rig.offered} packets ${lost} are lost, ${rig.poisoned} were fatal to two sealers`);
  t.comment(`${cutRounds} deaths, ${rig.offered} packets, ${rig.made} counters, ${twice} packets sealed twice`);
  t.ok(atWork > cutRounds / 4, `the sealer was at work in ${atWork} of ${cutRounds} rounds`);
});
