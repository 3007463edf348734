/**
 * Weighted: bytes in proportion to the configured weight, or to the measured rate where none is configured (start-time fair
 * queueing over paths, Goyal 1996). A path without credit is passed over, and makes good for at most `mostLagBytes` later.
 */

import { activeTier, hasCredit, isCandidate, maxPaths } from './candidates.ts';
import type { Demand, PathView, Scheduler } from './scheduler.ts';

/** What a path that could not keep its share may catch up in one go: a burst of a few trains. */
const mostLagBytes = 256 * 1024;

export class WeightedScheduler implements Scheduler {
  readonly queueTargetUs = 0;
  readonly #rows = new Int32Array(maxPaths).fill(-1);
  readonly #seenBytes = new Float64Array(maxPaths);
  /** Bytes divided by the path's share: whoever is furthest behind is next. */
  readonly #virtual = new Float64Array(maxPaths);

  choose(paths: readonly PathView[], count: number, demand: Demand, _nowUs: number): number {
    const tier = activeTier(paths, count);
    const shares = this.#account(paths, count, tier);
    let best = -1;
    for (let index = 0; index < count; index += 1) {
      const path = paths[index] as PathView;
      if (!isCandidate(path, tier) || !hasCredit(path, demand)) continue;
      if (
        best < 0 ||
        this.#after(path, index, shares, demand) < this.#after(paths[best] as PathView, best, shares, demand)
      )
        best = index;
    }
    return best;
  }

  copy(_paths: readonly PathView[], _count: number, _demand: Demand, _usedMask: number): number {
    return -1;
  }

  /** Where the path would stand after this train: so a train's size counts before it is sent, not after. */
  #after(path: PathView, index: number, shares: number, demand: Demand): number {
    return (this.#virtual[index] as number) + demand.bytes / (shareOf(path) / shares);
  }

  /** Books what was sent since the last call; returns the sum of shares. */
  #account(paths: readonly PathView[], count: number, tier: number): number {
    let shares = 0;
    let most = 0;
    for (let index = 0; index < count; index += 1) {
      const path = paths[index] as PathView;
      if (isCandidate(path, tier)) shares += shareOf(path);
    }
    for (let index = 0; index < count; index += 1) {
      const path = paths[index] as PathView;
      if (this.#rows[index] !== path.row) {
        this.#rows[index] = path.row;
        this.#seenBytes[index] = path.sentBytes;
        this.#virtual[index] = 0;
      }
      const sent = path.sentBytes - (this.#seenBytes[index] as number);
      this.#seenBytes[index] = path.sentBytes;
      if (!isCandidate(path, tier)) continue;
      this.#virtual[index] = (this.#virtual[index] as number) + sent / (shareOf(path) / shares);
      most = Math.max(most, this.#virtual[index] as number);
    }
    for (let index = 0; index < count; index += 1)
      this.#virtual[index] = Math.max(this.#virtual[index] as number, most - mostLagBytes);
    return shares;
  }
}

/** Weights are relative, and so are rates: a bond with weights on some links only should not mix the two, and says so at start. */
function shareOf(path: PathView): number {
  if (path.weight > 0) return path.weight;
  return path.rateBytesPerUs > 0 ? path.rateBytesPerUs : 1;
}
