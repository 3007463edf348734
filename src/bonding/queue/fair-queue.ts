/**
 * What waits for one peer: strict priority between classes, and inside the bulk class fairness between flows (deficit round
 * robin over hashed buckets) with CoDel in each. It orders entries of the stash and holds no bytes.
 */
import { doubleZero } from '../../base/double.ts';
import { trafficClass } from '../../contract/records.ts';
import { Codel } from './codel.ts';

/** What the queue asks about an entry; `rings/stash.ts` is one. */
export interface Entries {
  bytes(entry: number): number;
  timeUs(entry: number): number;
  trafficClass(entry: number): number;
  flow(entry: number): number;
  /** Segments that have left already: an entry that is on its way is finished, not dropped. */
  progress(entry: number): number;
}

/** Flows that hash into the same of these share a turn. */
const buckets = 64;
/** Bytes a flow may send in one round: two full packets (RFC 8290 uses one MTU; trains make it coarser anyway). */
const quantumBytes = 3_000;
/** The share of the stash that one peer may fill, in bytes and in slots (half of the small ones): the rest is the other peers'. */
const maxBytes = 4 << 20;
const maxEntries = 2_048;
/** Beyond those, for the urgent alone: a queue that is kept full by bulk has room for them. */
const urgentBytes = 64 * 1024;
const urgentEntries = 128;

class Bucket {
  readonly entries: number[] = [];
  readonly codel = new Codel();
  head = 0;
  deficit = 0;
  bytes = 0;
  active = false;

  get empty(): boolean {
    return this.head === this.entries.length;
  }

  first(): number {
    return this.entries[this.head] as number;
  }

  push(entry: number): void {
    this.entries.push(entry);
  }

  /** Old heads are cut off in one go, so that a pop is a count. */
  pop(): void {
    this.head += 1;
    if (this.head < 64 || this.head * 2 < this.entries.length) return;
    this.entries.copyWithin(0, this.head);
    this.entries.length -= this.head;
    this.head = 0;
  }
}

/** Told of every entry that CoDel condemns, or that must make room: `mark` may save it by marking it instead (ECN), `trim` most of it; else it is given up. */
export interface DropPolicy {
  /** True when the entry was marked congestion-experienced and may go. */
  mark(entry: number): boolean;
  /** True when one packet of several was dropped, and the others may go: that is all it takes to tell a sender. */
  trim(entry: number): boolean;
  /** `isFull`: it makes room for other flows. */
  drop(entry: number, isFull: boolean): void;
}

export class FairQueue {
  readonly #entries: Entries;
  readonly #policy: DropPolicy;
  readonly #urgent = new Bucket();
  readonly #bulk: Bucket[] = [];
  #round: Bucket[] = [];
  #current: Bucket | undefined;
  count = 0;
  bytes = 0;
  /** Bulk that waits less than this is no standing queue, where that is longer than CoDel's own target. */
  queueTargetUs = doubleZero;
  /** Less than its share of the stash, where that would be a queue of seconds. */
  mostBytes = Number.POSITIVE_INFINITY;

  constructor(entries: Entries, policy: DropPolicy) {
    this.#entries = entries;
    this.#policy = policy;
  }

  get hasUrgent(): boolean {
    return !this.#urgent.empty;
  }

  /**
   * Takes an entry in; false when the peer's share is used up: the caller drops it, and nothing has changed. Of bulk the flow that has
   * most waiting makes room for others (RFC 8290 4.1.3): who floods shall lose by it, and nobody else.
   */
  push(entry: number): boolean {
    const bytes = this.#entries.bytes(entry);
    const isBulk = this.#entries.trafficClass(entry) === trafficClass.bulk;
    const mostBytes = Math.min(maxBytes, this.mostBytes) + (isBulk ? 0 : urgentBytes);
    const mostEntries = maxEntries + (isBulk ? 0 : urgentEntries);
    const bucket = isBulk ? this.#bucketOf(this.#entries.flow(entry)) : undefined;
    while (this.bytes + bytes > mostBytes || this.count >= mostEntries) {
      const fattest = bucket === undefined ? undefined : this.#fattest();
      if (fattest === undefined || fattest.bytes <= (bucket?.bytes ?? 0) + bytes) return false;
      this.#give(fattest, true);
    }
    this.count += 1;
    this.bytes += bytes;
    if (bucket === undefined) {
      this.#urgent.push(entry);
      return true;
    }
    bucket.push(entry);
    bucket.bytes += bytes;
    if (!bucket.active) {
      bucket.active = true;
      bucket.deficit = quantumBytes;
      this.#round.push(bucket);
    }
    return true;
  }

  /** The entry to send next, or -1; entries that CoDel condemns are dropped on the way. It stays until `pop`. */
  peek(nowUs: number): number {
    if (!this.#urgent.empty) {
      this.#current = this.#urgent;
      return this.#urgent.first();
    }
    for (;;) {
      const bucket = this.#round[0];
      if (bucket === undefined) return -1;
      if (bucket.empty && bucket.deficit > 0) {
        bucket.active = false;
        this.#round.shift();
      } else if (bucket.deficit <= 0) {
        // An empty bucket too: whoever sent a whole train out of turn waits its rounds before it counts as new.
        bucket.deficit += quantumBytes;
        this.#round.push(bucket);
        this.#round.shift();
      } else if (!this.#condemned(bucket, nowUs)) {
        this.#current = bucket;
        return bucket.first();
      }
    }
  }

  /** Of the entry that `peek` returned, `bytes` were sent. */
  spend(bytes: number): void {
    if (this.#current !== undefined) this.#current.deficit -= bytes;
  }

  /** The entry that `peek` returned is gone. */
  pop(): void {
    if (this.#current !== undefined) this.#remove(this.#current);
  }

  /** Drops all that has waited since before `beforeUs`: what a session that never came was awaited for. */
  expire(beforeUs: number): void {
    for (const bucket of [this.#urgent, ...this.#round]) {
      while (!bucket.empty && this.#entries.timeUs(bucket.first()) < beforeUs) this.#give(bucket, false);
    }
  }

  #fattest(): Bucket | undefined {
    let fattest: Bucket | undefined;
    for (const bucket of this.#round) if (!bucket.empty && bucket.bytes > (fattest?.bytes ?? 0)) fattest = bucket;
    return fattest;
  }

  #bucketOf(flow: number): Bucket {
    const index = flow % buckets;
    let bucket = this.#bulk[index];
    if (bucket === undefined) {
      bucket = new Bucket();
      this.#bulk[index] = bucket;
    }
    return bucket;
  }

  #condemned(bucket: Bucket, nowUs: number): boolean {
    const entry = bucket.first();
    if (this.#entries.progress(entry) > 0) return false;
    const last = bucket.head + 1 === bucket.entries.length;
    const waitedUs = nowUs - this.#entries.timeUs(entry);
    // The queue is part of the round trip; what is sent in place of what was dropped waits in it, too.
    if (!bucket.codel.shouldDrop(nowUs, waitedUs, last, this.queueTargetUs, 2 * waitedUs)) return false;
    if (this.#policy.mark(entry) || this.#policy.trim(entry)) return false;
    this.#give(bucket, false);
    return true;
  }

  #give(bucket: Bucket, isFull: boolean): void {
    const entry = bucket.first();
    this.#remove(bucket);
    this.#policy.drop(entry, isFull);
  }

  #remove(bucket: Bucket): void {
    const bytes = this.#entries.bytes(bucket.first());
    bucket.pop();
    bucket.bytes -= bytes;
    this.count -= 1;
    this.bytes -= bytes;
  }
}
