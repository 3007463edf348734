/**
 * How fast counters in the rows of a shared table grow: two samples of each, as `rates.ts` keeps them of what has a name. A hub has thousands of
 * rows, of which few move: a sample is a few numbers a row, and no text.
 */
import type { RowTable } from '../rings/table.ts';

const sampleEveryUs = 1_000_000;

interface Sample {
  readonly atUs: number;
  /** A row's columns side by side; NaN where the row was not sampled. */
  readonly values: Float64Array;
}

export class RowRates {
  readonly #table: RowTable;
  /** Byte offsets of float64 columns. */
  readonly #columns: readonly number[];
  #older: Sample | undefined;
  #newer: Sample | undefined;

  /** `columns`: of what shall be told, and of what tells one owner of a row from the next, if anything does. */
  constructor(table: RowTable, columns: readonly number[]) {
    this.#table = table;
    this.#columns = columns;
  }

  /** Keeps what `rows` say when the last sample is a second old; called often. */
  sample(nowUs: number, rows: readonly number[]): void {
    if (this.#newer !== undefined && nowUs - this.#newer.atUs < sampleEveryUs) return;
    const table = this.#table;
    const width = this.#columns.length;
    const length = table.used() * width;
    const spare = this.#older?.values;
    const values = spare?.length === length ? spare : new Float64Array(length);
    values.fill(Number.NaN);
    for (const row of rows) {
      for (let index = 0; index < width; index += 1) {
        values[row * width + index] = table.number(row, this.#columns[index] as number);
      }
    }
    this.#older = this.#newer;
    this.#newer = { atUs: nowUs, values };
  }

  /** How much a column grew in a second; 0 before there is a sample, and when it was reset. `sameAt`: a column that then has to be the same still. */
  perSecond(row: number, column: number, nowUs: number, sameAt?: number): number {
    const base = this.#older ?? this.#newer;
    if (base === undefined || nowUs <= base.atUs) return 0;
    const isSame = sameAt === undefined || this.#before(base, row, sameAt) === this.#table.number(row, sameAt);
    const grown = this.#table.number(row, column) - this.#before(base, row, column);
    return isSame && grown > 0 ? (grown * 1e6) / (nowUs - base.atUs) : 0;
  }

  #before({ values }: Sample, row: number, column: number): number {
    return values[row * this.#columns.length + this.#columns.indexOf(column)] ?? Number.NaN;
  }
}
