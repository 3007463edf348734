/**
 * Which paths are worth another look: those that the sealer has judged anew or the session-manager has moved at once, the others each
 * once a second, or a thousand of them, a part of them at a time. With thousands of paths a look at all of them would be most of what an idle hub does.
 */
import { shards } from '../contract/peer-tables.ts';
import { judgedPaths } from '../rings/journal.ts';
import { RowChanges } from '../rings/row-changes.ts';
import { pathTable } from '../rings/table.ts';
import type { PathMoment, PathNews } from './path-events.ts';
import type { PathReader } from './read-paths.ts';
import type { InstanceInfo, SharedMemory } from './supervisor-api.ts';

const roundUs = 1_000_000;
/** What a look costs, 20 µs, bounds the round of a hub with thousands of paths to longer. */
const mostPerSecond = 1000;

export class PathWatch {
  readonly #reader: PathReader;
  /** Of each shard that there may be. */
  readonly #judged: readonly RowChanges[];
  readonly #moved: RowChanges;
  /** By row, of the paths that were there at the last look. */
  readonly #keys = new Map<number, string>();
  /** Names come from it. */
  #instance: InstanceInfo | undefined;
  #lookedUs = Number.NEGATIVE_INFINITY;
  #next = 0;

  constructor(reader: PathReader, memory: Pick<SharedMemory, 'paths'>) {
    this.#reader = reader;
    this.#judged = Array.from({ length: shards.most }, (_, shard) => new RowChanges(judgedPaths(memory.paths, shard)));
    this.#moved = new RowChanges(pathTable(memory.paths));
  }

  look(instance: InstanceInfo, nowUs: number): PathNews {
    const rows = new Set<number>();
    const addOne = (row: number): unknown => rows.add(row);
    const addAll = (): void => {
      for (const row of this.#reader.rows()) rows.add(row);
      for (const row of this.#keys.keys()) rows.add(row);
    };
    for (const judged of this.#judged) judged.read(addOne, addAll);
    this.#moved.read(addOne, addAll);
    if (this.#instance !== instance) addAll();
    else this.#addInTurn(rows, nowUs);
    this.#instance = instance;
    this.#lookedUs = nowUs;
    return this.#compare(rows, instance, nowUs);
  }

  #addInTurn(rows: Set<number>, nowUs: number): void {
    const all = this.#reader.rows();
    const share = Math.min(1, (nowUs - this.#lookedUs) / roundUs);
    for (let count = Math.ceil(Math.min(all.length, mostPerSecond) * share); count > 0; count -= 1) {
      if (this.#next >= all.length) this.#next = 0;
      const row = all[this.#next] as number;
      // A stock client's, of which a hub has thousands.
      if (!this.#reader.isStill(row)) rows.add(row);
      this.#next += 1;
    }
  }

  #compare(rows: ReadonlySet<number>, instance: InstanceInfo, nowUs: number): PathNews {
    const changed: PathMoment[] = [];
    const gone: string[] = [];
    for (const row of rows) {
      const moment = this.#reader.moment(row, instance, nowUs);
      const before = this.#keys.get(row);
      if (before !== undefined && before !== moment?.key) gone.push(before);
      if (moment === undefined) {
        this.#keys.delete(row);
        continue;
      }
      this.#keys.set(row, moment.key);
      changed.push(moment);
    }
    return { changed, gone };
  }
}
