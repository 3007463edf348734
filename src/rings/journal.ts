/** Which rows of a table have changed, in the table's header: the last `journal.rows` of them, and how many there were. */
import { journal, judgedJournal } from '../contract/peer-tables.ts';

export class Journal {
  readonly #words: Int32Array;
  readonly #versionAt: number;
  readonly #at: number;

  constructor(memory: SharedArrayBuffer, versionAt: number, at: number = journal.at) {
    this.#words = new Int32Array(memory);
    this.#versionAt = versionAt >> 2;
    this.#at = at >> 2;
  }

  /** Goes up with every change. */
  version(): number {
    return Atomics.load(this.#words, this.#versionAt);
  }

  /** Says that a row has changed (`row-changes.ts`). The journal's one writer may. */
  tell(row: number): void {
    const version = this.version();
    Atomics.store(this.#words, this.#at + (version & (journal.rows - 1)), row);
    Atomics.store(this.#words, this.#versionAt, version + 1);
  }

  /** The row of change `version`, if it was among the last `journal.rows`. */
  told(version: number): number {
    return Atomics.load(this.#words, this.#at + (version & (journal.rows - 1)));
  }
}

/** Of the path table, what the sealer of a shard tells. */
export function judgedPaths(memory: SharedArrayBuffer, shard = 0): Journal {
  return new Journal(memory, judgedJournal.versionAt + 4 * shard, judgedJournal.at + judgedJournal.bytes * shard);
}
