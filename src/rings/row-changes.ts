/** Follows what a table, or a journal of its own, says has changed (`RowTable.tell`), so that a reader looks at those rows and not at all of them. */
import { journal } from '../contract/peer-tables.ts';
import type { Journal } from './journal.ts';

export class RowChanges {
  readonly #table: Pick<Journal, 'version' | 'told'>;
  #seen = 0;
  #isFirst = true;

  constructor(table: Pick<Journal, 'version' | 'told'>) {
    this.#table = table;
  }

  /** Nothing was told since the last `read`. */
  get areNone(): boolean {
    return !this.#isFirst && this.#table.version() === this.#seen;
  }

  /**
   * Gives the rows told of since the last call to `each`, some twice. The first time, or when they were more than the journal holds, it
   * calls `all` instead. Returns the version up to which all is read.
   */
  read(each: (row: number) => void, all: () => void): number {
    const version = this.#table.version();
    const isLost = this.#isFirst || this.#isGone(version);
    for (let next = this.#seen; !isLost && next !== version; next = (next + 1) | 0) each(this.#table.told(next));
    // The writer was quicker: some of what was read was about later changes.
    if (isLost || this.#isGone(this.#table.version())) all();
    this.#isFirst = false;
    this.#seen = version;
    return version;
  }

  /** The place of the first change not read is written anew before the version says so. */
  #isGone(version: number): boolean {
    return ((version - this.#seen) | 0) >= journal.rows;
  }
}
