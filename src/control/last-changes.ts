/** When each of many counters last went up: a number that stands still for an hour is not what is wrong now. */
import type { RowTable } from '../rings/table.ts';
import type { Counts } from './rates.ts';

/** Counters in rows of a shared table, of which thousands stand still. */
export interface RowCounters {
  readonly table: RowTable;
  readonly rows: readonly number[];
  /** Name → byte offset. */
  readonly columns: Readonly<Record<string, number>>;
  /** What a counter is called when it has moved: `peer NAME COLUMN`. */
  keyOf(row: number, column: string): string;
}

export class LastChanges {
  /** Of a table's rows, side by side; NaN = not seen yet. */
  readonly #rows = new Map<RowTable, Float64Array>();
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

  /** The same for rows: nothing is done for a counter that stands still but to read it. */
  lookRows({ table, rows, columns, keyOf }: RowCounters, nowUs: number): void {
    const names = Object.keys(columns);
    const values = this.#valuesOf(table, names.length);
    for (const row of rows) {
      for (const [index, name] of names.entries()) {
        const at = row * names.length + index;
        const value = table.number(row, columns[name] as number);
        const before = values[at] as number;
        values[at] = value;
        if (value > before) this.#changedUs.set(keyOf(row, name), nowUs);
      }
    }
  }

  #valuesOf(table: RowTable, width: number): Float64Array {
    const length = table.used() * width;
    const known = this.#rows.get(table);
    if (known !== undefined && known.length >= length) return known;
    const values = new Float64Array(length).fill(Number.NaN);
    if (known !== undefined) values.set(known);
    this.#rows.set(table, values);
    return values;
  }

  /** Milliseconds since each counter was seen to move; one that stood still for as long as we look is not among them. */
  agesMs(nowUs: number): Record<string, number> {
    const ages: Record<string, number> = {};
    for (const [key, changedUs] of this.#changedUs) ages[key] = Math.max(0, (nowUs - changedUs) / 1000);
    return ages;
  }
}
