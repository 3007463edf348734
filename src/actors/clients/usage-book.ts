/**
 * How much clients have sent and were sent: what the counters of the peer table have grown by, added to the store at most every ten seconds.
 * What was counted stands in the same transaction, by process: a successor of this thread counts on from there, and nothing twice.
 */

import type { DeviceReading } from './session-book.ts';
import type { UsageCount, UsageDelta, UsageStore } from './usage-store.ts';

interface Counted {
  upBytes: number;
  downBytes: number;
}

/** Of one client, not written yet: what it used by day, and by which devices. */
interface Pending {
  readonly days: Map<string, UsageDelta>;
  readonly keys: Set<string>;
}

export class UsageBook {
  readonly #store: UsageStore;
  /** By public key: up to where its counters are in `#pending`, or in the store. */
  readonly #counted: Map<string, Counted>;
  /** By client. */
  readonly #pending = new Map<string, Pending>();
  /** Whose counters begin anew, and are to be written as 0. */
  readonly #forgotten = new Set<string>();
  #thinned = '';

  constructor(store: UsageStore) {
    this.#store = store;
    this.#counted = store.counted();
  }

  /** `day`: as of now, where the client's day is counted. Returns the bytes that came since. */
  look(publicKey: string, id: string, reading: DeviceReading, day: string): number {
    const before = this.#counted.get(publicKey) ?? { upBytes: 0, downBytes: 0 };
    // A row that another peer had counts from 0 again.
    const isNew = reading.upBytes < before.upBytes || reading.downBytes < before.downBytes;
    const up = reading.upBytes - (isNew ? 0 : before.upBytes);
    const down = reading.downBytes - (isNew ? 0 : before.downBytes);
    if (up === 0 && down === 0) return 0;
    this.#counted.set(publicKey, { upBytes: reading.upBytes, downBytes: reading.downBytes });
    const pending = this.#pending.get(id) ?? { days: new Map<string, UsageDelta>(), keys: new Set<string>() };
    this.#pending.set(id, pending);
    pending.keys.add(publicKey);
    const { upBytes = 0, downBytes = 0 } = pending.days.get(day) ?? {};
    pending.days.set(day, { id, day, upBytes: upBytes + up, downBytes: downBytes + down });
    return up + down;
  }

  /** What is written, from the day `since` on, and what is not yet: some days come twice. */
  daysOf(ids: readonly string[], since: string): UsageDelta[] {
    const pending = ids.flatMap((id) => [...(this.#pending.get(id)?.days.values() ?? [])]);
    return [...this.#store.daysOfAll(ids, since), ...pending];
  }

  /** Where its counters were at the last look. */
  countedOf(publicKey: string): { readonly upBytes: number; readonly downBytes: number } {
    return this.#counted.get(publicKey) ?? { upBytes: 0, downBytes: 0 };
  }

  /** Nothing has moved since. */
  isCounted(publicKey: string, { upBytes, downBytes }: DeviceReading): boolean {
    const counted = this.#counted.get(publicKey);
    return (counted?.upBytes ?? 0) === upBytes && (counted?.downBytes ?? 0) === downBytes;
  }

  /** The key has no row any more: what comes is counted from 0. */
  forget(publicKey: string): void {
    this.#counted.set(publicKey, { upBytes: 0, downBytes: 0 });
    this.#forgotten.add(publicKey);
  }

  /** The client is no more: what was counted for it is not written. */
  drop(id: string): void {
    for (const publicKey of this.#pending.get(id)?.keys ?? []) this.#forgotten.add(publicKey);
    this.#pending.delete(id);
  }

  /** Days before that one are kept by month alone, if something was used from `recent` until before `today`. Throws what SQLite says. */
  thin(before: string, recent: string, today: string): void {
    if (before === this.#thinned) return;
    this.#store.thin(before, recent, today);
    this.#thinned = before;
  }

  /** There is something that is not written. */
  get isBehind(): boolean {
    return this.#pending.size > 0 || this.#forgotten.size > 0;
  }

  /** So many clients have used something that is not written. */
  get clientsBehind(): number {
    return this.#pending.size;
  }

  /**
   * Writes what has been counted since the last time, of so many clients at most: of 10,000 at once it takes a tenth of a second. Throws what SQLite
   * says; then it is tried again the next time.
   */
  flush(mostClients = Number.POSITIVE_INFINITY): void {
    if (!this.isBehind) return;
    const some: (readonly [string, Pending])[] = [];
    for (const entry of this.#pending) {
      if (some.length >= mostClients) break;
      some.push(entry);
    }
    // A device's counters stand in the same transaction as what its client used by them.
    const keys = new Set([...this.#forgotten, ...some.flatMap(([, pending]) => [...pending.keys])]);
    const counts = [...keys].map((publicKey): UsageCount => ({ publicKey, ...this.countedOf(publicKey) }));
    const deltas = some.flatMap(([, { days }]) => [...days.values()]);
    this.#store.add(deltas, counts);
    for (const [id] of some) this.#pending.delete(id);
    this.#forgotten.clear();
  }
}
