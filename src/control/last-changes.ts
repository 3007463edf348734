/** When each of many counters last went up: a number that stands still for an hour is not what is wrong now. */
import type { Counts } from './rates.ts';

export class LastChanges {
  readonly #values = new Map<string, number>();
  readonly #changedUs = new Map<string, number>();

  /** Compares with the look before; the first look at a counter says nothing of when it moved. */
  look(counts: Counts, nowUs: number): void {
    for (const [key, value] of counts) {
      const before = this.#values.get(key);
      if (before === value) continue;
      this.#values.set(key, value);
      if (before !== undefined) this.#changedUs.set(key, nowUs);
    }
  }

  /** Milliseconds since each counter was seen to move; one that stood still for as long as we look is not among them. */
  agesMs(nowUs: number): Record<string, number> {
    const ages: Record<string, number> = {};
    for (const [key, changedUs] of this.#changedUs) ages[key] = Math.max(0, (nowUs - changedUs) / 1000);
    return ages;
  }
}
