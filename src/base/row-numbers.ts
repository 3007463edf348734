/**
 * A number for each row of a table that reserves more rows than are ever used (docs/adr/0024): grows with the highest row that is written
 * to. A row that never was reads as `unwritten`.
 */
export class RowNumbers {
  readonly #unwritten: number;
  #cells: Float64Array;

  constructor(unwritten = 0) {
    this.#unwritten = unwritten;
    this.#cells = new Float64Array(0);
  }

  get(row: number): number {
    return this.#cells[row] ?? this.#unwritten;
  }

  set(row: number, value: number): void {
    if (row >= this.#cells.length) this.#grow(row + 1);
    this.#cells[row] = value;
  }

  #grow(least: number): void {
    const before = this.#cells;
    this.#cells = new Float64Array(Math.max(least, 2 * before.length)).fill(this.#unwritten);
    this.#cells.set(before);
  }
}
