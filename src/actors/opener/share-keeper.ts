/**
 * While all peers together send more than the server takes (`peer.totalTakeBpsAt`), says of each how much of that is its (`peer.shareBpsAt`):
 * by priority, and anew several times a second from what each has sent. The addon holds them to it, and the session-manager tells those
 * who can be told. Who has sent nothing for a while is not looked at.
 */
import { type RateClaim, shareRate } from '../../bonding/receive/rate-shares.ts';
import { peer } from '../../contract/peer-tables.ts';
import type { RowTable } from '../../rings/table.ts';

const windowUs = 200_000;
/** A sender that could send more does so within a window or two; it is not held to what it happens to send now. */
const headroom = 1.25;
const leastClaimBps = 100_000;
/** Who has sent nothing for so long has no share. */
const forgetUs = 1_000_000;

interface Sender {
  /** Bytes that it had sent by the last window, be they taken or not. */
  bytes: number;
  seenUs: number;
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
    return this.#totalBps > 0;
  }

  /** Something came from the peer. */
  note(row: number, nowUs: number): void {
    const known = this.#senders.get(row);
    if (known !== undefined) {
      known.seenUs = nowUs;
      return;
    }
    this.#senders.set(row, { bytes: this.#bytesOf(row), seenUs: nowUs });
    this.#wakeAt(Math.max(nowUs, this.#windowUs + windowUs));
  }

  turn(nowUs: number): void {
    if (this.#senders.size === 0 || nowUs - this.#windowUs < windowUs) return;
    const seconds = (nowUs - this.#windowUs) / 1e6;
    this.#windowUs = nowUs;
    const rows: number[] = [];
    const claims: RateClaim[] = [];
    for (const [row, sender] of this.#senders) {
      if (!this.isOn || nowUs - sender.seenUs > forgetUs) {
        this.#senders.delete(row);
        this.#share(row, 0);
        continue;
      }
      const bytes = this.#bytesOf(row);
      const sentBps = (Math.max(0, bytes - sender.bytes) * 8) / seconds;
      sender.bytes = bytes;
      rows.push(row);
      claims.push({ priority: this.#peers.int(row, peer.priorityAt), bps: this.#claimOf(row, sentBps) });
    }
    const shares = shareRate(claims, this.#totalBps);
    for (const [index, row] of rows.entries()) this.#share(row, shares[index] ?? 0);
    if (this.#senders.size > 0) this.#wakeAt(nowUs + windowUs);
  }

  /** No more than it may send anyway. */
  #claimOf(row: number, sentBps: number): number {
    const most = this.#peers.number(row, peer.takeBpsAt) || Number.POSITIVE_INFINITY;
    return Math.min(most, Math.max(leastClaimBps, sentBps * headroom));
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
