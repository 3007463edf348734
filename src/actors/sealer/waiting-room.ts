/** Where trains wait for credit or for a session: the stash in shared memory, and a fair queue over it for each peer. */
import { doubleZero } from '../../base/double.ts';
import { RowList } from '../../base/row-list.ts';
import { FairQueue } from '../../bonding/queue/fair-queue.ts';
import { peer } from '../../contract/peer-tables.ts';
import type { Sealer } from '../../native/data-api.ts';
import { sealerCounters } from '../../rings/counter-names.ts';
import { ofShard } from '../../rings/shards.ts';
import { Stash } from '../../rings/stash.ts';
import { peerTable, type RowTable } from '../../rings/table.ts';
import type { ActorContext } from '../kit/contract.ts';
import { memoryOf, type Throughput } from '../kit/ports.ts';

/** What waits for a session longer than this is dropped: who sent it has tried again by then, or given up. */
const sessionPatienceUs = 5_000_000;
const expiryCheckUs = 500_000;

/** What a turn does with the head of a queue; false ends the peer's turn. */
export type Serve = (row: number, entry: number, queue: FairQueue) => boolean;
/** Whether a peer can be served at all now; a queue that cannot is left as it is. */
export type MayServe = (row: number, queue: FairQueue) => boolean;

/** Who has the next turn where all share one rate; rows of the peer table. */
export interface SharedTurns {
  /** Something waits for the peer. */
  enter(row: number): void;
  /** The peer whose turn it is, -1 = nobody has one now; it is out until it enters again. */
  take(): number;
  /** Who was taken last has not used up its turn. */
  readonly isInTurn: boolean;
}

export class WaitingRoom {
  readonly stash: Stash;
  readonly #native: Sealer;
  readonly #peers: RowTable;
  readonly #throughput: Throughput;
  readonly #queues: (FairQueue | undefined)[] = [];
  /** Peers whose queues are not empty: in the order of their turns, and those that could not be served when they were asked last. */
  #inTurn = new RowList();
  #served = new RowList();
  readonly #apart = new Set<number>();
  #nextExpiryUs = doubleZero;
  /** Trains that wait, of all peers. */
  count = 0;

  /** `shard`: of this sealer. */
  constructor(context: ActorContext, native: Sealer, throughput: Throughput, shard: number) {
    this.stash = new Stash(memoryOf(context.spec, ofShard('stash', shard)));
    this.#native = native;
    this.#peers = peerTable(memoryOf(context.spec, 'peers'));
    this.#throughput = throughput;
    for (const slot of this.stash.survivors()) this.enqueue(slot);
  }

  has(row: number): boolean {
    return (this.#queues[row]?.count ?? 0) > 0;
  }

  /** Something waits that goes before bulk. */
  hasUrgent(row: number): boolean {
    return this.#queues[row]?.hasUrgent ?? false;
  }

  bytes(row: number): number {
    return this.#queues[row]?.bytes ?? 0;
  }

  /** Moves train `index` of the last look here, or drops its `packets` when there is no room. */
  admit(
    index: number,
    row: number,
    trafficClass: number,
    flow: number,
    bytes: number,
    packets: number,
    nowUs: number,
  ): void {
    const slot = this.stash.take(bytes);
    if (slot < 0) {
      this.#drop(row, sealerCounters.overflow, packets);
      return;
    }
    this.#native.stash(index, this.stash.offset(slot));
    this.stash.keep(slot, row, trafficClass, flow, bytes, nowUs);
    this.#throughput.count(sealerCounters.stashed, 1);
    this.enqueue(slot);
  }

  /**
   * Offers the heads of the queues to `serve`, peer by peer, from another first peer each time; returns trains that left. A peer that
   * may not be served is not asked about again before `resume`, or the next look for what has waited too long.
   */
  serveAll(nowUs: number, serve: Serve, mayServe: MayServe): number {
    if (nowUs >= this.#nextExpiryUs) this.#expire(nowUs);
    const before = this.count;
    const turning = this.#inTurn;
    this.#inTurn = this.#served;
    this.#served = turning;
    const peers = turning.count;
    for (let turned = 1; turned <= peers; turned += 1) {
      const row = turning.at(turned % peers);
      const queue = this.#queues[row] as FairQueue;
      if (queue.count > 0 && !mayServe(row, queue)) {
        this.#apart.add(row);
        continue;
      }
      for (let entry = queue.peek(nowUs); entry >= 0 && serve(row, entry, queue); entry = queue.peek(nowUs));
      this.#report(row, queue);
      if (queue.count > 0) this.#inTurn.add(row);
    }
    turning.clear();
    return before - this.count;
  }

  /** The same where all share one rate: whoever `turns` names, one after the other. */
  serveShared(nowUs: number, turns: SharedTurns, serve: Serve, mayServe: MayServe): number {
    if (nowUs >= this.#nextExpiryUs) this.#expire(nowUs);
    const before = this.count;
    for (let place = 0; place < this.#inTurn.count; place += 1) turns.enter(this.#inTurn.at(place));
    this.#inTurn.clear();
    for (let row = turns.take(); row >= 0; row = turns.take()) {
      const queue = this.#queues[row];
      if (queue === undefined || queue.count === 0) continue;
      if (!mayServe(row, queue)) {
        this.#apart.add(row);
        continue;
      }
      const isOver = this.#serveTurn(row, queue, nowUs, turns, serve);
      this.#report(row, queue);
      if (queue.count === 0) continue;
      // Who was cut short by its paths is asked again in the next turn of this thread, and keeps its place.
      if (isOver) turns.enter(row);
      else this.#inTurn.add(row);
    }
    return before - this.count;
  }

  /** False when something else than the turn ended it. */
  #serveTurn(row: number, queue: FairQueue, nowUs: number, turns: SharedTurns, serve: Serve): boolean {
    for (let entry = queue.peek(nowUs); entry >= 0 && turns.isInTurn; entry = queue.peek(nowUs))
      if (!serve(row, entry, queue)) return false;
    return true;
  }

  /** Something has changed for a peer: if it could not be served, it may be by now. */
  resume(row: number): void {
    if (this.#apart.delete(row)) this.#inTurn.add(row);
  }

  /** The peer waited for a turn of its own, and gets those of all again. */
  readmit(row: number): void {
    if (this.has(row)) this.#inTurn.add(row);
  }

  /** The head that was served is sealed whole. */
  leave(queue: FairQueue, entry: number): void {
    queue.pop();
    this.count -= 1;
    this.stash.release(entry);
  }

  /** Lets what is kept in `slot` of the stash wait with the others. */
  enqueue(slot: number): void {
    const row = this.stash.peer(slot);
    let queue = this.#queues[row];
    if (queue === undefined) {
      queue = new FairQueue(this.stash, {
        mark: (entry) => this.#mark(entry),
        trim: (entry) => this.#trim(entry),
        drop: (entry, isFull) => this.#giveUp(entry, isFull),
      });
      this.#queues[row] = queue;
    }
    const wasEmpty = queue.count === 0;
    if (!queue.push(slot)) {
      this.#drop(row, sealerCounters.overflow, 1);
      this.stash.release(slot);
      return;
    }
    this.count += 1;
    if (wasEmpty) this.#inTurn.add(row);
    this.#report(row, queue);
  }

  /** A peer without a session may get one soon, or never. */
  #expire(nowUs: number): void {
    this.#nextExpiryUs = nowUs + expiryCheckUs;
    for (const row of this.#apart) this.resume(row);
    for (let place = 0; place < this.#inTurn.count; place += 1) {
      const row = this.#inTurn.at(place);
      const queue = this.#queues[row];
      if (queue === undefined || this.#peers.int(row, peer.sendSlotAt) >= 0) continue;
      queue.expire(nowUs - sessionPatienceUs);
      this.#report(row, queue);
    }
  }

  /** ECN instead of a drop, when the inner packet allows it. */
  #mark(entry: number): boolean {
    if (this.#native.markCongestion(this.stash.offset(entry)) === 0) return false;
    this.#throughput.count(sealerCounters.marked, 1);
    return true;
  }

  #trim(entry: number): boolean {
    if (!this.#native.skipSegment(this.stash.offset(entry))) return false;
    this.#drop(this.stash.peer(entry), sealerCounters.codel, 1);
    return true;
  }

  #giveUp(entry: number, isFull: boolean): void {
    const row = this.stash.peer(entry);
    const late = this.#peers.int(row, peer.sendSlotAt) < 0 ? sealerCounters.expired : sealerCounters.codel;
    this.count -= 1;
    this.#drop(row, isFull ? sealerCounters.overflow : late, 1);
    this.stash.release(entry);
  }

  #drop(row: number, why: number, packets: number): void {
    this.#throughput.count(why, packets);
    this.#peers.addNumber(row, peer.droppedPacketsAt, packets);
  }

  #report(row: number, queue: FairQueue): void {
    this.#peers.setInt(row, peer.queuedPacketsAt, queue.count);
    this.#peers.setInt(row, peer.queuedBytesAt, queue.bytes);
  }
}
