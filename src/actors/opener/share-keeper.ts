/**
 * While all peers together send more than the server takes (`peer.totalTakeBpsAt`), or the devices of a client (`peer.leadAt`) more than it may,
 * says of each how much of that is its (`peer.shareBpsAt`): of clients by priority, of devices alike, and anew several times a second from
 * what each has sent. The addon holds them to it, and the session-manager tells those who can be told. Who has sent nothing for a while is
 * not looked at.
 */
import { type RateClaim, shareRate } from '../../bonding/receive/rate-shares.ts';
import { peer } from '../../contract/peer-tables.ts';
import type { RowTable } from '../../rings/table.ts';

const windowUs = 200_000;
/** A sender that could send more does so within a window or two; it is not held to what it happens to send now. */
const headroom = 1.25;
/** Of its share, or of what it was told: whoever sends so much is held back by it, and who wants no more gets more by the headroom. */
const heldBack = 0.9;
/** Of few packets in a window one more or less says nothing: who is held to little is judged by several. */
const leastPackets = 8;
const packetBytes = 1400;
const mostWindows = 5;
const leastClaimBps = 100_000;
/** Who has sent nothing for so long has no share. */
const forgetUs = 1_000_000;
/** Devices of one client are equals. */
const equalPriority = 50;
const noLimit = Number.POSITIVE_INFINITY;

interface Sender {
  /** Bytes that it had sent by the last window, be they taken or not. */
  bytes: number;
  seenUs: number;
  /** Bits a second of the last windows, the latest first. */
  readonly bps: number[];
}

/** Devices of one client that send. */
interface Claimants {
  readonly rows: number[];
  readonly claims: RateClaim[];
}

export class ShareKeeper {
  readonly #peers: RowTable;
  readonly #wakeAt: (atUs: number) => void;
  /** By row. */
  readonly #senders = new Map<number, Sender>();
  #windowUs = 0;

  constructor(peers: RowTable, wakeAt: (atUs: number) => void) {
    this.#peers = peers;
    this.#wakeAt = wakeAt;
  }

  /** Whether `note` is to be told who sends. */
  get isOn(): boolean {
    return this.#totalBps > 0 || this.#peers.headNumber(peer.haveLeadsAt) > 0;
  }

  /** Something came from the peer. */
  note(row: number, nowUs: number): void {
    const known = this.#senders.get(row);
    if (known !== undefined) {
      known.seenUs = nowUs;
      return;
    }
    if (this.#totalBps === 0 && this.#peers.int(row, peer.leadAt) === 0) return;
    this.#senders.set(row, { bytes: this.#bytesOf(row), seenUs: nowUs, bps: [] });
    this.#wakeAt(Math.max(nowUs, this.#windowUs + windowUs));
  }

  turn(nowUs: number): void {
    if (this.#senders.size === 0 || nowUs - this.#windowUs < windowUs) return;
    const seconds = (nowUs - this.#windowUs) / 1e6;
    this.#windowUs = nowUs;
    const clients = new Map<number, Claimants>();
    for (const [row, sender] of this.#senders) {
      if (!this.isOn || nowUs - sender.seenUs > forgetUs) {
        this.#senders.delete(row);
        this.#share(row, 0);
        continue;
      }
      const bytes = this.#bytesOf(row);
      sender.bps.unshift((Math.max(0, bytes - sender.bytes) * 8) / seconds);
      sender.bps.length = Math.min(sender.bps.length, mostWindows);
      sender.bytes = bytes;
      const lead = this.#leadOf(row);
      const claimants = clients.get(lead) ?? { rows: [], claims: [] };
      clients.set(lead, claimants);
      claimants.rows.push(row);
      claimants.claims.push({ priority: equalPriority, bps: this.#claimOf(row, sender.bps) });
    }
    this.#shareAll([...clients.values()]);
    if (this.#senders.size > 0) this.#wakeAt(nowUs + windowUs);
  }

  /** Among clients, and what each has among its devices. */
  #shareAll(clients: readonly Claimants[]): void {
    const claims = clients.map(({ rows, claims: its }): RateClaim => {
      const most = this.#mostOf(rows);
      const bps = its.reduce((all, one) => all + one.bps, 0);
      return { priority: this.#peers.int(rows[0] as number, peer.priorityAt), bps: Math.min(most, bps) };
    });
    const shares = this.#totalBps > 0 ? shareRate(claims, this.#totalBps) : claims.map(() => 0);
    for (const [index, { rows, claims: its }] of clients.entries()) {
      const share = shares[index] ?? 0;
      const most = Math.min(this.#mostOf(rows), share || noLimit);
      const each = rows.length === 1 ? [share] : shareRate(its, most);
      const areAllIn = each.every((bps) => bps === 0);
      for (const [place, row] of rows.entries())
        this.#share(row, areAllIn && share > 0 ? (its[place]?.bps ?? 0) : (each[place] ?? 0));
    }
  }

  /** Of one client. */
  #mostOf([row = 0]: readonly number[]): number {
    return this.#peers.number(row, peer.takeBpsAt) || noLimit;
  }

  /** Row of the first device of its client; its own where there is no other. */
  #leadOf(row: number): number {
    return (this.#peers.int(row, peer.leadAt) || row + 1) - 1;
  }

  /** No more than it may send anyway. `sent`: of the last windows. */
  #claimOf(row: number, sent: readonly number[]): number {
    const most = Math.min(this.#mostOf([row]), this.#totalBps || noLimit);
    // Its share holds it back, and nobody knows what it would send: who was slow to begin shall not climb for many seconds. A Hawser hears of
    // another share a second later, and keeps to what it was told.
    const held = Math.min(
      this.#peers.number(row, peer.shareBpsAt) || noLimit,
      this.#peers.number(row, peer.saidBpsAt) || noLimit,
    );
    if (held < noLimit && averageOf(sent, windowsFor(held)) >= heldBack * held) return most;
    return Math.min(most, Math.max(leastClaimBps, (sent[0] ?? 0) * headroom));
  }

  #share(row: number, bps: number): void {
    if (this.#peers.number(row, peer.shareBpsAt) !== bps) this.#peers.setNumber(row, peer.shareBpsAt, bps);
  }

  #bytesOf(row: number): number {
    return this.#peers.number(row, peer.innerRxBytesAt) + this.#peers.number(row, peer.policedBytesAt);
  }

  get #totalBps(): number {
    return this.#peers.headNumber(peer.totalTakeBpsAt);
  }
}

/** How many windows have packets enough, where so much is sent. */
function windowsFor(bps: number): number {
  const packets = (bps * windowUs) / 8e6 / packetBytes;
  return Math.min(mostWindows, Math.ceil(leastPackets / packets));
}

function averageOf(values: readonly number[], count: number): number {
  const some = values.slice(0, count);
  return some.reduce((sum, value) => sum + value, 0) / some.length;
}
