/**
 * Whose turn it is while many share one rate: start-time fair queueing (Goyal, Vin, Cheng 1996) over rows. Each turn's bytes, divided by
 * the row's priority, are how far it stands behind; who is least behind is next. Nobody saves up turns while nothing of it waits. Priority
 * 0 has its turn when nobody else waits. Rows of one owner have one share, and their turns in the order in which they came. A turn costs the
 * logarithm of how many wait.
 */
import { DueQueue } from '../../base/due-queue.ts';

/** What one used while nobody waited is owed to who comes then, but no more of it: it took nothing from anybody. */
const mostOwedBytes = 128 * 1024;

/** Those that share by priority, or those that share what the others leave. */
class Line {
  readonly #waiting = new DueQueue();
  /** By owner: where its next turn begins, in bytes divided by priority. */
  readonly #tags: number[] = [];
  /** Where the last turn began: who comes now begins there. */
  #now = 0;

  get size(): number {
    return this.#waiting.size;
  }

  enter(row: number, owner: number): void {
    this.#waiting.set(row, this.#startOf(owner));
  }

  take(): number {
    const start = this.#waiting.nextUs;
    const row = this.#waiting.take(start);
    if (row >= 0) this.#now = start;
    return row;
  }

  /** `mostOwed`: in the same unit as `share`. */
  spend(owner: number, share: number, mostOwed: number): void {
    const tag = this.#startOf(owner) + share;
    this.#tags[owner] = tag;
    if (this.#waiting.size === 0) this.#now = Math.max(this.#now, tag - mostOwed);
  }

  delete(row: number): void {
    this.#waiting.delete(row);
  }

  #startOf(owner: number): number {
    return Math.max(this.#now, this.#tags[owner] ?? 0);
  }
}

export class TurnShares {
  readonly #line = new Line();
  readonly #rest = new Line();
  readonly #priorities: number[] = [];
  readonly #owners: number[] = [];

  /** Rows that wait for a turn. */
  get size(): number {
    return this.#line.size + this.#rest.size;
  }

  /** 0 to 100. A row that waits keeps its place by its old priority until its next turn. */
  setPriority(row: number, priority: number): void {
    this.#priorities[row] = priority;
  }

  /** Whose share the row's is: a row too, which is its own where nothing else is said. */
  setOwner(row: number, owner: number): void {
    this.#owners[row] = owner;
  }

  /** Something of the row waits. */
  enter(row: number): void {
    this.delete(row);
    this.#lineOf(row).enter(row, this.#owners[row] ?? row);
  }

  /** Takes out the row whose turn is next, -1 = nobody waits. */
  take(): number {
    return this.#line.size > 0 ? this.#line.take() : this.#rest.take();
  }

  /** The row has used so many bytes, in its turn or while nobody waited. */
  spend(row: number, bytes: number): void {
    const priority = Math.max(1, this.#priorities[row] ?? 0);
    this.#lineOf(row).spend(this.#owners[row] ?? row, bytes / priority, mostOwedBytes / priority);
  }

  delete(row: number): void {
    this.#line.delete(row);
    this.#rest.delete(row);
  }

  #lineOf(row: number): Line {
    return (this.#priorities[row] ?? 0) > 0 ? this.#line : this.#rest;
  }
}
