/** Peers, paths and links as rows, read from the shared tables; names come from the supervisor. */
import { endianness } from 'node:os';
import { formatAddress, formatEndpoint } from '../config/address.ts';
import { cipher, link, path, pathState, peer, session, slotState, transport } from '../rings/layout.ts';
import { SessionTable } from '../rings/session-table.ts';
import { linkTable, pathTable, peerTable, type RowTable } from '../rings/table.ts';
import type { Rates } from './rates.ts';
import type { LinkStatus, PathStatus, PeerStatus } from './rows.ts';
import type { InstanceInfo, PeerName, SharedMemory } from './supervisor-api.ts';

/** A reader gives up on a row that is always being written and takes what it has: it only shows it. */
const seqlockTries = 100;
/** AF_INET and AF_INET6 of Linux. */
const inet4 = 2;
const inet6 = 10;

export class NetworkReader {
  readonly #peers: RowTable;
  readonly #paths: RowTable;
  readonly #links: RowTable;
  readonly #sessions: SessionTable;

  constructor(memory: SharedMemory) {
    this.#peers = peerTable(memory.peers);
    this.#paths = pathTable(memory.paths);
    this.#links = linkTable(memory.links);
    this.#sessions = new SessionTable(memory.sessions);
  }

  /** What `Rates` samples, by the keys that `peers` asks for. */
  counts(instance: InstanceInfo): [string, number][] {
    return instance.peers.flatMap(({ row, name }): [string, number][] => [
      [`peer ${name} received`, this.#peers.number(row, peer.receivedBytesAt)],
      [`peer ${name} sent`, this.#peers.number(row, peer.sentBytesAt)],
    ]);
  }

  peers(instance: InstanceInfo, nowUs: number, rates: Rates): PeerStatus[] {
    return instance.peers.map((named) => this.#peer(named, instance, nowUs, rates));
  }

  paths(instance: InstanceInfo, nowUs: number): PathStatus[] {
    const rows = Array.from({ length: this.#paths.rows }, (_, row) => row);
    return rows
      .filter((row) => this.#paths.int(row, path.stateAt) !== pathState.free)
      .map((row) => this.#path(row, instance, nowUs));
  }

  links(instance: InstanceInfo): LinkStatus[] {
    const table = this.#links;
    return instance.links.map(({ row, name, interface: device }) => ({
      name,
      interface: device,
      gso: table.int(row, link.gsoAt) === 1,
      gro: table.int(row, link.groAt) === 1,
      outqBytes: table.int(row, link.outqBytesAt),
      sentBytes: table.number(row, link.sentBytesAt),
      sentPackets: table.number(row, link.sentPacketsAt),
      receivedBytes: table.number(row, link.receivedBytesAt),
      receivedPackets: table.number(row, link.receivedPacketsAt),
      errors: table.number(row, link.errorsAt),
      droppedPackets: table.number(row, link.droppedAt),
      lastError: table.int(row, link.lastErrorAt),
    }));
  }

  #peer(named: PeerName, instance: InstanceInfo, nowUs: number, rates: Rates): PeerStatus {
    const { row, name, publicKey, allowedIPs } = named;
    const table = this.#peers;
    const pathRow = table.int(row, peer.pathAt);
    const current = this.#isLivePath(pathRow) ? this.#path(pathRow, instance, nowUs) : undefined;
    const receivedBytes = table.number(row, peer.receivedBytesAt);
    const sentBytes = table.number(row, peer.sentBytesAt);
    const queuedPackets = table.int(row, peer.queuedPacketsAt);
    const keys = this.#session(table.int(row, peer.sendSlotAt), nowUs);
    const idle = queuedPackets > 0 ? 'waiting' : 'idle';
    return {
      name,
      publicKey,
      state: keys.isReady ? 'connected' : idle,
      allowedIPs,
      endpoint: current?.endpoint,
      link: current?.link,
      transport: current?.transport,
      handshakeAgeMs: ageMs(table.number(row, peer.lastHandshakeAt), nowUs),
      lastReceivedAgeMs: ageMs(table.number(row, peer.lastReceivedAt), nowUs),
      lastSentAgeMs: ageMs(table.number(row, peer.lastSentAt), nowUs),
      cipher: keys.cipher,
      keyAgeMs: keys.ageMs,
      generation: keys.generation,
      isHawser: keys.isHawser,
      receivedBytes,
      receivedPackets: table.number(row, peer.receivedPacketsAt),
      sentBytes,
      sentPackets: table.number(row, peer.sentPacketsAt),
      receivedBps: rates.perSecond(`peer ${name} received`, receivedBytes, nowUs) * 8,
      sentBps: rates.perSecond(`peer ${name} sent`, sentBytes, nowUs) * 8,
      queuedPackets,
      queuedBytes: table.int(row, peer.queuedBytesAt),
      droppedPackets: table.number(row, peer.droppedPacketsAt),
      replayedPackets: table.number(row, peer.replayedPacketsAt),
      rejectedPackets: table.number(row, peer.rejectedPacketsAt),
    };
  }

  /** Never reads a key. */
  #session(slot: number, nowUs: number) {
    const none = { isReady: false, cipher: undefined, ageMs: undefined, generation: undefined, isHawser: false };
    const table = this.#sessions;
    if (slot < 0 || slot >= table.rows || table.int(slot, session.stateAt) !== slotState.ready) return none;
    return {
      isReady: nowUs < table.number(slot, session.expiryAt),
      cipher: nameOf(cipher, table.int(slot, session.sendCipherAt), cipherNames),
      ageMs: ageMs(table.number(slot, session.birthAt), nowUs),
      generation: table.int(slot, session.generationAt),
      isHawser: table.int(slot, session.capabilitiesAt) !== 0,
    };
  }

  #isLivePath(row: number): boolean {
    return row >= 0 && row < this.#paths.rows && this.#paths.int(row, path.stateAt) !== pathState.free;
  }

  #path(row: number, instance: InstanceInfo, nowUs: number): PathStatus {
    const table = this.#paths;
    const bytes = this.#consistentRow(row);
    const words = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const isLittle = endianness() === 'LE';
    const peerRow = words.getInt32(path.peerAt, isLittle);
    const linkRow = words.getInt32(path.linkAt, isLittle);
    const family = words.getUint16(path.sockaddrAt, isLittle);
    return {
      id: row,
      peer: instance.peers.find((named) => named.row === peerRow)?.name ?? `row ${peerRow}`,
      link: instance.links.find((named) => named.row === linkRow)?.name ?? `row ${linkRow}`,
      transport: nameOf(transport, words.getInt32(path.transportAt, isLittle)) ?? 'unknown',
      endpoint: formatSockaddr(bytes.subarray(path.sockaddrAt, path.sockaddrAt + 28), family),
      local: formatLocal(bytes.subarray(path.localAt, path.localAt + 16), family),
      state: nameOf(pathState, words.getInt32(path.stateAt, isLittle)) ?? 'unknown',
      isCurrent: peerRow >= 0 && peerRow < this.#peers.rows && this.#peers.int(peerRow, peer.pathAt) === row,
      sentBytes: table.number(row, path.sentBytesAt),
      sentPackets: table.number(row, path.sentPacketsAt),
      lateBytes: table.number(row, path.lateBytesAt),
      refusedBytes: table.number(row, path.refusedBytesAt),
      receivedBytes: table.number(row, path.receivedBytesAt),
      receivedPackets: table.number(row, path.receivedPacketsAt),
      lastReceivedAgeMs: ageMs(table.number(row, path.lastReceivedAt), nowUs),
    };
  }

  /** A copy of the columns under the seqlock. */
  #consistentRow(row: number): Uint8Array {
    for (let tries = 0; ; tries++) {
      const before = this.#paths.int(row, path.sequenceAt);
      const copy = Uint8Array.from(this.#paths.slice(row, 0, path.sealedBytesAt));
      const isStable = (before & 1) === 0 && this.#paths.int(row, path.sequenceAt) === before;
      if (isStable || tries === seqlockTries) return copy;
    }
  }
}

const cipherNames: Readonly<Record<string, string>> = {
  chacha20poly1305: 'chacha20-poly1305',
  aes256gcm: 'aes-256-gcm',
};

/** The key under which a constant of `layout.ts` stands. */
function nameOf(
  group: Readonly<Record<string, number>>,
  value: number,
  words: Readonly<Record<string, string>> = {},
): string | undefined {
  const key = Object.keys(group).find((name) => group[name] === value);
  return key === undefined ? undefined : (words[key] ?? key);
}

/** 0 in a table means "never". */
function ageMs(atUs: number, nowUs: number): number | undefined {
  return atUs === 0 ? undefined : Math.max(0, (nowUs - atUs) / 1000);
}

/** sockaddr_in and sockaddr_in6 of netinet/in.h: port at 2, address at 4 and at 8. */
function formatSockaddr(bytes: Uint8Array, family: number): string {
  const port = ((bytes[2] ?? 0) << 8) | (bytes[3] ?? 0);
  if (family === inet4) return formatEndpoint({ host: formatAddress(Buffer.from(bytes.subarray(4, 8))), port });
  if (family === inet6) return formatEndpoint({ host: formatAddress(Buffer.from(bytes.subarray(8, 24))), port });
  return 'unknown';
}

function formatLocal(bytes: Uint8Array, family: number): string | undefined {
  const address = Buffer.from(family === inet4 ? bytes.subarray(0, 4) : bytes);
  return address.every((byte) => byte === 0) ? undefined : formatAddress(address);
}
