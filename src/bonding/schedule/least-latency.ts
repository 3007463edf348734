/**
 * Least-latency: the path of the smallest round trip, left only for one that is clearly nearer; bulk spills to the next nearest
 * with credit (MPTCP's default scheduler), urgent traffic does not.
 */

import { activeTier, hasCredit, isCandidate } from './candidates.ts';
import { delayUs, NearestPath } from './nearest-path.ts';
import type { Demand, PathView, Scheduler } from './scheduler.ts';

export class LeastLatencyScheduler implements Scheduler {
  readonly queueTargetUs = 0;
  readonly #nearest = new NearestPath();

  choose(paths: readonly PathView[], count: number, demand: Demand, _nowUs: number): number {
    const tier = activeTier(paths, count);
    const nearest = this.#nearest.choose(paths, count, tier);
    if (nearest < 0 || hasCredit(paths[nearest] as PathView, demand)) return nearest;
    let best = -1;
    for (let index = 0; index < count; index += 1) {
      const path = paths[index] as PathView;
      if (!isCandidate(path, tier) || !hasCredit(path, demand)) continue;
      if (best < 0 || delayUs(path) < delayUs(paths[best] as PathView)) best = index;
    }
    return best;
  }

  copy(_paths: readonly PathView[], _count: number, _demand: Demand, _usedMask: number): number {
    return -1;
  }
}
