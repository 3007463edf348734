/** Begins and ends runs of sealing, books them, and asks for a handshake when a peer has no key that serves. */

import type { Bond } from '../../bonding/bond.ts';
import type { SendingPath } from '../../bonding/sending-path.ts';
import { peer, session } from '../../contract/peer-tables.ts';
import { recordType, trafficClass } from '../../contract/records.ts';
import type { Sealer } from '../../native/data-api.ts';
import { sealerCounters } from '../../rings/counter-names.ts';
import { SessionTable } from '../../rings/session-table.ts';
import type { RingProducer } from '../../rings/spsc-ring.ts';
import { peerTable, type RowTable } from '../../rings/table.ts';
import type { ActorContext } from '../kit/contract.ts';
import { memoryOf, producer, type Throughput } from '../kit/ports.ts';

const requestSpacingUs = 1_000;
/** Three generations of keys, and one that lingers. */
const slotsPerPeer = 4;
const none = -1;
/** `Bond.recordFlags` where nobody reports. */
const unrecorded = -1;

export class SealDesk {
  readonly #native: Sealer;
  readonly #peers: RowTable;
  readonly #requests: RingProducer;
  readonly #sessions: SessionTable;
  readonly #requestedUs: number[] = [];
  /** Peer rows that the session-manager should look at, and was not told of yet → why. */
  readonly #untold = new Map<number, number>();
  /** By peer row: the key slot and its generation, as one number, that data was last sealed under. */
  readonly #dataUnder: number[] = [];
  /** Of the run at work. */
  #slot = none;
  /** Peer row → key slots that were sealed under, the last one first. */
  readonly #used: (Int32Array | undefined)[] = [];
  readonly #throughput: Throughput;

  constructor(context: ActorContext, native: Sealer, throughput: Throughput) {
    this.#native = native;
    this.#peers = peerTable(memoryOf(context.spec, 'peers'));
    this.#sessions = new SessionTable(memoryOf(context.spec, 'sessions'));
    this.#requests = producer(context, 'requests');
    this.#throughput = throughput;
  }

  /** Key slot to seal with, -1 = none. */
  slotOf(peerRow: number): number {
    return this.#peers.int(peerRow, peer.sendSlotAt);
  }

  /**
   * The slot under which the peer was sent what it receives under this index, -1 = none that was used. Whoever names another speaks of
   * nothing that this thread knows.
   */
  slotUnder(peerRow: number, receiverIndex: number): number {
    const used = this.#used[peerRow];
    for (let place = 0; used !== undefined && place < slotsPerPeer; place += 1) {
      const slot = used[place] as number;
      if (slot < 0 || this.#sessions.int(slot, session.peerAt) !== peerRow) continue;
      if (this.#sessions.int(slot, session.remoteIndexAt) >>> 0 === receiverIndex) return slot;
    }
    return none;
  }

  /** Puts the slot first. */
  #use(peerRow: number, slot: number): void {
    let used = this.#used[peerRow];
    if (used === undefined) {
      used = new Int32Array(slotsPerPeer).fill(none);
      this.#used[peerRow] = used;
    }
    if (used[0] === slot) return;
    const known = used.indexOf(slot);
    used.copyWithin(1, 0, known < 0 ? slotsPerPeer - 1 : known);
    used[0] = slot;
  }

  /**
   * Starts a run under `slot` by path row `pathRow`, whose carrier has ring `port`; false, and a handshake asked for, if it cannot. What is
   * sealed is padded, but not beyond `paddedTo`.
   */
  begin(
    bond: Bond,
    slot: number,
    pathRow: number,
    port: number,
    kind: number,
    nowUs: number,
    paddedTo = bond.mtu.bytes,
  ): boolean {
    if (slot >= 0) {
      const record = bond.recordFlags(kind);
      if (this.#native.begin(slot, pathRow, kind, paddedTo, nowUs, port, bond.row, record) === 0) {
        this.#use(bond.row, slot);
        this.#slot = slot;
        if (bond.isProtected(kind)) this.#native.protect(bond.parity.data, bond.parity.parity);
        return true;
      }
      this.#throughput.count(sealerCounters.sealFailed, 1);
    }
    this.wantHandshake(bond.row, nowUs);
    return false;
  }

  /** As `begin`, for one frame to a peer of whose packets nothing is recorded. */
  beginPlain(row: number, slot: number, pathRow: number, port: number, paddedTo: number, nowUs: number): boolean {
    const kind = trafficClass.control;
    if (slot >= 0) {
      if (this.#native.begin(slot, pathRow, kind, paddedTo, nowUs, port, row, unrecorded) === 0) return true;
      this.#throughput.count(sealerCounters.sealFailed, 1);
    }
    this.wantHandshake(row, nowUs);
    return false;
  }

  /** Ends what `beginPlain` began. */
  finishPlain(row: number, nowUs: number): void {
    const bytes = this.#native.end();
    if (bytes > 0) this.#book(row, 1, bytes, nowUs);
  }

  #book(row: number, packets: number, bytes: number, nowUs: number): void {
    const peers = this.#peers;
    peers.addNumber(row, peer.sentPacketsAt, packets);
    peers.addNumber(row, peer.sentBytesAt, bytes);
    peers.setNumber(row, peer.lastSentAt, nowUs);
    this.#throughput.add(packets, bytes);
  }

  /** Ends a run of `packets`; `path` is undefined for a path that carries frames only. Returns the bytes. */
  finish(bond: Bond, path: SendingPath | undefined, packets: number, isData: boolean, nowUs: number): number {
    const bytes = this.#native.end();
    if (bytes === 0) return 0;
    this.#book(bond.row, packets, bytes, nowUs);
    if (isData) {
      path?.spend(bytes, nowUs);
      bond.handleSent(nowUs);
      this.#peers.setNumber(bond.row, peer.lastDataSentAt, nowUs);
      this.#noteData(bond.row);
    } else path?.spendFrame(bytes);
    return bytes;
  }

  /** A session in which nothing was said for minutes may only now be worth a HELLO. */
  #noteData(peerRow: number): void {
    const generation = this.#sessions.int(this.#slot, session.generationAt);
    const under = this.#slot * 2 ** 20 + (generation & (2 ** 20 - 1));
    if (this.#dataUnder[peerRow] === under) return;
    this.#dataUnder[peerRow] = under;
    this.#tellSurely(recordType.dataBegan, peerRow);
  }

  countResent(bond: Bond, packets: number): void {
    if (packets > 0) this.#peers.addNumber(bond.row, peer.resentPacketsAt, packets);
  }

  /** At most one request a millisecond and peer: a flood without a session must not keep the session-manager awake. */
  wantHandshake(row: number, nowUs: number): void {
    this.#peers.addInt(row, peer.handshakeWantedAt, 1);
    if (nowUs < (this.#requestedUs[row] ?? 0) + requestSpacingUs) return;
    if (this.#tell(recordType.handshakeWanted, row)) this.#requestedUs[row] = nowUs;
  }

  /** The session-manager elects which paths carry data. */
  tellJudged(row: number): void {
    this.#tellSurely(recordType.pathJudged, row);
  }

  #tellSurely(type: number, row: number): void {
    if (!this.#tell(type, row)) this.#untold.set(row, type);
  }

  /** Says again what the session-manager's ring had no room for. */
  retell(): void {
    for (const [row, type] of this.#untold) {
      if (!this.#tell(type, row)) return;
      this.#untold.delete(row);
    }
  }

  /** Wakes the session-manager for a peer; false on a full ring. */
  #tell(type: number, row: number): boolean {
    const at = this.#requests.claim(4);
    if (at < 0) return false;
    this.#requests.view.setInt32(at, row, true);
    this.#requests.commit(4, type);
    this.#requests.publish();
    return true;
  }
}
