/** The nearest path with hysteresis: two of nearly equal delay do not make traffic change sides with every sample. */

import { isCandidate, rttOf } from './candidates.ts';
import type { PathView } from './scheduler.ts';

/** Another path must be nearer by an eighth of the present delay and by this to be worth a change. */
const leastGainUs = 1_000;
const gainShare = 0.125;
/** What a lost packet costs somebody who waits: about an application's own repeat. 1 % loss counts as 5 ms. */
const lossCostUs = 500_000;
/** Urgent traffic may overdraw a credit by this without being slower for it. */
const overdraftBytes = 16 * 1024;

/** Expected one-way delay: half the smoothed round trip, what it varies by, and what its losses cost. */
export function delayUs(path: PathView): number {
  return rttOf(path) / 2 + path.jitterUs + path.loss * lossCostUs;
}

/** The delay of something urgent that leaves now: a path flooded with urgent traffic is no longer the nearest. */
function urgentDelayUs(path: PathView): number {
  const excess = -path.allowedBytes - overdraftBytes;
  return delayUs(path) + (excess > 0 && path.rateBytesPerUs > 0 ? excess / path.rateBytesPerUs : 0);
}

export class NearestPath {
  #row = -1;

  /** Index of the nearest candidate of `tier`, -1 = none. */
  choose(paths: readonly PathView[], count: number, tier: number): number {
    let best = -1;
    let present = -1;
    for (let index = 0; index < count; index += 1) {
      const path = paths[index] as PathView;
      if (!isCandidate(path, tier)) continue;
      if (path.row === this.#row) present = index;
      if (best < 0 || urgentDelayUs(path) < urgentDelayUs(paths[best] as PathView)) best = index;
    }
    if (present >= 0 && !isWorthChanging(paths[present] as PathView, paths[best] as PathView)) return present;
    if (best >= 0) this.#row = (paths[best] as PathView).row;
    return best;
  }
}

function isWorthChanging(present: PathView, other: PathView): boolean {
  const presentUs = urgentDelayUs(present);
  return presentUs - urgentDelayUs(other) > Math.max(leastGainUs, presentUs * gainShare);
}
