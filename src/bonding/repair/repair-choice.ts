/**
 * By which path a lost packet arrives soonest. All that came after it is held for it at the other end, so a burst of losses must not
 * queue up on the nearest path when a farther one would be quicker: what is owed on each path counts.
 */

import { activeTier, isCandidate } from '../schedule/candidates.ts';
import { delayUs } from '../schedule/nearest-path.ts';
import type { PathView } from '../schedule/scheduler.ts';

/** Repairs may overdraw a path's credit by this: they go before all that is new. */
export const repairReserveBytes = 16 * 1024;
/** Of a path whose rate is not known yet: 10 Mbit/s. */
const unknownBytesPerUs = 1.25;

/** Index of the path of the earliest arrival of `bytes` among those that have room; -1 = none has. */
export function chooseForRepair(paths: readonly PathView[], count: number, bytes: number): number {
  const tier = activeTier(paths, count);
  let best = -1;
  let bestUs = Number.POSITIVE_INFINITY;
  for (let index = 0; index < count; index += 1) {
    const path = paths[index] as PathView;
    if (!isCandidate(path, tier) || path.allowedBytes + repairReserveBytes <= 0) continue;
    const owedBytes = Math.max(0, bytes - path.allowedBytes);
    const arrivalUs = delayUs(path) + owedBytes / (path.rateBytesPerUs || unknownBytesPerUs);
    if (arrivalUs >= bestUs) continue;
    bestUs = arrivalUs;
    best = index;
  }
  return best;
}
