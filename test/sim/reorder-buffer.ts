/** The opener's order of a session's counters, under the virtual clock: holds what came after a gap until the real deadline. */
import { ReorderDeadline } from '../../src/bonding/receive/reorder-deadline.ts';
import { trafficClass } from '../../src/rings/layout.ts';
import type { VirtualClock } from './virtual-clock.ts';

export class ReorderBuffer {
  readonly #clock: VirtualClock;
  readonly #deadline = new ReorderDeadline(-1);
  readonly #deliver: (id: number) => void;
  /** Held ones by counter; a gap's first follower came at `#gapUs`. */
  readonly #held = new Map<number, number>();
  /** Counters that were given up, and since when they were missed. */
  readonly #givenUp = new Map<number, number>();
  readonly #came: boolean[] = [];
  #next = 0;
  #gapUs = -1;
  #isTimed = false;
  heldMost = 0;

  constructor(clock: VirtualClock, deliver: (id: number) => void) {
    this.#clock = clock;
    this.#deliver = deliver;
  }

  get deadlineUs(): number {
    return this.#deadline.deadlineUs(trafficClass.bulk);
  }

  update(skewUs: number, reportIntervalUs: number, bestRttUs: number, isAlone: boolean): void {
    this.#deadline.update(this.#clock.nowUs, skewUs, reportIntervalUs, bestRttUs, isAlone);
  }

  arrive(counter: number, id: number): void {
    const { nowUs } = this.#clock;
    // What the replay window does with a copy.
    if (this.#came[counter] === true) return;
    this.#came[counter] = true;
    if (counter < this.#next) {
      const sinceUs = this.#givenUp.get(counter);
      if (sinceUs !== undefined) this.#deadline.handleFilled(nowUs - sinceUs, true);
      this.#givenUp.delete(counter);
      this.#deliver(id);
      return;
    }
    if (counter === this.#next && this.#gapUs >= 0) this.#deadline.handleFilled(nowUs - this.#gapUs, false);
    this.#held.set(counter, id);
    this.heldMost = Math.max(this.heldMost, this.#held.size);
    this.#release();
  }

  #release(): void {
    const { nowUs } = this.#clock;
    for (;;) {
      const id = this.#held.get(this.#next);
      if (id !== undefined) {
        this.#held.delete(this.#next);
        this.#next += 1;
        this.#gapUs = -1;
        this.#deliver(id);
      } else if (this.#held.size === 0) {
        this.#gapUs = -1;
        return;
      } else {
        if (this.#gapUs < 0) this.#gapUs = nowUs;
        const dueUs = this.#gapUs + this.deadlineUs;
        if (nowUs < dueUs) {
          this.#timeRelease(dueUs);
          return;
        }
        this.#deadline.handleGivenUp();
        for (; !this.#held.has(this.#next); this.#next += 1) this.#givenUp.set(this.#next, this.#gapUs);
        this.#gapUs = -1;
      }
    }
  }

  #timeRelease(dueUs: number): void {
    if (this.#isTimed) return;
    this.#isTimed = true;
    this.#clock.at(dueUs + 1, () => {
      this.#isTimed = false;
      this.#release();
    });
  }
}
