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

export class UsageBook {
  readonly #store: UsageStore;
  /** By public key: up to where its counters are in `#pending`, or in the store. */
  readonly #counted: Map<string, Counted>;
  /** By client and day. */
  readonly #pending = new Map<string, UsageDelta>();
  readonly #touched = new Set<string>();
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
    this.#touched.add(publicKey);
    const key = `${id} ${day}`;
    const pending = this.#pending.get(key);
    this.#pending.set(key, {
      id,
      day,
      upBytes: (pending?.upBytes ?? 0) + up,
      downBytes: (pending?.downBytes ?? 0) + down,
    });
    return up + down;
  }

  /** What is written, from the day `since` on, and what is not yet: some days come twice. */
  daysOf(ids: readonly string[], since: string): UsageDelta[] {
    const wanted = new Set(ids);
    return [...this.#store.daysOfAll(ids, since), ...[...this.#pending.values()].filter(({ id }) => wanted.has(id))];
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
    this.#touched.add(publicKey);
  }

  /** The client is no more: what was counted for it is not written. */
  drop(id: string): void {
    for (const [key, delta] of this.#pending) if (delta.id === id) this.#pending.delete(key);
  }

  /** Days before that one are kept by month alone, if something was used from `recent` until before `today`. Throws what SQLite says. */
  thin(before: string, recent: string, today: string): void {
    if (before === this.#thinned) return;
    this.#store.thin(before, recent, today);
    this.#thinned = before;
  }

  /** Writes what has been counted since the last time. Throws what SQLite says; then it is tried again the next time. */
  flush(): void {
    if (this.#pending.size === 0 && this.#touched.size === 0) return;
    const counts = [...this.#touched].map((publicKey): UsageCount => {
      const { upBytes = 0, downBytes = 0 } = this.#counted.get(publicKey) ?? {};
      return { publicKey, upBytes, downBytes };
    });
    this.#store.add([...this.#pending.values()], counts);
    this.#pending.clear();
    this.#touched.clear();
  }
}
