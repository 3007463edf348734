/** Peers as rows, read from the shared tables; names come from the supervisor. */
import { cipher, peer, peerKind, peerRefusal, session, slotState } from '../contract/peer-tables.ts';
import { SessionTable } from '../rings/session-table.ts';
import { peerTable, type RowTable } from '../rings/table.ts';
import { ageMs, knownMs, nameOf } from './cells.ts';
import type { PeerGlance } from './crowd.ts';
import type { RowCounters } from './last-changes.ts';
import type { RateMoment } from './rate-events.ts';
import type { PathReader } from './read-paths.ts';
import { RowRates } from './row-rates.ts';
import type { PeerRates, PeerRefusal, PeerStatus } from './rows.ts';
import type { InstanceInfo, PeerName, SharedMemory } from './supervisor-api.ts';

/** A limit that held something back so lately is one that people wait for now. */
const reachedUs = 2_000_000;

export class PeerReader {
  readonly #peers: RowTable;
  readonly #paths: PathReader;
  readonly #sessions: SessionTable;
  readonly #rates: RowRates;
  #named: readonly PeerName[] = [];
  #namedOf: InstanceInfo['peers'] | undefined;
  #namedRows: readonly number[] = [];

  constructor(memory: SharedMemory, paths: PathReader) {
    this.#peers = peerTable(memory.peers);
    this.#paths = paths;
    this.#sessions = new SessionTable(memory.sessions);
    this.#rates = new RowRates(this.#peers, [peer.receivedBytesAt, peer.sentBytesAt]);
  }

  /** Called often, so that rates are known when somebody asks. */
  sample(nowUs: number): void {
    this.#rates.sample(nowUs, this.#paths.peersInUse());
  }

  /** What `LastChanges` watches: `peer NAME COLUMN`. */
  counters(instance: InstanceInfo): RowCounters {
    return {
      table: this.#peers,
      rows: this.#paths.peersInUse(),
      columns: {
        givenUpPackets: peer.givenUpPacketsAt,
        rebuiltPackets: peer.rebuiltPacketsAt,
        resentPackets: peer.resentPacketsAt,
      },
      keyOf: (row, column) => `peer ${this.#paths.nameOf(row, instance)} ${column}`,
    };
  }

  /** Tells when data was last sent to each, and anything received from it. */
  eachActivity(instance: InstanceInfo, tell: (name: string, sentUs: number, receivedUs: number) => void): void {
    for (const { row, name } of this.#inUse(instance))
      tell(name, this.#peers.number(row, peer.lastDataSentAt), this.#peers.number(row, peer.lastReceivedAt));
  }

  /** How near each is to its rates. */
  *rates(instance: InstanceInfo): Iterable<RateMoment> {
    for (const { row, name } of this.#inUse(instance)) {
      const sendUs = this.#peers.number(row, peer.limitedUsAt);
      const takeUs = this.#peers.number(row, peer.policedUsAt);
      if (sendUs + takeUs === 0) continue;
      const sendBps = this.#peers.number(row, peer.sendBpsAt);
      yield { peer: name, sendBps, sendUs, takeBps: this.#peers.number(row, peer.takeBpsAt), takeUs };
    }
  }

  /** Of thousands of peers those that have a path, looked up when that changes. */
  #inUse(instance: InstanceInfo): readonly PeerName[] {
    const rows = this.#paths.peersInUse();
    if (this.#namedOf !== instance.peers || this.#namedRows !== rows) {
      const isInUse = new Set(rows);
      this.#named = instance.peers.filter(({ row }) => isInUse.has(row));
      this.#namedOf = instance.peers;
      this.#namedRows = rows;
    }
    return this.#named;
  }

  /** The little of it that is read of thousands. As `peer` has it. */
  glance({ row, name, endpoints, keepaliveMs }: PeerName, nowUs: number): PeerGlance {
    const table = this.#peers;
    const idle = table.int(row, peer.queuedPacketsAt) > 0 ? 'waiting' : 'idle';
    return {
      name,
      state: this.#isReady(table.int(row, peer.sendSlotAt), nowUs) ? 'connected' : idle,
      cutOffAgeMs: undefined,
      isWanted: endpoints.length > 0 && keepaliveMs > 0,
      refusal: this.#refusal(row, nowUs),
      receivedBytes: table.number(row, peer.receivedBytesAt),
      sentBytes: table.number(row, peer.sentBytesAt),
      receivedBps: this.#rates.perSecond(row, peer.receivedBytesAt, nowUs) * 8,
      sentBps: this.#rates.perSecond(row, peer.sentBytesAt, nowUs) * 8,
      queuedBytes: table.int(row, peer.queuedBytesAt),
    };
  }

  peer(named: PeerName, instance: InstanceInfo, nowUs: number): PeerStatus {
    const { row, name, publicKey, allowedIPs } = named;
    const table = this.#peers;
    const pathRow = table.int(row, peer.pathAt);
    const current = this.#paths.place(pathRow, instance);
    const receivedBytes = table.number(row, peer.receivedBytesAt);
    const sentBytes = table.number(row, peer.sentBytesAt);
    const queuedPackets = table.int(row, peer.queuedPacketsAt);
    const keys = this.#session(table.int(row, peer.sendSlotAt), nowUs);
    const idle = queuedPackets > 0 ? 'waiting' : 'idle';
    const kind = table.int(row, peer.kindAt);
    const isHawser = keys.isHawser || kind === peerKind.hawser;
    return {
      name,
      publicKey,
      state: keys.isReady ? 'connected' : idle,
      cutOffAgeMs: undefined,
      isWanted: named.endpoints.length > 0 && named.keepaliveMs > 0,
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
      isHawser: isHawser || (kind === peerKind.wireguard ? false : undefined),
      receivedBytes,
      receivedPackets: table.number(row, peer.receivedPacketsAt),
      sentBytes,
      sentPackets: table.number(row, peer.sentPacketsAt),
      receivedBps: this.#rates.perSecond(row, peer.receivedBytesAt, nowUs) * 8,
      sentBps: this.#rates.perSecond(row, peer.sentBytesAt, nowUs) * 8,
      queuedPackets,
      queuedBytes: table.int(row, peer.queuedBytesAt),
      refusal: this.#refusal(row, nowUs),
      droppedPackets: table.number(row, peer.droppedPacketsAt),
      replayedPackets: table.number(row, peer.replayedPacketsAt),
      rejectedPackets: table.number(row, peer.rejectedPacketsAt),
      resentPackets: table.number(row, peer.resentPacketsAt),
      heldPackets: table.int(row, peer.heldPacketsAt),
      givenUpPackets: table.number(row, peer.givenUpPacketsAt),
      rebuiltPackets: table.number(row, peer.rebuiltPacketsAt),
      reorderDeadlineMs: knownMs(table.number(row, peer.reorderDeadlineUsAt)),
      limits: this.#limits(row, nowUs),
    };
  }

  #limits(row: number, nowUs: number): PeerRates {
    const table = this.#peers;
    const bps = (column: number): number | undefined => table.number(row, column) || undefined;
    const isRecent = (column: number): boolean => {
      const atUs = table.number(row, column);
      return atUs > 0 && nowUs - atUs < reachedUs;
    };
    const sendBps = bps(peer.sendBpsAt);
    return {
      receiveBps: bps(peer.takeBpsAt),
      sendBps,
      isTold: sendBps !== undefined && sendBps === bps(peer.toldBpsAt),
      priority: table.int(row, peer.priorityAt),
      reached: [
        ...(isRecent(peer.policedUsAt) ? (['receive'] as const) : []),
        ...(isRecent(peer.limitedUsAt) ? (['send'] as const) : []),
      ],
      policedPackets: table.number(row, peer.policedPacketsAt),
      receivedBytes: table.number(row, peer.innerRxBytesAt),
      sentBytes: table.number(row, peer.innerTxBytesAt),
    };
  }

  #refusal(row: number, nowUs: number): PeerRefusal | undefined {
    const table = this.#peers;
    const code = table.int(row, peer.refusalAt);
    if (code === peerRefusal.none) return undefined;
    const reason = nameOf(peerRefusal, code) as keyof typeof peerRefusal | undefined;
    if (reason === undefined || reason === 'none') return undefined;
    return {
      reason,
      ageMs: ageMs(table.number(row, peer.refusedUsAt), nowUs) ?? 0,
      count: table.number(row, peer.refusedCountAt),
      behindMs: reason === 'clockBehind' ? Math.round(table.number(row, peer.behindUsAt) / 1000) : undefined,
    };
  }

  #isSlot(slot: number): boolean {
    return slot >= 0 && slot < this.#sessions.rows && this.#sessions.int(slot, session.stateAt) === slotState.ready;
  }

  #isReady(slot: number, nowUs: number): boolean {
    return this.#isSlot(slot) && nowUs < this.#sessions.number(slot, session.expiryAt);
  }

  /** Never reads a key. */
  #session(slot: number, nowUs: number) {
    const none = { isReady: false, cipher: undefined, ageMs: undefined, generation: undefined, isHawser: false };
    const table = this.#sessions;
    if (!this.#isSlot(slot)) return none;
    return {
      isReady: this.#isReady(slot, nowUs),
      cipher: nameOf(cipher, table.int(slot, session.sendCipherAt), cipherNames),
      ageMs: ageMs(table.number(slot, session.birthAt), nowUs),
      generation: table.int(slot, session.generationAt),
      isHawser: table.int(slot, session.capabilitiesAt) !== 0,
    };
  }
}

const cipherNames: Readonly<Record<string, string>> = {
  chacha20poly1305: 'chacha20-poly1305',
  aes256gcm: 'aes-256-gcm',
};
