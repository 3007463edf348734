/** Least-used: the path whose bytes in flight are the fewest for its rate, with this train counted in. */

import { activeTier, hasCredit, isCandidate } from './candidates.ts';
import type { Demand, PathView, Scheduler } from './scheduler.ts';

export class LeastUsedScheduler implements Scheduler {
  readonly queueTargetUs = 0;

  choose(paths: readonly PathView[], count: number, demand: Demand, _nowUs: number): number {
    const tier = activeTier(paths, count);
    const typical = meanRate(paths, count, tier);
    let best = -1;
    let least = Number.POSITIVE_INFINITY;
    for (let index = 0; index < count; index += 1) {
      const path = paths[index] as PathView;
      if (!isCandidate(path, tier) || !hasCredit(path, demand)) continue;
      const use = (path.inFlightBytes + demand.bytes) / (path.rateBytesPerUs || typical);
      if (best >= 0 && use >= least) continue;
      least = use;
      best = index;
    }
    return best;
  }

  copy(_paths: readonly PathView[], _count: number, _demand: Demand, _usedMask: number): number {
    return -1;
  }
}

/** What a path of unknown rate is taken for. */
function meanRate(paths: readonly PathView[], count: number, tier: number): number {
  let sum = 0;
  let known = 0;
  for (let index = 0; index < count; index += 1) {
    const path = paths[index] as PathView;
    if (!isCandidate(path, tier) || path.rateBytesPerUs === 0) continue;
    sum += path.rateBytesPerUs;
    known += 1;
  }
  return known === 0 ? 1 : sum / known;
}
