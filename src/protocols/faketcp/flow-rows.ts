/** Rows of the flow table: who has one, who may have the next, and its cells as the state machine reads and writes them. */
import { flow, flowState, tuple } from '../../contract/flows.ts';
import type { RowTable } from '../../rings/table.ts';

export class FlowRows {
  readonly table: RowTable;
  readonly #free: number[] = [];
  readonly #tuples: Uint8Array[] = [];

  /** Takes over what a predecessor has left. */
  constructor(table: RowTable) {
    this.table = table;
    for (let row = table.used() - 1; row >= 0; row -= 1) if (this.state(row) === flowState.free) this.#free.push(row);
  }

  /** Rows that are not free, in no order that means anything. */
  *taken(): Generator<number> {
    for (let row = 0; row < this.table.used(); row += 1) if (this.state(row) !== flowState.free) yield row;
  }

  /** An empty row; -1 = all are taken. */
  claim(): number {
    const row = this.#free.pop() ?? this.table.used();
    if (row >= this.table.rows) return -1;
    if (row >= this.table.used()) this.table.setUsed(row + 1);
    this.table.clear(row);
    return row;
  }

  release(row: number): void {
    this.table.clear(row);
    this.#free.push(row);
  }

  /** The row's own, shared. */
  tuple(row: number): Uint8Array {
    const known = this.#tuples[row];
    if (known !== undefined) return known;
    const bytes = this.table.slice(row, 0, tuple.bytes);
    this.#tuples[row] = bytes;
    return bytes;
  }

  state(row: number): number {
    return this.table.int(row, flow.stateAt);
  }

  /** Of a cell that counts modulo 2^32. */
  u32(row: number, column: number): number {
    return this.table.int(row, column) >>> 0;
  }

  setU32(row: number, column: number, value: number): void {
    this.table.setInt(row, column, value | 0);
  }
}
