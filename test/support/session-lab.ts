/**
 * Hosts that are a real session-manager each, turned by hand under one virtual clock, with a data path and a network made of
 * arrays: packets are really sealed and opened with the keys of the session table, and the network can lose or replay them.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { ActorSpec, PortSpec } from '../../src/actors/kit/contract.ts';
import { HandRunner, VirtualClock } from '../../src/actors/kit/hand-runner.ts';
import type { PeerSettings, SessionManagerCommand, SessionManagerSettings } from '../../src/actors/session/settings.ts';
import { definition } from '../../src/actors/session-manager.ts';
import { formatKey, publicKeyOf } from '../../src/config/keys.ts';
import { loadAddon } from '../../src/native/addon.ts';
import { Doorbell } from '../../src/rings/doorbell.ts';
import {
  cipher,
  counters,
  doorbell,
  frame,
  link,
  outgoing,
  path as pathLayout,
  peer as peerLayout,
  received,
  recordType,
  session,
  slotState,
} from '../../src/rings/layout.ts';
import { createSessionMemory, SessionTable } from '../../src/rings/session-table.ts';
import { createRingMemory, RingConsumer, RingProducer } from '../../src/rings/spsc-ring.ts';
import { createRowTable, pathTable, peerTable, type RowTable } from '../../src/rings/table.ts';
import { sockaddrEmit, sockaddrMaxBytes } from '../../src/wire/sockaddr.ts';
import {
  dataHeaderBytes,
  dataHeaderEmit,
  messageType,
  wireguardCounter,
  wireguardReceiver,
  wireguardType,
} from '../../src/wire/wireguard.ts';

const addon = loadAddon();
const nothing = new Uint8Array(0);
const linkName = 'wan';

/** `10.0.0.1:51820`, IPv4 only. */
export type Address = string;

export interface Datagram {
  readonly from: Address;
  readonly to: Address;
  readonly bytes: Uint8Array;
}

export function rawAddress(address: Address): Uint8Array {
  const [host = '', port = ''] = address.split(':');
  const raw = new Uint8Array(sockaddrMaxBytes);
  sockaddrEmit(raw, 0, { address: Uint8Array.from(host.split('.').map(Number)), port: Number(port), scopeId: 0 });
  return raw;
}

function textAddress(raw: Uint8Array): Address {
  return `${raw.slice(4, 8).join('.')}:${((raw[2] ?? 0) << 8) | (raw[3] ?? 0)}`;
}

export class Lab {
  readonly clock = new VirtualClock(1_000_000_000);
  readonly hosts: Host[] = [];
  readonly folder = mkdtempSync(path.join(os.tmpdir(), 'hawser-sessions-'));
  /** Every datagram that was ever sent, lost or not. */
  readonly sent: Datagram[] = [];
  /** Returns true for what shall not arrive. */
  lose: (datagram: Datagram) => boolean = () => false;
  #transit: Datagram[] = [];

  get nowUs(): number {
    return this.clock.nowUs();
  }

  send(datagram: Datagram): void {
    this.sent.push(datagram);
    if (!this.lose(datagram)) this.#transit.push(datagram);
  }

  /** Delivers and turns until nothing moves. */
  settle(): void {
    for (let round = 0; round < 200; round += 1) {
      const moved = this.#pump();
      // The manager looks at the tables once a millisecond.
      this.clock.advance(1000);
      if (moved === 0 && round > 3) return;
    }
    throw new Error('the hosts never come to rest');
  }

  run(seconds: number): void {
    const endUs = this.nowUs + seconds * 1e6;
    this.settle();
    while (this.nowUs < endUs) {
      this.clock.advance(Math.min(50_000, endUs - this.nowUs));
      this.settle();
    }
  }

  close(): void {
    for (const host of this.hosts) host.stop();
    rmSync(this.folder, { recursive: true });
  }

  #pump(): number {
    let moved = 0;
    for (const host of this.hosts) moved += host.turn() + host.pump();
    for (const datagram of this.#transit.splice(0)) {
      this.hosts.find((host) => host.address === datagram.to)?.receive(datagram);
      moved += 1;
    }
    return moved;
  }
}

export interface HostOptions {
  readonly name: string;
  readonly address: Address;
  readonly privateKey: Uint8Array;
}

/** Memory of a host outlives its session-manager, as the supervisor's does. */
export class Host {
  readonly name: string;
  address: Address;
  readonly publicKey: string;
  readonly sessions: SessionTable;
  readonly peers: RowTable;
  readonly paths: RowTable;
  readonly inbox: Uint8Array[] = [];
  /** Data packets that no key opened. */
  unopened = 0;
  readonly #lab: Lab;
  readonly #memory: Record<string, SharedArrayBuffer>;
  readonly #rings: Record<string, SharedArrayBuffer>;
  readonly #bell = new SharedArrayBuffer(doorbell.bytes);
  readonly #keyFile: string;
  readonly #out: RingConsumer;
  readonly #frames: RingConsumer;
  readonly #handshakes: RingProducer;
  readonly #events: RingProducer;
  #runner: HandRunner | undefined;

  constructor(lab: Lab, options: HostOptions) {
    this.#lab = lab;
    this.name = options.name;
    this.address = options.address;
    this.publicKey = formatKey(publicKeyOf(options.privateKey));
    this.#keyFile = path.join(lab.folder, `${options.name}.key`);
    writeFileSync(this.#keyFile, `${formatKey(options.privateKey)}\n`, { mode: 0o600 });
    this.#memory = {
      sessions: createSessionMemory(12, 256),
      peers: createRowTable(peerLayout, 4),
      paths: createRowTable(pathLayout, 8),
      links: createRowTable(link, 2),
      counters: new SharedArrayBuffer(counters.bytes),
    };
    this.#rings = Object.fromEntries(
      ['handshakes.wan', 'out.wan', 'frames', 'events', 'requests'].map((name) => [name, createRingMemory(65536)]),
    );
    this.sessions = new SessionTable(this.#memory.sessions as SharedArrayBuffer);
    this.peers = peerTable(this.#memory.peers as SharedArrayBuffer);
    this.paths = pathTable(this.#memory.paths as SharedArrayBuffer);
    const bell = new Doorbell(this.#bell, -1, addon);
    this.#out = new RingConsumer(this.#rings['out.wan'] as SharedArrayBuffer);
    this.#frames = new RingConsumer(this.#rings.frames as SharedArrayBuffer);
    this.#handshakes = new RingProducer(this.#rings['handshakes.wan'] as SharedArrayBuffer, bell);
    this.#events = new RingProducer(this.#rings.events as SharedArrayBuffer, bell);
    lab.hosts.push(this);
  }

  /** Starts a session-manager over this host's memory; again to put a successor in its place. */
  async start(peers: readonly PeerSettings[], stateDirectory = this.#lab.folder): Promise<void> {
    const settings: SessionManagerSettings = {
      name: this.name,
      privateKeyFile: this.#keyFile,
      stateDirectory,
      links: [{ row: 0, name: linkName, priority: 0 }],
      peers,
    };
    const port = (name: string, side: PortSpec['side']): PortSpec => ({
      name,
      side,
      ring: this.#rings[name] as SharedArrayBuffer,
      doorbell: this.#bell,
      doorbellFd: -1,
    });
    const spec: ActorSpec = {
      id: 'session-manager',
      role: 'session-manager',
      settings,
      ports: {
        'handshakes.wan': port('handshakes.wan', 'consumer'),
        'out.wan': port('out.wan', 'producer'),
        frames: port('frames', 'producer'),
        events: port('events', 'consumer'),
        requests: port('requests', 'consumer'),
      },
      fds: {},
      wakeOn: [],
      memory: this.#memory,
    };
    this.#runner = new HandRunner(this.#lab.clock);
    await this.#runner.add(definition, spec);
  }

  turn(): number {
    return this.#runner?.turn() ?? 0;
  }

  /** What the session-manager told the supervisor, by kind. */
  events(kind: string): unknown[] {
    return (this.#runner?.events ?? []).map((one) => one.event).filter((event) => event.kind === kind);
  }

  command(command: SessionManagerCommand): void {
    this.#runner?.command('session-manager', command);
  }

  /** Ends the session-manager, orderly. */
  stop(): void {
    this.#runner?.close();
    this.#runner = undefined;
  }

  /** Ends it as a crash does: nothing of it runs again. */
  crash(): void {
    this.#runner = undefined;
  }

  /** The settings of a peer that is `other`. */
  peer(other: Host, options: Partial<PeerSettings> = {}): PeerSettings {
    return {
      row: 0,
      name: other.name,
      publicKey: other.publicKey,
      presharedKeyFile: undefined,
      endpoints: [],
      keepaliveMs: 0,
      cipher: 'auto',
      ...options,
    };
  }

  count(counter: number): number {
    const cells = new Float64Array(this.#memory.counters as SharedArrayBuffer);
    return cells[(counters.cellsAt >> 3) + counter] ?? 0;
  }

  sendSlot(row = 0): number {
    return this.peers.int(row, peerLayout.sendSlotAt);
  }

  readySlots(): number[] {
    return Array.from({ length: this.sessions.rows }, (_, slot) => slot).filter(
      (slot) => this.sessions.int(slot, session.stateAt) === slotState.ready,
    );
  }

  /** Seals one IP-like packet to a peer; false when no key serves, and then a handshake is wanted. */
  sendData(text: string, row = 0): boolean {
    const bytes = new Uint8Array([0x45, ...Buffer.from(text)]);
    if (this.sendSlot(row) < 0) {
      this.peers.addInt(row, peerLayout.handshakeWantedAt, 1);
      return false;
    }
    const isSealed = this.#seal(row, this.sendSlot(row), bytes);
    if (isSealed) this.peers.setNumber(row, peerLayout.lastDataSentAt, this.#lab.nowUs);
    return isSealed;
  }

  /** What sealer, opener and link do when their rings ring. */
  pump(): number {
    const version = this.sessions.version();
    this.sessions.acknowledge(session.sealerSeenAt, version);
    this.sessions.acknowledge(session.openerSeenAt, version);
    let moved = 0;
    for (let at = this.#out.peek(); at >= 0; at = this.#out.peek()) {
      const length = this.#out.view.getInt32(at + outgoing.lengthAt, true);
      const to = this.#out.bytes.slice(at + outgoing.sockaddrAt, at + outgoing.sockaddrAt + sockaddrMaxBytes);
      const bytes = this.#out.bytes.slice(at + outgoing.payloadAt, at + outgoing.payloadAt + length);
      this.#lab.send({ from: this.address, to: textAddress(to), bytes });
      this.#out.advance();
      this.#out.release();
      moved += 1;
    }
    for (let at = this.#frames.peek(); at >= 0; at = this.#frames.peek()) {
      const view = this.#frames.view;
      const [row, slot, length] = [frame.peerAt, frame.slotAt, frame.lengthAt].map((cell) =>
        view.getInt32(at + cell, true),
      );
      const bytes = this.#frames.bytes.slice(at + frame.payloadAt, at + frame.payloadAt + (length ?? 0));
      this.#seal(row ?? 0, slot ?? 0, bytes);
      this.#frames.advance();
      this.#frames.release();
      moved += 1;
    }
    return moved;
  }

  receive(datagram: Datagram): void {
    if (wireguardType(datagram.bytes, 0) === messageType.data) this.#open(datagram);
    else this.#offer(this.#handshakes, recordType.handshakeIn, datagram, 0, datagram.bytes);
  }

  #seal(row: number, slot: number, bytes: Uint8Array): boolean {
    const { sessions } = this;
    if (sessions.int(slot, session.stateAt) !== slotState.ready) return false;
    if (this.#lab.nowUs >= sessions.number(slot, session.expiryAt)) {
      this.peers.addInt(row, peerLayout.handshakeWantedAt, 1);
      return false;
    }
    const kind = sessions.int(slot, session.sendCipherAt);
    const isAes = kind === cipher.aes256gcm;
    const counter = sessions.int(slot, session.sendCounterAt);
    sessions.addInt(slot, session.sendCounterAt, 1);
    const key = sessions.slice(slot, isAes ? session.sendKeyAesAt : session.sendKeyAt, 32);
    const receiver = sessions.int(slot, isAes ? session.remoteIndexAesAt : session.remoteIndexAt) >>> 0;
    const packet = new Uint8Array(dataHeaderBytes + bytes.length + 16);
    dataHeaderEmit(packet, 0, { receiver, counter });
    addon.aeadSeal(kind, key, nonceOf(counter), nothing, bytes, packet.subarray(dataHeaderBytes));
    const pathRow = this.peers.int(row, peerLayout.pathAt);
    const to = textAddress(this.paths.slice(pathRow, pathLayout.sockaddrAt, sockaddrMaxBytes));
    this.peers.setNumber(row, peerLayout.lastSentAt, this.#lab.nowUs);
    this.#lab.send({ from: this.address, to, bytes: packet });
    return true;
  }

  #open(datagram: Datagram): void {
    const { sessions, peers } = this;
    const index = wireguardReceiver(datagram.bytes, 0) | 0;
    for (const slot of this.readySlots()) {
      const isAes = sessions.int(slot, session.localIndexAesAt) === index;
      if (!isAes && sessions.int(slot, session.localIndexAt) !== index) continue;
      const sealed = datagram.bytes.subarray(dataHeaderBytes);
      const plain = new Uint8Array(sealed.length - 16);
      const key = sessions.slice(slot, isAes ? session.receiveKeyAesAt : session.receiveKeyAt, 32);
      const nonce = nonceOf(wireguardCounter(datagram.bytes, 0));
      const kind = isAes ? cipher.aes256gcm : cipher.chacha20poly1305;
      if (addon.aeadOpen(kind, key, nonce, nothing, sealed, plain) < 0) break;
      const row = sessions.int(slot, session.peerAt);
      const nowUs = this.#lab.nowUs;
      if (sessions.number(slot, session.firstReceivedAt) === 0)
        sessions.setNumber(slot, session.firstReceivedAt, nowUs);
      peers.setNumber(row, peerLayout.lastReceivedAt, nowUs);
      this.#deliver(plain, row, slot);
      const pathRow = peers.int(row, peerLayout.pathAt);
      const known = textAddress(this.paths.slice(pathRow, pathLayout.sockaddrAt, sockaddrMaxBytes));
      if (known !== datagram.from) this.#offer(this.#events, recordType.roamed, datagram, slot, nothing);
      return;
    }
    this.unopened += 1;
  }

  #deliver(plain: Uint8Array, row: number, slot: number): void {
    if (plain.length === 0) return;
    if ((plain[0] ?? 0) >> 4 === 0) {
      const record = new Uint8Array(frame.payloadAt + plain.length);
      const view = new DataView(record.buffer);
      view.setInt32(frame.peerAt, row, true);
      view.setInt32(frame.slotAt, slot, true);
      view.setInt32(frame.lengthAt, plain.length, true);
      record.set(plain, frame.payloadAt);
      this.#events.offer(record, recordType.frameIn);
      return;
    }
    this.peers.setNumber(row, peerLayout.lastDataReceivedAt, this.#lab.nowUs);
    this.inbox.push(plain.subarray(1));
  }

  #offer(ring: RingProducer, type: number, datagram: Datagram, slot: number, payload: Uint8Array): void {
    const record = new Uint8Array(received.payloadAt + payload.length);
    const view = new DataView(record.buffer);
    record.set(rawAddress(datagram.from), received.sockaddrAt);
    view.setInt32(received.lengthAt, payload.length, true);
    view.setInt32(received.segmentBytesAt, payload.length, true);
    view.setInt32(received.slotAt, slot, true);
    record.set(payload, received.payloadAt);
    ring.offer(record, type);
  }
}

function nonceOf(counter: number): Uint8Array {
  const nonce = new Uint8Array(12);
  new DataView(nonce.buffer).setUint32(4, counter, true);
  return nonce;
}
