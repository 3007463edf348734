/**
 * Two ends of a tunnel without a daemon around them: sealer, wan-link and opener of each end turned by hand over loopback UDP,
 * keys put into the slots by hand. Tests write trains into `plain` and read what came out of `delivered`.
 */

import type { ActorSpec, PortSpec, Role } from '../../src/actors/kit/contract.ts';
import { HandRunner } from '../../src/actors/kit/hand-runner.ts';
import { definition as openerDefinition } from '../../src/actors/opener.ts';
import { type SealerSettings, definition as sealerDefinition } from '../../src/actors/sealer.ts';
import { definition as wanLinkDefinition } from '../../src/actors/wan-link.ts';
import { outerFragments } from '../../src/contract/columns.ts';
import { carrier, link } from '../../src/contract/link-tables.ts';
import { path, pathState, peer, session, slotState } from '../../src/contract/peer-tables.ts';
import { frame, recordType, train } from '../../src/contract/records.ts';
import { doorbell } from '../../src/contract/rings.ts';
import { type Addon, loadAddon } from '../../src/native/addon.ts';
import { createAllowedIpsMemory } from '../../src/rings/allowed-ips.ts';
import { createDoorbellMemory, Doorbell } from '../../src/rings/doorbell.ts';
import { createSealedLogMemory } from '../../src/rings/sealed-log.ts';
import { lendBeside } from '../../src/rings/send-turn.ts';
import { SessionTable } from '../../src/rings/session-table.ts';
import { createRingMemory, RingConsumer, RingProducer } from '../../src/rings/spsc-ring.ts';
import { createStashMemory } from '../../src/rings/stash.ts';
import { carrierTable, createRowTable, pathTable, peerTable, type RowTable } from '../../src/rings/table.ts';
import { adaptiveBonding } from './bonding.ts';
import { givePath } from './given-paths.ts';
import { usedSessionMemory } from './session-memory.ts';

const linkName = 'loop';
const mtu = 1420;

/** One delivered train, copied out of the ring. */
export interface Delivered {
  readonly vnet: Uint8Array;
  readonly packet: Uint8Array;
  readonly packets: number;
}

/** A network of the peer in row `peerRow`, 0 unless said. */
export interface Allowed {
  readonly family: 4 | 6;
  readonly addressHex: string;
  readonly prefix: number;
  readonly peerRow?: number;
}

export class RopeEnd {
  readonly runner: HandRunner;
  readonly fd: number;
  readonly port: number;
  readonly sessions: SessionTable;
  readonly peers: RowTable;
  readonly paths: RowTable;
  readonly #memory: Record<string, SharedArrayBuffer>;
  readonly #rings = new Map<string, SharedArrayBuffer>();
  readonly #doorbell = createDoorbellMemory();
  readonly #plain: RingProducer;
  readonly #frames: RingProducer;
  readonly #delivered: RingConsumer;
  readonly events: RingConsumer;
  readonly #addon: Addon;

  /** `peers`: rows of the peer table. */
  constructor(runner: HandRunner, allowed: readonly Allowed[], peers = 4) {
    this.runner = runner;
    this.#addon = loadAddon();
    const socket = this.#addon.openUdp({ family: 4, port: 0, mark: 0, interface: '' });
    this.fd = socket.fd;
    this.port = socket.port;
    this.#memory = {
      sealedLog: createSealedLogMemory(4 << 20),
      sessions: usedSessionMemory(2 * peers, 65_600),
      peers: createRowTable(peer, peers),
      paths: createRowTable(path, Math.max(peers, path.mostPerPeer)),
      links: createRowTable(link, 2),
      carriers: createRowTable(carrier, 2),
      allowedIps: createAllowedIpsMemory(allowed.map((one) => ({ peerRow: 0, ...one }))),
      stash: createStashMemory({ small: 64, large: 16 }),
    };
    this.sessions = new SessionTable(this.#memory.sessions as SharedArrayBuffer);
    this.peers = peerTable(this.#memory.peers as SharedArrayBuffer);
    this.paths = pathTable(this.#memory.paths as SharedArrayBuffer);
    for (let row = 0; row < peers; row += 1) this.peers.setInt(row, peer.inUseAt, 1);
    this.peers.setInt(0, peer.sendSlotAt, -1);
    this.peers.setInt(0, peer.pathAt, 0);
    this.#plain = new RingProducer(this.#ring('plain', 1 << 20), new Doorbell(this.#doorbell, -1, this.#addon));
    this.#frames = new RingProducer(this.#ring('frames', 1 << 16), new Doorbell(this.#doorbell, -1, this.#addon));
    this.#delivered = new RingConsumer(this.#ring('delivered', 1 << 20));
    this.events = new RingConsumer(this.#ring('events', 1 << 16));
  }

  async start(bonding: Partial<SealerSettings['bonding']> = {}): Promise<void> {
    await this.runner.add(
      sealerDefinition,
      this.#spec(
        'sealer',
        {
          mtu,
          outerFragments: outerFragments.auto,
          carriers: [
            { row: 0, name: linkName, link: linkName, rateBps: 0, priority: 0, place: 1, weight: 1, role: 'always' },
          ],
          bonding: { ...adaptiveBonding, ...bonding },
        },
        {
          plain: 'plain',
          frames: 'frames',
          requests: 'requests',
          reports: 'reports',
          heard: 'heard',
          [`descriptors.${linkName}`]: 'descriptors',
        },
      ),
    );
    await this.runner.add(
      wanLinkDefinition,
      this.#spec(
        'wan-link',
        { carrier: 0, gso: true },
        {
          descriptors: 'descriptors',
          out: 'out',
          received: 'received',
          handshakes: 'handshakes',
        },
      ),
    );
    await this.runner.add(
      openerDefinition,
      this.#spec(
        'opener',
        {
          carriers: [linkName],
          joinUdp: true,
          plaintext: false,
          reorderMs: 'auto',
          awaitsRepairs: true,
          mtu: 1420,
          outerFragments: outerFragments.auto,
        },
        {
          [`received.${linkName}`]: 'received',
          plain: 'delivered',
          events: 'events',
          reports: 'reports',
          heard: 'heard',
        },
      ),
    );
  }

  /** Points path `row` at a port of this host. */
  aim(port: number, row = 0, peerRow = 0): void {
    if (this.paths.int(row, path.stateAt) === pathState.free) givePath(this.peers, this.paths, row, peerRow);
    const address = this.paths.slice(row, path.endpointAt, 28);
    address.set([2, 0, port >> 8, port & 255, 127, 0, 0, 1]);
    this.paths.setInt(row, path.stateAt, pathState.up);
    this.paths.tell(row);
  }

  /** Makes slot `slot` ready with these keys, and sends under it to the peer in row `row`. */
  install(
    slot: number,
    keys: { readonly send: Uint8Array; readonly receive: Uint8Array; readonly local: number; readonly remote: number },
    cipher = 0,
    row = 0,
  ): void {
    const at = this.sessions;
    at.wipe(slot);
    at.setInt(slot, session.peerAt, row);
    at.setInt(slot, cipher === 1 ? session.localIndexAesAt : session.localIndexAt, keys.local);
    at.setInt(slot, cipher === 1 ? session.remoteIndexAesAt : session.remoteIndexAt, keys.remote);
    at.setInt(slot, session.sendCipherAt, cipher);
    at.slice(slot, cipher === 1 ? session.sendKeyAesAt : session.sendKeyAt, 32).set(keys.send);
    at.slice(slot, cipher === 1 ? session.receiveKeyAesAt : session.receiveKeyAt, 32).set(keys.receive);
    at.setNumber(slot, session.expiryAt, 1e18);
    at.setInt(slot, session.stateAt, slotState.ready);
    at.tell(slot);
    this.peers.setInt(row, peer.sendSlotAt, slot);
    this.peers.tell(row);
  }

  /** Offers one train as the tun-reader would; false when the ring is full. */
  offer(packet: Uint8Array, vnet: Uint8Array): boolean {
    const at = this.#plain.claim(train.maxRecordBytes);
    if (at < 0) return false;
    this.#plain.view.setInt32(at + train.progressAt, 0, true);
    this.#plain.view.setInt32(at + train.lengthAt, packet.length, true);
    this.#plain.bytes.set(vnet, at + train.vnetAt);
    this.#plain.bytes.set(packet, at + train.packetAt);
    this.#plain.commit(train.packetAt + packet.length + 16, recordType.train);
    this.#plain.publish();
    return true;
  }

  /** Hands the sealer a control frame to send to a peer by path `row`, as the session-manager would. */
  sendFrame(bytes: Uint8Array, row: number, peerRow = 0): void {
    const ring = this.#frames;
    const at = ring.claim(frame.payloadAt + bytes.length);
    ring.bytes.fill(0, at, at + frame.payloadAt);
    ring.view.setInt32(at + frame.peerAt, peerRow, true);
    ring.view.setInt32(at + frame.slotAt, -1, true);
    ring.view.setInt32(at + frame.lengthAt, bytes.length, true);
    ring.view.setInt32(at + frame.pathAt, row, true);
    ring.bytes.set(bytes, at + frame.payloadAt);
    ring.commit(frame.payloadAt + bytes.length, recordType.frameOut);
    ring.publish();
  }

  /** The sealer may send by this socket while the carrier sleeps. */
  lendBeside(fd: number): void {
    lendBeside(carrierTable(this.#memory.carriers as SharedArrayBuffer), 0, 4, fd);
  }

  /** Whether the carrier's thread would have to be woken, until somebody does. */
  setAsleep(isAsleep: boolean): void {
    new Int32Array(this.#doorbell)[doorbell.armedAt >> 2] = isAsleep ? 1 : 0;
  }

  take(): Delivered | undefined {
    const at = this.#delivered.peek();
    if (at < 0) return undefined;
    const { bytes, view } = this.#delivered;
    const length = view.getInt32(at + train.lengthAt, true);
    const taken = {
      vnet: bytes.slice(at + train.vnetAt, at + train.vnetAt + train.vnetBytes),
      packet: bytes.slice(at + train.packetAt, at + train.packetAt + length),
      packets: view.getInt32(at + train.progressAt, true),
    };
    this.#delivered.advance();
    this.#delivered.release();
    return taken;
  }

  close(): void {
    this.runner.close();
    this.#addon.closeFd(this.fd);
  }

  #ring(name: string, bytes: number): SharedArrayBuffer {
    let memory = this.#rings.get(name);
    if (memory === undefined) {
      memory = createRingMemory(bytes);
      this.#rings.set(name, memory);
    }
    return memory;
  }

  #spec(role: Role, settings: unknown, ports: Record<string, string>): ActorSpec {
    const bytesOf: Record<string, number> = { received: 4 << 20, delivered: 1 << 20 };
    const portOf = (ring: string): PortSpec => ({
      name: ring,
      side: 'consumer',
      ring: this.#ring(ring, bytesOf[ring] ?? 1 << 16),
      doorbell: this.#doorbell,
      doorbellFd: -1,
    });
    return {
      id: role,
      role,
      settings,
      ports: Object.fromEntries(Object.entries(ports).map(([port, ring]) => [port, portOf(ring)])),
      fds: role === 'wan-link' ? { udp4: this.fd } : {},
      wakeOn: [],
      memory: this.#memory,
    };
  }
}

/** Two ends joined over loopback under one clock, with a session in slot 0 of each; `others`: what other peers of a may hold; `peers`: how many rows a has for them. */
export async function rope(
  cipher = 0,
  bonding: Partial<SealerSettings['bonding']> = {},
  others: readonly Allowed[] = [],
  peers?: number,
): Promise<{ a: RopeEnd; b: RopeEnd; turn: () => void; close: () => void }> {
  const a = new RopeEnd(
    new HandRunner(),
    [
      { family: 4, addressHex: '0a090002', prefix: 32 },
      { family: 6, addressHex: 'fd000009000000000000000000000002', prefix: 128 },
      ...others,
    ],
    peers,
  );
  const b = new RopeEnd(new HandRunner(), [
    { family: 4, addressHex: '0a090001', prefix: 32 },
    { family: 6, addressHex: 'fd000009000000000000000000000001', prefix: 128 },
  ]);
  await a.start(bonding);
  await b.start(bonding);
  a.aim(b.port);
  b.aim(a.port);
  const [one, two] = [new Uint8Array(32).fill(1), new Uint8Array(32).fill(2)];
  a.install(0, { send: one, receive: two, local: 0x1111, remote: 0x2222 }, cipher);
  b.install(0, { send: two, receive: one, local: 0x2222, remote: 0x1111 }, cipher);
  const turn = (): void => {
    for (let round = 0; round < 4; round += 1) {
      for (const end of [a, b]) {
        end.runner.clock.advance(50);
        end.runner.turn();
      }
    }
  };
  const close = (): void => {
    a.close();
    b.close();
  };
  return { a, b, turn, close };
}
