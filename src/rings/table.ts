/** What the shared tables have in common: rows of equal size behind a header of 512 bytes, read and written by cell. */
import { assert } from '../base/assert.ts';
import { flow } from '../contract/flows.ts';
import { carrier, check, link } from '../contract/link-tables.ts';
import { path, peer } from '../contract/peer-tables.ts';
import { Journal } from './journal.ts';

/** The part of `contract/` that describes a table of rows. */
export interface RowLayout {
  readonly magic: number;
  readonly magicAt: number;
  readonly rowsAt: number;
  readonly dataAt: number;
  readonly rowBytes: number;
  /** Of tables that say what has changed. */
  readonly versionAt?: number;
  /** Of tables that say how many of their rows were ever used. */
  readonly usedAt?: number;
}

/** Throws RangeError when there is no room for it. */
export function createRowTable(layout: RowLayout, rows: number): SharedArrayBuffer {
  const bytes = layout.dataAt + rows * layout.rowBytes;
  // Places of cells are reckoned in 32 bits.
  if (bytes >= 2 ** 31) throw new RangeError(`a table of ${bytes} bytes`);
  const memory = new SharedArrayBuffer(bytes);
  const words = new Int32Array(memory);
  words[layout.magicAt >> 2] = layout.magic;
  words[layout.rowsAt >> 2] = rows;
  return memory;
}

/** Cells of a shared table. Every column has one writer (`contract/`); 64-bit cells are read and written whole on 64-bit CPUs. */
export class RowTable {
  readonly bytes: Uint8Array;
  readonly rows: number;
  readonly #layout: RowLayout;
  readonly #journal: Journal | undefined;
  readonly #words: Int32Array;
  readonly #numbers: Float64Array;

  constructor(memory: SharedArrayBuffer, layout: RowLayout) {
    this.#words = new Int32Array(memory);
    this.#numbers = new Float64Array(memory);
    this.bytes = new Uint8Array(memory);
    this.#layout = layout;
    assert(this.#words[layout.magicAt >> 2] === layout.magic, 'not the memory of this table');
    this.rows = this.#words[layout.rowsAt >> 2] as number;
    this.#journal = layout.versionAt === undefined ? undefined : new Journal(memory, layout.versionAt);
  }

  /** Byte offset of a row in `bytes`. */
  at(row: number): number {
    return this.#layout.dataAt + row * this.#layout.rowBytes;
  }

  /** Goes up with the changes that `contract/` names; 0 in a table that does not say. */
  version(): number {
    return this.#journal?.version() ?? 0;
  }

  /** Rows from here on were never used: nobody need look at them, and they cost no memory. */
  used(): number {
    const { usedAt } = this.#layout;
    return usedAt === undefined ? this.rows : Math.min(this.rows, Atomics.load(this.#words, usedAt >> 2));
  }

  setUsed(rows: number): void {
    const { usedAt } = this.#layout;
    assert(usedAt !== undefined, 'a table that does not say how many rows were used');
    Atomics.store(this.#words, usedAt >> 2, rows);
  }

  /** Says that a row has changed (`row-changes.ts`). The table's one writer may. */
  tell(row: number): void {
    assert(this.#journal !== undefined, 'a table without a version');
    this.#journal.tell(row);
  }

  /** The row of change `version`, if it was among the last that the journal holds. */
  told(version: number): number {
    return this.#journal?.told(version) ?? 0;
  }

  int(row: number, column: number): number {
    return Atomics.load(this.#words, (this.at(row) + column) >> 2);
  }

  setInt(row: number, column: number, value: number): void {
    Atomics.store(this.#words, (this.at(row) + column) >> 2, value);
  }

  addInt(row: number, column: number, amount: number): void {
    Atomics.add(this.#words, (this.at(row) + column) >> 2, amount);
  }

  /** Writes `value` where `expected` stands; returns what stood there. */
  replaceInt(row: number, column: number, expected: number, value: number): number {
    return Atomics.compareExchange(this.#words, (this.at(row) + column) >> 2, expected, value);
  }

  number(row: number, column: number): number {
    return this.#numbers[(this.at(row) + column) >> 3] as number;
  }

  setNumber(row: number, column: number, value: number): void {
    this.#numbers[(this.at(row) + column) >> 3] = value;
  }

  /** A 64-bit cell of the header. */
  headNumber(at: number): number {
    return this.#numbers[at >> 3] as number;
  }

  setHeadNumber(at: number, value: number): void {
    this.#numbers[at >> 3] = value;
  }

  addNumber(row: number, column: number, amount: number): void {
    const index = (this.at(row) + column) >> 3;
    this.#numbers[index] = (this.#numbers[index] as number) + amount;
  }

  /** A row's bytes, from `column` on: shared, not a copy. */
  slice(row: number, column: number, lengthBytes: number): Uint8Array {
    const from = this.at(row) + column;
    return this.bytes.subarray(from, from + lengthBytes);
  }

  /** Forgets a whole row. */
  clear(row: number): void {
    this.bytes.fill(0, this.at(row), this.at(row) + this.#layout.rowBytes);
  }
}

export function peerTable(memory: SharedArrayBuffer): RowTable {
  return new RowTable(memory, peer);
}

export function pathTable(memory: SharedArrayBuffer): RowTable {
  return new RowTable(memory, path);
}

export function checkTable(memory: SharedArrayBuffer): RowTable {
  return new RowTable(memory, check);
}

export function carrierTable(memory: SharedArrayBuffer): RowTable {
  return new RowTable(memory, carrier);
}

export function flowTable(memory: SharedArrayBuffer): RowTable {
  return new RowTable(memory, flow);
}

export function linkTable(memory: SharedArrayBuffer): RowTable {
  return new RowTable(memory, link);
}
