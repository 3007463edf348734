/**
 * One emitting path at a time: for `failover` mode, and for stock WireGuard peers in any mode (every authenticated packet moves
 * their endpoint). Best role, then best priority, then clearly nearest; leaves a path that is not usable at once. When a path
 * may come back is not decided here: `path-life.ts` says `isUsable` only after the stability time.
 */

import { activeTier, isCandidate } from './candidates.ts';
import { delayUs } from './nearest-path.ts';
import type { PathView } from './scheduler.ts';

/** Among equal priorities a change costs a stock peer a roaming step: only for half the delay, and this. */
const leastGainUs = 10_000;
const gainShare = 0.5;

export class PathSwitch {
  #row = -1;
  #forcedRow = -1;

  /** Manual failover: this path as long as it is usable; -1 = automatic again. */
  force(row: number): void {
    this.#forcedRow = row;
  }

  /** Index of the path to emit on, -1 = none is usable. */
  choose(paths: readonly PathView[], count: number): number {
    const tier = activeTier(paths, count);
    let best = -1;
    let present = -1;
    for (let index = 0; index < count; index += 1) {
      const path = paths[index] as PathView;
      if (path.row === this.#forcedRow && path.isUsable) return index;
      if (!isCandidate(path, tier)) continue;
      if (path.row === this.#row) present = index;
      if (best < 0 || isBefore(path, paths[best] as PathView)) best = index;
    }
    if (best < 0) return -1;
    if (present >= 0 && !isWorthChanging(paths[present] as PathView, paths[best] as PathView)) return present;
    this.#row = (paths[best] as PathView).row;
    return best;
  }
}

function isBefore(path: PathView, other: PathView): boolean {
  if (path.priority !== other.priority) return path.priority < other.priority;
  return delayUs(path) < delayUs(other);
}

function isWorthChanging(present: PathView, other: PathView): boolean {
  if (present.priority !== other.priority) return other.priority < present.priority;
  const presentUs = delayUs(present);
  return presentUs - delayUs(other) > Math.max(leastGainUs, presentUs * gainShare);
}
