/** Round-robin: each train takes the next usable path that has credit. */

import { activeTier, hasCredit, isCandidate } from './candidates.ts';
import type { Demand, PathView, Scheduler } from './scheduler.ts';

export class RoundRobinScheduler implements Scheduler {
  readonly queueTargetUs = 0;
  #last = -1;

  choose(paths: readonly PathView[], count: number, demand: Demand, _nowUs: number): number {
    const tier = activeTier(paths, count);
    for (let step = 1; step <= count; step += 1) {
      const index = (this.#last + step) % count;
      const path = paths[index] as PathView;
      if (!isCandidate(path, tier) || !hasCredit(path, demand)) continue;
      this.#last = index;
      return index;
    }
    return -1;
  }

  copy(_paths: readonly PathView[], _count: number, _demand: Demand, _usedMask: number): number {
    return -1;
  }
}
