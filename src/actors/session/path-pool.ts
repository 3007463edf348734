/**
 * The pool that all peers' path rows come from. A row that was set free stays with its peer until nobody can have it in hand any more, and
 * is given to any peer then. A row's number within its peer is its row modulo `path.mostPerPeer`, so a peer takes rows of numbers
 * that it has not; and none again whose packets may still be under way.
 */
import { path, pathState } from '../../contract/peer-tables.ts';
import { PathChain } from '../../rings/path-chain.ts';
import type { RowTable } from '../../rings/table.ts';

/** What sealer, links and opener had under way for a row that was set free has ended by then. */
const restUs = 10_000_000;
const none = -1;

export class PathPool {
  readonly #paths: RowTable;
  readonly #chain: PathChain;
  /** Set free once, in the order in which they were. */
  readonly #free: Set<number>;
  /** Never used: their numbers did not suit whoever was next. */
  readonly #skipped = new Set<number>();

  /** Goes on with what a predecessor of this actor left. */
  constructor(paths: RowTable, peers: RowTable) {
    this.#paths = paths;
    this.#chain = new PathChain(peers, paths);
    const used = Array.from({ length: paths.used() }, (_, row) => row);
    const free = used.filter((row) => paths.int(row, path.stateAt) === pathState.free);
    this.#free = new Set(free.sort((one, other) => this.#freedUs(one) - this.#freedUs(other)));
  }

  /** A peer's rows, oldest first; those that it has set free stay for a while. */
  rowsOf(peerRow: number): number[] {
    const rows: number[] = [];
    for (let row = this.#chain.first(peerRow); row >= 0; row = this.#chain.next(row, peerRow)) rows.push(row);
    return rows;
  }

  /** A row for a new path of the peer, to be written and then linked; -1 = it has as many as it may, or all are taken. */
  take(peerRow: number, nowUs: number): number {
    const own = this.rowsOf(peerRow);
    const numbers = new Set(own.map((row) => row % path.mostPerPeer));
    const suits = (row: number): boolean => !numbers.has(row % path.mostPerPeer);
    const isOwnFree = (row: number): boolean => this.#free.has(row) && own.includes(row);
    let row = this.#findRested((one) => suits(one) || isOwnFree(one), nowUs);
    if (row < 0 && numbers.size < path.mostPerPeer) row = this.#findNew(suits);
    // Its own before they have rested: better than to know nothing of where the peer is now.
    if (row < 0) row = [...this.#free].find(isOwnFree) ?? none;
    if (row < 0) return none;
    if (this.#free.delete(row)) this.#chain.remove(row);
    this.#skipped.delete(row);
    return row;
  }

  /** A row that was taken says whose it is: others may see it. */
  link(row: number): void {
    this.#chain.append(row);
  }

  /** A row was set free. */
  give(row: number): void {
    this.#free.delete(row);
    this.#free.add(row);
  }

  /** Rows that can be found from the peer they belong to. */
  linked(): Set<number> {
    const linked = new Set<number>();
    const peers = new Set<number>();
    for (let row = 0; row < this.#paths.used(); row += 1) peers.add(this.#paths.int(row, path.peerAt));
    for (const peerRow of peers) for (const row of this.rowsOf(peerRow)) linked.add(row);
    return linked;
  }

  #findRested(mayHave: (row: number) => boolean, nowUs: number): number {
    for (const row of this.#free) {
      const freedUs = this.#freedUs(row);
      if (freedUs > 0 && nowUs - freedUs < restUs) return none;
      if (mayHave(row)) return row;
    }
    return none;
  }

  #findNew(suits: (row: number) => boolean): number {
    for (const row of this.#skipped) if (suits(row)) return row;
    for (let row = this.#paths.used(); row < this.#paths.rows; row += 1) {
      this.#paths.setUsed(row + 1);
      if (suits(row)) return row;
      this.#skipped.add(row);
    }
    return none;
  }

  /** 0 = it was never used. */
  #freedUs(row: number): number {
    return this.#paths.number(row, path.bornUsAt);
  }
}
