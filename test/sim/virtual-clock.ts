/** Discrete events in order of time, then of their making: the same run gives the same order. */

interface Event {
  readonly atUs: number;
  readonly number: number;
  readonly run: () => void;
}

export class VirtualClock {
  readonly #heap: Event[] = [];
  #made = 0;
  nowUs = 0;

  at(atUs: number, run: () => void): void {
    const heap = this.#heap;
    const event = { atUs: Math.max(atUs, this.nowUs), number: this.#made, run };
    this.#made += 1;
    let index = heap.length;
    heap.push(event);
    while (index > 0) {
      const parent = (index - 1) >> 1;
      const above = heap[parent];
      if (above === undefined || !isBefore(event, above)) break;
      heap[index] = above;
      index = parent;
    }
    heap[index] = event;
  }

  after(delayUs: number, run: () => void): void {
    this.at(this.nowUs + delayUs, run);
  }

  /** Runs every event up to `untilUs`. */
  runUntil(untilUs: number): void {
    for (let first = this.#heap[0]; first !== undefined && first.atUs <= untilUs; first = this.#heap[0]) {
      this.#removeFirst();
      this.nowUs = first.atUs;
      first.run();
    }
    this.nowUs = untilUs;
  }

  #removeFirst(): void {
    const heap = this.#heap;
    const moved = heap.pop();
    if (moved === undefined || heap.length === 0) return;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      let least = heap[child];
      if (least === undefined) break;
      const right = heap[child + 1];
      if (right !== undefined && isBefore(right, least)) {
        child += 1;
        least = right;
      }
      if (!isBefore(least, moved)) break;
      heap[index] = least;
      index = child;
    }
    heap[index] = moved;
  }
}

function isBefore(a: Event, b: Event): boolean {
  return a.atUs < b.atUs || (a.atUs === b.atUs && a.number < b.number);
}
