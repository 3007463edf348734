/** SKIPs that left lately, by the counters under which they were sealed: one that is lost must be said again, or what it named is waited for. */

/** A peer in doubt is told of some ten in a round trip. */
const kept = 512;
/** Keys have not changed so often meanwhile that another packet could have left under the same counter of the same slot. */
const lastsUs = 2_000_000;

export class ToldSkips {
  readonly #slots = new Int32Array(kept).fill(-1);
  readonly #counters = new Float64Array(kept);
  readonly #firsts = new Float64Array(kept);
  readonly #counts = new Int32Array(kept);
  readonly #leftUs = new Float64Array(kept);
  #next = 0;

  /** One left under `counter` of `slot`, and named `count` counters from `first` on. */
  note(slot: number, counter: number, first: number, count: number, nowUs: number): void {
    const place = this.#next;
    this.#next = (place + 1) % kept;
    this.#slots[place] = slot;
    this.#counters[place] = counter;
    this.#firsts[place] = first;
    this.#counts[place] = count;
    this.#leftUs[place] = nowUs;
  }

  /** Takes out the one that left under `counter`: its place, until the next `note`; -1 = what left under it was none. */
  take(slot: number, counter: number, nowUs: number): number {
    for (let place = 0; place < kept; place += 1) {
      if (this.#counters[place] !== counter || this.#slots[place] !== slot) continue;
      this.#slots[place] = -1;
      return nowUs - (this.#leftUs[place] as number) < lastsUs ? place : -1;
    }
    return -1;
  }

  firstOf(place: number): number {
    return this.#firsts[place] as number;
  }

  countOf(place: number): number {
    return this.#counts[place] as number;
  }
}
