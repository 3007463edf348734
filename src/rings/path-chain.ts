/**
 * The path rows of one peer: which follow which (`peer.firstPathAt`, `path.nextAt`), in the order in which they were given, those that
 * were set free lately among them. One writer, session-manager; anybody may walk: `for (row = first(peer); row >= 0; row = next(row, peer))`.
 * A row that belongs to another peer by now ends the walk. Whoever needs what is behind it looks again: the table's version has moved.
 */
import { path, peer } from '../contract/peer-tables.ts';
import type { RowTable } from './table.ts';

const none = -1;

export class PathChain {
  readonly #peers: RowTable;
  readonly #paths: RowTable;

  constructor(peers: RowTable, paths: RowTable) {
    this.#peers = peers;
    this.#paths = paths;
  }

  /** -1 = there is none. */
  first(peerRow: number): number {
    if (peerRow < 0 || peerRow >= this.#peers.rows) return none;
    return this.#check(this.#peers.int(peerRow, peer.firstPathAt) - 1, peerRow);
  }

  next(row: number, peerRow: number): number {
    return this.#check(this.#paths.int(row, path.nextAt) - 1, peerRow);
  }

  /** Puts a row, which says whose it is, at the end of its peer's. */
  append(row: number): void {
    const peerRow = this.#paths.int(row, path.peerAt);
    this.#paths.setInt(row, path.nextAt, 0);
    const last = this.#before(none, peerRow);
    if (last >= 0) this.#paths.setInt(last, path.nextAt, row + 1);
    else this.#peers.setInt(peerRow, peer.firstPathAt, row + 1);
  }

  /** Takes a row out. It goes on leading to those behind it, for readers that stand on it. */
  remove(row: number): void {
    const peerRow = this.#paths.int(row, path.peerAt);
    const next = this.#paths.int(row, path.nextAt);
    if (this.first(peerRow) === row) this.#peers.setInt(peerRow, peer.firstPathAt, next);
    else {
      const before = this.#before(row, peerRow);
      if (before >= 0) this.#paths.setInt(before, path.nextAt, next);
    }
  }

  /** The row that leads to `row`, to none when that is -1; -1 = there is none such. */
  #before(row: number, peerRow: number): number {
    for (let at = this.first(peerRow); at >= 0; at = this.next(at, peerRow)) {
      if (this.#paths.int(at, path.nextAt) - 1 === row) return at;
    }
    return none;
  }

  #check(row: number, peerRow: number): number {
    const isThere = row >= 0 && row < this.#paths.rows && this.#paths.int(row, path.peerAt) === peerRow;
    return isThere ? row : none;
  }
}
