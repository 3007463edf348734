/**
 * Hosts that are a real session-manager each, turned by hand under one virtual clock, with a data path and a network made of
 * arrays: packets are really sealed and opened with the keys of the session table, and the network can lose or replay them.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { Test } from 'tap';
import type { ActorSpec, PortSpec } from '../../src/actors/kit/contract.ts';
import { HandRunner, VirtualClock } from '../../src/actors/kit/hand-runner.ts';
import type { CrowdLimits } from '../../src/actors/session/crowds.ts';
import type { PeerSettings, SessionManagerCommand, SessionManagerSettings } from '../../src/actors/session/settings.ts';
import { definition } from '../../src/actors/session-manager.ts';
import { formatKey, publicKeyOf } from '../../src/config/keys.ts';
import { capability } from '../../src/contract/frames.ts';
import { carrier, link, transport } from '../../src/contract/link-tables.ts';
import {
  cipher,
  path as pathLayout,
  pathState,
  peer as peerLayout,
  session,
  slotState,
} from '../../src/contract/peer-tables.ts';
import { frame, outgoing, received, recordType } from '../../src/contract/records.ts';
import { counters, doorbell } from '../../src/contract/rings.ts';
import type { SharedMemory } from '../../src/control/supervisor-api.ts';
import { loadAddon } from '../../src/native/addon.ts';
import { carrierOf, linkOf } from '../../src/rings/carriers.ts';
import { Doorbell } from '../../src/rings/doorbell.ts';
import { createSessionMemory, SessionTable } from '../../src/rings/session-table.ts';
import { createRingMemory, RingConsumer, RingProducer } from '../../src/rings/spsc-ring.ts';
import { createRowTable, linkTable, pathTable, peerTable, type RowTable } from '../../src/rings/table.ts';
import { sockaddrEmit, sockaddrMaxBytes } from '../../src/wire/sockaddr.ts';
import {
  dataHeaderBytes,
  dataHeaderEmit,
  messageType,
  wireguardCounter,
  wireguardReceiver,
  wireguardType,
} from '../../src/wire/wireguard.ts';
import { Voter } from './voter.ts';

const addon = loadAddon();
const nothing = new Uint8Array(0);
const linkName = 'wan';
/** CLOCK_REALTIME when the virtual clock stands at 0. */
const epochMs = Date.UTC(2026, 10, 28);

/** `10.0.0.1:51820`, IPv4 only. */
export type Address = string;

export interface Datagram {
  readonly from: Address;
  readonly to: Address;
  readonly bytes: Uint8Array;
  /** DSCP and ECN of the outer header; nothing = 0. */
  readonly trafficClass?: number;
  /** For how long it has waited since the kernel received it; nothing = the kernel gave no time. */
  readonly waitedUs?: number;
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
      this.hosts.find((host) => host.linkAt(datagram.to) >= 0)?.receive(datagram);
      moved += 1;
    }
    return moved;
  }
}

export interface HostOptions {
  readonly name: string;
  readonly address: Address;
  readonly privateKey: Uint8Array;
  /** Further addresses that `wan` has. */
  readonly aliases?: readonly Address[];
  /** Further links, and where the host is by them; the first, at `address`, is `wan`. */
  readonly links?: Readonly<Record<string, Address>>;
  /** Most peers that it may have, and sets of keys. */
  readonly peerRows?: number;
  readonly slots?: number;
}

/** Memory of a host outlives its session-manager, as the supervisor's does. */
export class Host {
  readonly name: string;
  /** Where the host is by each link, in the order of their rows. */
  readonly addresses: Address[];
  readonly #aliases: readonly Address[];
  readonly linkNames: readonly string[];
  /** `bonding.repair` of the next start. */
  repairsAlone = true;
  hasClientStore = false;
  crowds: CrowdLimits | undefined;
  /** `server.authorise` of the next start. */
  authorise: string | undefined;
  readonly publicKey: string;
  readonly sessions: SessionTable;
  readonly peers: RowTable;
  readonly paths: RowTable;
  readonly links: RowTable;
  readonly inbox: Uint8Array[] = [];
  /** How far this host's wall clock is ahead of the true time. */
  wallSkewMs = 0;
  /** Frames that the session-manager gave to the sealer. */
  readonly framesSent: Uint8Array[] = [];
  /** True for an opened packet that never reaches the session-manager. */
  refuse: (plain: Uint8Array) => boolean = () => false;
  /** Data packets that no key opened. */
  unopened = 0;
  readonly #lab: Lab;
  readonly #memory: Record<string, SharedArrayBuffer>;
  readonly #rings: Record<string, SharedArrayBuffer>;
  readonly #bell = new SharedArrayBuffer(doorbell.bytes);
  readonly #keyFile: string;
  readonly #outs: readonly RingConsumer[];
  readonly #frames: RingConsumer;
  readonly #handshakes: readonly RingProducer[];
  readonly #events: RingProducer;
  readonly #requests: RingProducer;
  readonly #voter: Voter;
  #runner: HandRunner | undefined;

  constructor(lab: Lab, options: HostOptions) {
    this.#lab = lab;
    this.name = options.name;
    this.addresses = [options.address, ...Object.values(options.links ?? {})];
    this.#aliases = options.aliases ?? [];
    this.linkNames = [linkName, ...Object.keys(options.links ?? {})];
    this.publicKey = formatKey(publicKeyOf(options.privateKey));
    this.#keyFile = path.join(lab.folder, `${options.name}.key`);
    writeFileSync(this.#keyFile, `${formatKey(options.privateKey)}\n`, { mode: 0o600 });
    this.#memory = {
      sessions: createSessionMemory(options.slots ?? 12, 256),
      peers: createRowTable(peerLayout, options.peerRows ?? 4),
      paths: createRowTable(pathLayout, (options.peerRows ?? 4) * pathLayout.mostPerPeer),
      links: createRowTable(link, 8),
      carriers: createRowTable(carrier, 8 * carrier.rowsPerLink),
      counters: new SharedArrayBuffer(counters.bytes),
    };
    const perLink = this.linkNames.flatMap((name) => [`handshakes.${name}`, `out.${name}`]);
    this.#rings = Object.fromEntries(
      [...perLink, 'frames', 'events', 'requests'].map((name) => [name, createRingMemory(65536)]),
    );
    this.sessions = new SessionTable(this.#memory.sessions as SharedArrayBuffer);
    this.peers = peerTable(this.#memory.peers as SharedArrayBuffer);
    this.peers.setUsed(this.peers.rows);
    this.paths = pathTable(this.#memory.paths as SharedArrayBuffer);
    this.links = linkTable(this.#memory.links as SharedArrayBuffer);
    this.#voter = new Voter(this.paths);
    const bell = new Doorbell(this.#bell, -1, addon);
    const ring = (name: string) => this.#rings[name] as SharedArrayBuffer;
    this.#outs = this.linkNames.map((name) => new RingConsumer(ring(`out.${name}`)));
    this.#frames = new RingConsumer(this.#rings.frames as SharedArrayBuffer);
    this.#handshakes = this.linkNames.map((name) => new RingProducer(ring(`handshakes.${name}`), bell));
    this.#events = new RingProducer(this.#rings.events as SharedArrayBuffer, bell);
    this.#requests = new RingProducer(this.#rings.requests as SharedArrayBuffer, bell);
    lab.hosts.push(this);
  }

  /** As the control-server has it. */
  get shared(): SharedMemory {
    const { peers, paths, links, carriers, sessions } = this.#memory as Record<string, SharedArrayBuffer>;
    const none = new SharedArrayBuffer(0);
    return {
      peers: peers ?? none,
      paths: paths ?? none,
      links: links ?? none,
      carriers: carriers ?? none,
      sessions: sessions ?? none,
      sealedLog: none,
      checks: none,
      rings: {},
      counters: {},
    };
  }

  /** Where the host is by its first link. */
  get address(): Address {
    return this.addresses[0] ?? '';
  }

  set address(address: Address) {
    this.addresses[0] = address;
  }

  /** Row of the link that an address belongs to, -1 = none. */
  linkAt(address: Address): number {
    return this.#aliases.includes(address) ? 0 : this.addresses.indexOf(address);
  }

  /** Starts a session-manager over this host's memory; again to put a successor in its place. `linkRows`: the links it is told of. */
  async start(
    peers: readonly PeerSettings[],
    stateDirectory = this.#lab.folder,
    linkRows = [...this.linkNames.keys()],
  ): Promise<void> {
    const settings: SessionManagerSettings = {
      name: this.name,
      privateKeyFile: this.#keyFile,
      stateDirectory,
      links: linkRows.map((row) => ({ row, name: this.linkNames[row] ?? '', priority: row, interface: undefined })),
      carriers: linkRows.map((row) => ({ row: carrierOf(row, transport.udp), name: this.linkNames[row] ?? '' })),
      peers,
      failbackMs: 5000,
      repairsAlone: this.repairsAlone,
      hasClientStore: this.hasClientStore,
      ...(this.crowds === undefined ? {} : { crowds: this.crowds }),
      ...(this.authorise === undefined ? {} : { authorise: this.authorise }),
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
        ...Object.fromEntries(
          this.linkNames.flatMap((name) => [
            [`handshakes.${name}`, port(`handshakes.${name}`, 'consumer')],
            [`out.${name}`, port(`out.${name}`, 'producer')],
          ]),
        ),
        frames: port('frames', 'producer'),
        events: port('events', 'consumer'),
        requests: port('requests', 'consumer'),
      },
      fds: {},
      wakeOn: [],
      memory: this.#memory,
    };
    const runner = new HandRunner(this.#lab.clock);
    await this.#onWallClock(() => runner.add(definition, spec));
    this.#runner = runner;
  }

  turn(): number {
    // Else the sealer's affair.
    const changed = this.#voter.vote();
    for (const row of changed) this.#tell(recordType.pathJudged, row);
    return changed.size + this.#onWallClock(() => this.#runner?.turn() ?? 0);
  }

  /** `Date.now()` is this host's while `act` runs to its first wait. */
  #onWallClock<T>(act: () => T): T {
    const { now } = Date;
    Date.now = () => epochMs + Math.floor(this.#lab.nowUs / 1000) + this.wallSkewMs;
    try {
      return act();
    } finally {
      Date.now = now;
    }
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
      limits: { upBps: 0, downBps: 0, priority: 50 },
      ...options,
    };
  }

  count(counter: number): number {
    const cells = new Float64Array(this.#memory.counters as SharedArrayBuffer);
    return cells[(counters.cellsAt >> 3) + counter] ?? 0;
  }

  /** Where the path in a row leads. */
  endpointOf(pathRow: number): Address {
    return textAddress(this.paths.slice(pathRow, pathLayout.endpointAt, sockaddrMaxBytes));
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
      this.wantHandshake(row);
      return false;
    }
    const isSealed = this.#seal(row, this.sendSlot(row), bytes);
    if (!isSealed) return false;
    this.peers.setNumber(row, peerLayout.lastDataSentAt, this.#lab.nowUs);
    this.#tell(recordType.dataBegan, row);
    return true;
  }

  /** As the sealer asks (`SealDesk.wantHandshake`). */
  wantHandshake(row: number): void {
    this.peers.addInt(row, peerLayout.handshakeWantedAt, 1);
    this.#tell(recordType.handshakeWanted, row);
  }

  /** Says to the session-manager that there is news of a peer, as the sealer does. */
  #tell(type: number, row: number): void {
    const at = this.#requests.claim(4);
    if (at < 0) return;
    this.#requests.view.setInt32(at, row, true);
    this.#requests.commit(4, type);
    this.#requests.publish();
  }

  /** Whatever frame, to the first peer by its home path. */
  sendFrame(bytes: Uint8Array): void {
    this.#seal(0, this.sendSlot(), bytes);
  }

  /** What sealer, opener and link do when their rings ring. */
  pump(): number {
    const version = this.sessions.version();
    this.sessions.acknowledge(session.sealerSeenAt, version);
    this.sessions.acknowledge(session.openerSeenAt, version);
    let moved = 0;
    for (const [row, out] of this.#outs.entries()) moved += this.#pumpOut(row, out);
    for (let at = this.#frames.peek(); at >= 0; at = this.#frames.peek()) {
      const view = this.#frames.view;
      const cells = [frame.peerAt, frame.slotAt, frame.lengthAt, frame.pathAt];
      const [row = 0, slot = 0, length = 0, pathRow = -1] = cells.map((cell) => view.getInt32(at + cell, true));
      const bytes = this.#frames.bytes.slice(at + frame.payloadAt, at + frame.payloadAt + length);
      this.framesSent.push(bytes);
      this.#seal(row, slot, bytes, pathRow);
      this.#frames.advance();
      this.#frames.release();
      moved += 1;
    }
    return moved;
  }

  #pumpOut(row: number, out: RingConsumer): number {
    let moved = 0;
    for (let at = out.peek(); at >= 0; at = out.peek()) {
      const length = out.view.getInt32(at + outgoing.lengthAt, true);
      const to = out.bytes.slice(at + outgoing.endpointAt, at + outgoing.endpointAt + sockaddrMaxBytes);
      const bytes = out.bytes.slice(at + outgoing.payloadAt, at + outgoing.payloadAt + length);
      const local = out.bytes.slice(at + outgoing.localAt, at + outgoing.localAt + 4);
      const trafficClass = out.view.getInt32(at + outgoing.trafficClassAt, true);
      this.#lab.send({ from: this.#sourceOf(row, local), to: textAddress(to), bytes, trafficClass });
      out.advance();
      out.release();
      moved += 1;
    }
    return moved;
  }

  receive(datagram: Datagram): void {
    if (wireguardType(datagram.bytes, 0) === messageType.data) this.#open(datagram);
    else this.#offer(this.#handshakes[this.linkAt(datagram.to)], recordType.handshakeIn, datagram, 0, datagram.bytes);
  }

  /** `pathRow`: the path to leave by, -1 = the home path. */
  #seal(row: number, slot: number, bytes: Uint8Array, pathRow = -1): boolean {
    const { sessions } = this;
    if (sessions.int(slot, session.stateAt) !== slotState.ready) return false;
    if (this.#lab.nowUs >= sessions.number(slot, session.expiryAt)) {
      this.wantHandshake(row);
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
    const by = pathRow >= 0 ? pathRow : this.peers.int(row, peerLayout.pathAt);
    const to = textAddress(this.paths.slice(by, pathLayout.endpointAt, sockaddrMaxBytes));
    this.peers.setNumber(row, peerLayout.lastSentAt, this.#lab.nowUs);
    const local = this.paths.slice(by, pathLayout.localAt, 4);
    this.#lab.send({
      from: this.#sourceOf(linkOf(this.paths.int(by, pathLayout.carrierAt)), local),
      to,
      bytes: packet,
    });
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
      if (sessions.number(slot, session.firstReceivedAt) === 0) {
        sessions.setNumber(slot, session.firstReceivedAt, nowUs);
        this.#events.offer(new Uint8Array(Int32Array.of(slot).buffer), recordType.keysUsed);
      }
      peers.setNumber(row, peerLayout.lastReceivedAt, nowUs);
      const pathRow = this.#pathOf(row, datagram);
      if (pathRow >= 0) {
        this.paths.setNumber(pathRow, pathLayout.lastReceivedAt, nowUs);
        this.paths.addNumber(pathRow, pathLayout.receivedPacketsAt, 1);
        this.paths.addNumber(pathRow, pathLayout.receivedBytesAt, datagram.bytes.length);
      }
      this.#deliver(plain, row, slot, pathRow);
      const hasPaths = (sessions.int(slot, session.capabilitiesAt) & capability.paths) !== 0;
      const isElsewhere = pathRow < 0 || (!hasPaths && pathRow !== peers.int(row, peerLayout.pathAt));
      if (isElsewhere) this.#offer(this.#events, recordType.roamed, datagram, slot, nothing);
      return;
    }
    this.unopened += 1;
  }

  /** What a link sends from: the address asked for, if it has it. */
  #sourceOf(linkRow: number, local: Uint8Array): Address {
    const asked = this.#aliases.find((alias) => linkRow === 0 && alias.startsWith(`${local.join('.')}:`));
    return asked ?? this.addresses[linkRow] ?? '';
  }

  /** Row of the path a datagram came by, -1 = none; as the opener finds it. */
  #pathOf(row: number, datagram: Datagram): number {
    const rows = Array.from({ length: this.paths.used() }, (_, one) => one);
    const isIt = (one: number): boolean =>
      this.paths.int(one, pathLayout.stateAt) !== pathState.free &&
      this.paths.int(one, pathLayout.peerAt) === row &&
      this.paths.int(one, pathLayout.carrierAt) === carrierOf(this.linkAt(datagram.to), transport.udp) &&
      ['0.0.0.0', localOf(datagram)].includes(this.paths.slice(one, pathLayout.localAt, 4).join('.')) &&
      textAddress(this.paths.slice(one, pathLayout.endpointAt, sockaddrMaxBytes)) === datagram.from;
    return rows.find(isIt) ?? -1;
  }

  #deliver(plain: Uint8Array, row: number, slot: number, pathRow: number): void {
    if (plain.length === 0 || this.refuse(plain)) return;
    if ((plain[0] ?? 0) >> 4 === 0) {
      const record = new Uint8Array(frame.payloadAt + plain.length);
      const view = new DataView(record.buffer);
      view.setInt32(frame.peerAt, row, true);
      view.setInt32(frame.slotAt, slot, true);
      view.setInt32(frame.lengthAt, plain.length, true);
      view.setInt32(frame.pathAt, pathRow, true);
      record.set(plain, frame.payloadAt);
      this.#events.offer(record, recordType.frameIn);
      return;
    }
    this.peers.setNumber(row, peerLayout.lastDataReceivedAt, this.#lab.nowUs);
    this.inbox.push(plain.subarray(1));
  }

  #offer(ring: RingProducer | undefined, type: number, datagram: Datagram, slot: number, payload: Uint8Array): void {
    const record = new Uint8Array(received.payloadAt + payload.length);
    const view = new DataView(record.buffer);
    record.set(rawAddress(datagram.from), received.endpointAt);
    view.setInt32(received.carrierAt, carrierOf(this.linkAt(datagram.to), transport.udp), true);
    record.set(localOf(datagram).split('.').map(Number), received.localAt);
    view.setInt32(received.lengthAt, datagram.bytes.length, true);
    view.setInt32(received.segmentBytesAt, payload.length, true);
    view.setInt32(received.slotAt, slot, true);
    view.setInt32(received.trafficClassAt, datagram.trafficClass ?? 0, true);
    const { waitedUs } = datagram;
    const receivedUs = waitedUs === undefined ? 0 : this.#onWallClock(() => Date.now()) * 1000 - waitedUs;
    view.setFloat64(received.timeAt, receivedUs, true);
    record.set(payload, received.payloadAt);
    ring?.offer(record, type);
  }
}

function localOf(datagram: Datagram): string {
  return datagram.to.split(':')[0] ?? '';
}

function nonceOf(counter: number): Uint8Array {
  const nonce = new Uint8Array(12);
  new DataView(nonce.buffer).setUint32(4, counter, true);
  return nonce;
}

/** A lab that ends with the test, and a hub in it at 10.0.0.1, which has not started. */
export function labWithHub(t: Test, room: Pick<HostOptions, 'peerRows' | 'slots'> = {}): { lab: Lab; hub: Host } {
  const lab = new Lab();
  t.teardown(() => lab.close());
  const hub = new Host(lab, { name: 'hub', address: '10.0.0.1:51820', privateKey: Buffer.alloc(32, 1), ...room });
  return { lab, hub };
}
