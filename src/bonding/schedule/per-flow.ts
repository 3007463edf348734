/**
 * Per-flow: a flow keeps to one path and is never reordered. Rendezvous hashing weighted by rate (Schindelhauer 2005): when a
 * path dies only its own flows move, and they return with it.
 */

import { activeTier, hasCredit, isCandidate, maxPaths } from './candidates.ts';
import type { Demand, PathView, Scheduler } from './scheduler.ts';

/** A measured rate may move by this factor before it counts anew: flows must not wander with every sample. */
const rateStep = 2;

export class PerFlowScheduler implements Scheduler {
  readonly queueTargetUs = 0;
  readonly #rows = new Int32Array(maxPaths).fill(-1);
  readonly #shares = new Float64Array(maxPaths);

  choose(paths: readonly PathView[], count: number, demand: Demand, _nowUs: number): number {
    const tier = activeTier(paths, count);
    let best = -1;
    let most = Number.NEGATIVE_INFINITY;
    for (let index = 0; index < count; index += 1) {
      const path = paths[index] as PathView;
      if (!isCandidate(path, tier)) continue;
      const score = -this.#share(path, index) / Math.log(unitHash(demand.flow, path.row));
      if (score <= most) continue;
      most = score;
      best = index;
    }
    return best >= 0 && hasCredit(paths[best] as PathView, demand) ? best : -1;
  }

  copy(_paths: readonly PathView[], _count: number, _demand: Demand, _usedMask: number): number {
    return -1;
  }

  #share(path: PathView, index: number): number {
    if (path.weight > 0) return path.weight;
    if (this.#rows[index] !== path.row) {
      this.#rows[index] = path.row;
      this.#shares[index] = 0;
    }
    const held = this.#shares[index] as number;
    const rate = path.rateBytesPerUs;
    if (rate > 0 && (held === 0 || rate > held * rateStep || rate < held / rateStep)) this.#shares[index] = rate;
    return (this.#shares[index] as number) || 1;
  }
}

/** A number in (0, 1) from both, evenly spread (the finaliser of MurmurHash3). */
function unitHash(flow: number, row: number): number {
  let hash = (flow ^ Math.imul(row + 1, 0x9e3779b1)) | 0;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  hash ^= hash >>> 16;
  return ((hash >>> 0) + 0.5) / 4_294_967_296;
}
