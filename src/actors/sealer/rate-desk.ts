/**
 * Holds what is sent to peers to their rates (`peer.sendBpsAt`), the devices of a client together to its rate (`shared-rates.ts`), clients to what is left of their quotas (`peer.stopTxBytesAt`), and all of it
 * together to the server's rate (`peer.totalSendBpsAt`), which peers share by priority. Who may send nothing now waits, and is not looked at again before it may: a turn costs nothing for the others, and
 * where nobody has a limit or a quota nothing is asked here.
 */
import { doubleZero } from '../../base/double.ts';
import { DueQueue } from '../../base/due-queue.ts';
import type { FairQueue } from '../../bonding/queue/fair-queue.ts';
import { RateBucket } from '../../bonding/queue/rate-bucket.ts';
import { TurnShares } from '../../bonding/queue/turn-shares.ts';
import { peer } from '../../contract/peer-tables.ts';
import { trafficClass } from '../../contract/records.ts';
import { RowChanges } from '../../rings/row-changes.ts';
import { peerTable, type RowTable } from '../../rings/table.ts';
import type { ActorContext } from '../kit/contract.ts';
import { memoryOf } from '../kit/ports.ts';
import { type SharedRate, SharedRates } from './shared-rates.ts';
import type { SharedTurns } from './waiting-room.ts';

const packetBytes = 1_500;
/** CoDel would take the time of one packet for a standing queue (RFC 8289 4.1). */
const leastQueuePackets = 2;
/**
 * A flow that is cut to 0.7 of its window (RFC 9438 4.6) shall still have something waiting at its next turn, or its rate is another's; it waits for
 * itself alone.
 */
const leastTargetUs = 20_000;
/** The same where nobody knows how far the peer is: the target that a bond gives at a round trip of 125 ms. */
const unknownTargetUs = 50_000;
/** Of the server's rate, what a peer may get where many share it: it tells how long the time of one packet may be. */
const leastShare = 1 / 10;
/** What a limited peer may have waiting: longer than any flow needs, and a small part of the stash. */
const longestQueueUs = 250_000;
const leastQueueBytes = 128 * 1024;
/** Where a quota ends, the client-store looks this often whether anything of it is left elsewhere (`quota-desk.ts`). */
const quotaRetryUs = 20_000;
/** Of a shared rate, one peer's turn. */
const turnUs = 1_000;
const leastTurnBytes = 3_000;

interface Resuming {
  readonly resume: (row: number) => void;
  readonly readmit: (row: number) => void;
}

export class RateDesk implements SharedTurns {
  readonly #context: Pick<ActorContext, 'wakeAt'>;
  readonly #peers: RowTable;
  readonly #changes: RowChanges;
  /** By row; undefined = no limit of its own. */
  readonly #buckets: (RateBucket | undefined)[] = [];
  /** By row: its quota may end. */
  readonly #metered: boolean[] = [];
  readonly #due = new DueQueue();
  readonly #shares = new TurnShares();
  readonly #devices = new SharedRates();
  readonly #follow = (row: number): void => this.#followRow(row);
  readonly #followAll = (): void => {
    for (let row = 0; row < this.#peers.used(); row += 1) this.#followRow(row);
  };
  #limited = 0;
  #total: RateBucket | undefined;
  #totalBps = 0;
  #nowUs = doubleZero;
  /** Inner bytes ever, of the peer asked about last. */
  #innerBytes = 0;
  /** Of the turn at work. */
  #turnBytes = 0;

  constructor(context: ActorContext) {
    this.#context = context;
    this.#peers = peerTable(memoryOf(context.spec, 'peers'));
    this.#changes = new RowChanges(this.#peers);
  }

  /** Somebody is limited, or has a quota. */
  get isOn(): boolean {
    return this.#limited > 0 || this.#total !== undefined;
  }

  /** All share one rate: turns are given by `take`. */
  get isShared(): boolean {
    return this.#total !== undefined;
  }

  isLimited(row: number): boolean {
    return this.#total !== undefined || this.#buckets[row] !== undefined;
  }

  /** Every turn, first: calls `resume` for each peer that waited and may send again, `readmit` for those that share no rate any more. */
  turn(nowUs: number, { resume, readmit }: Resuming): void {
    this.#nowUs = nowUs;
    if (!this.#changes.areNone) this.#changes.read(this.#follow, this.#followAll);
    if (this.#peers.headNumber(peer.totalSendBpsAt) !== this.#totalBps) this.#followTotal(readmit);
    if (this.#devices.nextUs !== Number.POSITIVE_INFINITY) {
      this.#devices.turn(nowUs, resume);
      this.#context.wakeAt(this.#devices.nextUs);
    }
    if (this.#due.size === 0) return;
    for (let row = this.#due.take(nowUs); row >= 0; row = this.#due.take(nowUs)) resume(row);
    if (this.#due.size > 0) this.#context.wakeAt(this.#due.nextUs);
  }

  /** As `allowedBytes`, of something that nothing of its peer waits before: bulk stands behind those who wait for the server's rate. */
  freshBytes(row: number, kind: number): number {
    const isBehind = kind === trafficClass.bulk && this.#shares.size > 0;
    return isBehind ? 0 : this.allowedBytes(row, kind);
  }

  /** Inner bytes that may be sealed for the peer now, zero or less = none, and it waits; `spend` tells what was. */
  allowedBytes(row: number, kind: number): number {
    const bucket = this.#buckets[row];
    const left = this.#leftOf(row);
    if (left <= 0) {
      this.#waitForQuota(row);
      return left;
    }
    if (bucket === undefined && this.#total === undefined) return left;
    this.#innerBytes = this.#peers.number(row, peer.innerTxBytesAt);
    const isUrgent = kind !== trafficClass.bulk;
    const rated = bucket?.allowedBytes(isUrgent, this.#nowUs) ?? Number.POSITIVE_INFINITY;
    if (bucket !== undefined && rated <= 0) {
      this.#waitFor(row, bucket);
      return rated;
    }
    const among = this.#devices.of(row);
    const together = among?.allowedBytes(row, isUrgent, this.#nowUs) ?? Number.POSITIVE_INFINITY;
    if (among !== undefined && together <= 0) {
      this.#waitForDevices(row, among);
      return together;
    }
    const own = Math.min(rated, left, together);
    const total = this.#total;
    if (total === undefined) return own;
    const shared = total.allowedBytes(isUrgent, this.#nowUs);
    if (shared <= 0) {
      this.#peers.setNumber(row, peer.limitedUsAt, this.#nowUs);
      this.#context.wakeAt(total.dueUs(this.#nowUs));
    }
    return Math.min(own, shared);
  }

  /** Whether its own rate lets anything of the queue leave; makes the queue fit for the rate. */
  mayServe(row: number, queue: FairQueue): boolean {
    const bucket = this.#buckets[row];
    const hasQuota = this.#leftOf(row) > 0;
    if (!hasQuota) this.#waitForQuota(row);
    if (bucket === undefined && this.#total === undefined) {
      queue.mostBytes = Number.POSITIVE_INFINITY;
      return hasQuota;
    }
    const among = this.#devices.of(row);
    const own = Math.min(
      bucket?.bytesPerUs ?? Number.POSITIVE_INFINITY,
      among?.leastBytesPerUs ?? Number.POSITIVE_INFINITY,
    );
    const shared = this.#total?.bytesPerUs ?? Number.POSITIVE_INFINITY;
    const packetUs = packetBytes / Math.min(own, shared * leastShare);
    queue.queueTargetUs = Math.max(queue.queueTargetUs || unknownTargetUs, leastTargetUs, leastQueuePackets * packetUs);
    queue.mostBytes = Math.max(leastQueueBytes, Math.min(own, shared) * longestQueueUs);
    if (!hasQuota) return false;
    if (bucket !== undefined && bucket.allowedBytes(queue.hasUrgent, this.#nowUs) <= 0) {
      this.#waitFor(row, bucket);
      return false;
    }
    if (among === undefined || among.allowedBytes(row, queue.hasUrgent, this.#nowUs) > 0) return true;
    this.#waitForDevices(row, among);
    return false;
  }

  /** Something was sealed for the peer that `allowedBytes` was asked about. */
  spend(row: number): void {
    const bucket = this.#buckets[row];
    if (bucket === undefined && this.#total === undefined) return;
    const bytes = this.#peers.number(row, peer.innerTxBytesAt) - this.#innerBytes;
    bucket?.spend(bytes);
    this.#devices.of(row)?.spend(row, bytes);
    if (this.#total === undefined) return;
    this.#total.spend(bytes);
    this.#shares.spend(row, bytes);
    this.#turnBytes -= bytes;
  }

  enter(row: number): void {
    this.#shares.enter(row);
  }

  take(): number {
    const total = this.#total;
    if (total === undefined || this.#shares.size === 0) return -1;
    if (total.allowedBytes(false, this.#nowUs) <= 0) {
      this.#context.wakeAt(total.dueUs(this.#nowUs));
      return -1;
    }
    this.#turnBytes = Math.max(leastTurnBytes, total.bytesPerUs * turnUs);
    return this.#shares.take();
  }

  get isInTurn(): boolean {
    return this.#turnBytes > 0;
  }

  /** Bytes that the client may be sent still; whoever is none has no quota. */
  #leftOf(row: number): number {
    if (this.#metered[row] !== true) return Number.POSITIVE_INFINITY;
    const stopBytes = this.#peers.number(row, peer.stopTxBytesAt);
    return stopBytes === 0 ? Number.POSITIVE_INFINITY : stopBytes - this.#peers.number(row, peer.innerTxBytesAt);
  }

  #waitForQuota(row: number): void {
    this.#due.set(row, this.#nowUs + quotaRetryUs);
    this.#context.wakeAt(this.#due.nextUs);
  }

  #waitFor(row: number, bucket: RateBucket): void {
    this.#peers.setNumber(row, peer.limitedUsAt, this.#nowUs);
    this.#due.set(row, bucket.dueUs(this.#nowUs));
    this.#context.wakeAt(this.#due.nextUs);
  }

  #waitForDevices(row: number, among: SharedRate): void {
    this.#peers.setNumber(row, peer.limitedUsAt, this.#nowUs);
    this.#devices.wait(row, among, this.#nowUs);
    this.#context.wakeAt(this.#devices.nextUs);
  }

  #followTotal(readmit: (row: number) => void): void {
    this.#totalBps = this.#peers.headNumber(peer.totalSendBpsAt);
    if (this.#totalBps > 0 && this.#total !== undefined) this.#total.setRate(this.#totalBps, this.#nowUs);
    else this.#total = this.#totalBps > 0 ? new RateBucket(this.#totalBps, this.#nowUs) : undefined;
    if (this.#total !== undefined) return;
    for (let row = this.#shares.take(); row >= 0; row = this.#shares.take()) readmit(row);
  }

  #followRow(row: number): void {
    const isInUse = this.#peers.int(row, peer.inUseAt) !== 0;
    const bps = isInUse ? this.#peers.number(row, peer.sendBpsAt) : 0;
    const bucket = this.#buckets[row];
    const lead = isInUse ? this.#peers.int(row, peer.leadAt) - 1 : -1;
    this.#devices.follow(row, lead, this.#peers.number(row, peer.giveBpsAt), this.#nowUs);
    this.#shares.setPriority(row, this.#peers.int(row, peer.priorityAt));
    this.#shares.setOwner(row, lead < 0 ? row : lead);
    const isMetered = isInUse && this.#peers.int(row, peer.isMeteredAt) !== 0;
    if (isMetered !== (this.#metered[row] === true)) this.#limited += isMetered ? 1 : -1;
    this.#metered[row] = isMetered;
    if (bps > 0 && bucket === undefined) {
      this.#buckets[row] = new RateBucket(bps, this.#nowUs);
      this.#limited += 1;
    } else if (bps > 0) {
      bucket?.setRate(bps, this.#nowUs);
    } else if (bucket !== undefined) {
      this.#buckets[row] = undefined;
      this.#limited -= 1;
    }
    // Whoever waited for the old rate is offered a turn under the new one.
    if (bucket !== undefined) this.#due.set(row, this.#nowUs);
  }
}
