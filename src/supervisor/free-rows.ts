/**
 * Rows of the peer table that nobody has: those that were never used, and those that were set free and have rested. With several shards a row
 * decides which one its peer belongs to (`rings/shards.ts`), and some peers must belong to the same one.
 */
import { shardOf } from '../rings/shards.ts';

/** A peer that needs a row: of this shard if it names one, and of the same as others of its group. */
export interface RowWish {
  readonly group: string | undefined;
  readonly shard: number | undefined;
}

export class FreeRows {
  readonly #rows: number;
  readonly #shards: number;
  readonly #restMs: number;
  /** Rows from here on were never used. */
  #unused = 0;
  /** Below it, and never used: of other shards than what was wanted. */
  readonly #skipped = new Set<number>();
  /** Row → when it was set free, oldest first. */
  readonly #resting = new Map<number, number>();

  /** `rows`: of the table. A row that was set free is given again after `restMs`. */
  constructor(rows: number, shards: number, restMs: number) {
    this.#rows = rows;
    this.#shards = shards;
    this.#restMs = restMs;
  }

  /** A row for each wish, none of them taken yet; undefined = there are not so many. Never used ones come first. */
  choose(wishes: readonly RowWish[], nowMs: number): number[] | undefined {
    const chosen = new Set<number>();
    const shardOfGroup = new Map<string, number>();
    let unused = this.#unused;
    for (const { group, shard: wanted } of wishes) {
      const shard = wanted ?? (group === undefined ? undefined : shardOfGroup.get(group));
      const fits = (row: number): boolean => !chosen.has(row) && (shard === undefined || this.#shardOf(row) === shard);
      const row = this.#skippedThat(fits) ?? this.#unusedThat(fits, unused) ?? this.#restedThat(fits, nowMs);
      if (row === undefined) return undefined;
      chosen.add(row);
      while (chosen.has(unused)) unused += 1;
      if (group !== undefined) shardOfGroup.set(group, this.#shardOf(row));
    }
    return [...chosen];
  }

  /** They were chosen; returns how many rows have been used ever. */
  take(rows: readonly number[]): number {
    for (const row of rows) {
      for (; this.#unused <= row; this.#unused += 1) this.#skipped.add(this.#unused);
      this.#skipped.delete(row);
      this.#resting.delete(row);
    }
    return this.#unused;
  }

  free(row: number, nowMs: number): void {
    this.#resting.set(row, nowMs);
  }

  #shardOf(row: number): number {
    return shardOf(row, this.#shards);
  }

  #skippedThat(fits: (row: number) => boolean): number | undefined {
    for (const row of this.#skipped) if (fits(row)) return row;
    return undefined;
  }

  /** The next one, or the next of a shard. */
  #unusedThat(fits: (row: number) => boolean, from: number): number | undefined {
    for (let row = from; row < this.#rows; row += 1) if (fits(row)) return row;
    return undefined;
  }

  #restedThat(fits: (row: number) => boolean, nowMs: number): number | undefined {
    for (const [row, sinceMs] of this.#resting) {
      if (nowMs - sinceMs < this.#restMs) return undefined;
      if (fits(row)) return row;
    }
    return undefined;
  }
}
