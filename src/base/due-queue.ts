/**
 * Who is due when: a binary heap of small integers (rows of a table) by time, each in it at most once. Looking costs nothing, a change
 * costs the logarithm of how many wait; nobody is passed over who is not due.
 */
export class DueQueue {
  /** Heap: no key is due before the one at (its place - 1) / 2. */
  readonly #keys: number[] = [];
  /** By key. */
  readonly #dueUs: number[] = [];
  readonly #places: number[] = [];

  get size(): number {
    return this.#keys.length;
  }

  /** When the first is due, infinity when nobody waits. */
  get nextUs(): number {
    const first = this.#keys[0];
    return first === undefined ? Number.POSITIVE_INFINITY : (this.#dueUs[first] as number);
  }

  /** `key` (0 or more) is due at `dueUs`, whatever was said before; infinity = never. */
  set(key: number, dueUs: number): void {
    if (dueUs === Number.POSITIVE_INFINITY) {
      this.delete(key);
      return;
    }
    let place = this.#placeOf(key);
    if (place < 0) place = this.#keys.push(key) - 1;
    this.#dueUs[key] = dueUs;
    this.#places[key] = place;
    this.#settle(place);
  }

  delete(key: number): void {
    const place = this.#placeOf(key);
    if (place < 0) return;
    this.#places[key] = -1;
    const last = this.#keys.pop() as number;
    if (last === key) return;
    this.#put(last, place);
    this.#settle(place);
  }

  /** Takes the first out if it is due at `nowUs`; -1 = nobody is. */
  take(nowUs: number): number {
    const first = this.#keys[0];
    if (first === undefined || (this.#dueUs[first] as number) > nowUs) return -1;
    this.delete(first);
    return first;
  }

  #placeOf(key: number): number {
    return this.#places[key] ?? -1;
  }

  #put(key: number, place: number): void {
    this.#keys[place] = key;
    this.#places[key] = place;
  }

  #isBefore(one: number, other: number): boolean {
    return (this.#dueUs[one] as number) < (this.#dueUs[other] as number);
  }

  /** Moves what stands in `place` to where it belongs. */
  #settle(place: number): void {
    const key = this.#keys[place] as number;
    let at = place;
    while (at > 0) {
      const parent = this.#keys[(at - 1) >> 1] as number;
      if (!this.#isBefore(key, parent)) break;
      this.#put(parent, at);
      at = (at - 1) >> 1;
    }
    for (let child = this.#firstChild(at); child >= 0; child = this.#firstChild(at)) {
      const below = this.#keys[child] as number;
      if (!this.#isBefore(below, key)) break;
      this.#put(below, at);
      at = child;
    }
    this.#put(key, at);
  }

  /** Place of the earlier one of the two below `at`, -1 = there is none. */
  #firstChild(at: number): number {
    const left = 2 * at + 1;
    if (left >= this.#keys.length) return -1;
    const [one, other] = [this.#keys[left] as number, this.#keys[left + 1]];
    return other !== undefined && this.#isBefore(other, one) ? left + 1 : left;
  }
}
