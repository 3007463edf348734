/** Redundant: the nearest path first, a copy on every other that has room; the receiver's replay window keeps the first. */

import { activeTier, hasCredit, isCandidate } from './candidates.ts';
import { LeastLatencyScheduler } from './least-latency.ts';
import type { Demand, PathView, Scheduler } from './scheduler.ts';

export class RedundantScheduler implements Scheduler {
  readonly queueTargetUs = 0;
  readonly #first = new LeastLatencyScheduler();

  choose(paths: readonly PathView[], count: number, demand: Demand, nowUs: number): number {
    return this.#first.choose(paths, count, demand, nowUs);
  }

  /** A path without credit gets no copy of bulk: otherwise the slowest would set everybody's pace. */
  copy(paths: readonly PathView[], count: number, demand: Demand, usedMask: number): number {
    const tier = activeTier(paths, count);
    for (let index = 0; index < count; index += 1) {
      const path = paths[index] as PathView;
      if ((usedMask & (1 << index)) === 0 && isCandidate(path, tier) && hasCredit(path, demand)) return index;
    }
    return -1;
  }
}
