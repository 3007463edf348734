/** Who may be chosen at all: roles, usability and credit, the same for every mode. */
import { trafficClass } from '../../contract/records.ts';
import type { Demand, PathRole, PathView } from './scheduler.ts';

/** Most paths of one peer; state kept by index has this many places. */
export const maxPaths = 32;

/** Assumed until a probe was answered: a path of unknown delay is not the first choice, nor impossible. */
const unknownRttUs = 100_000;

function tierOf(role: PathRole): number {
  return role === 'always' ? 0 : role === 'backup' ? 1 : 2;
}

export function isOfTier(path: PathView, tier: number): boolean {
  return tierOf(path.role) === tier;
}

/** The best tier of roles that has a usable path; all others rest. -1 = no path is usable. */
export function activeTier(paths: readonly PathView[], count: number): number {
  let best = 3;
  for (let index = 0; index < count; index += 1) {
    const path = paths[index] as PathView;
    if (path.isUsable) best = Math.min(best, tierOf(path.role));
  }
  return best === 3 ? -1 : best;
}

export function isCandidate(path: PathView, tier: number): boolean {
  return path.isUsable && isOfTier(path, tier);
}

/** What people wait for: may overdraw a credit. */
export function isUrgent(demand: Demand): boolean {
  return demand.trafficClass < trafficClass.bulk;
}

export function hasCredit(path: PathView, demand: Demand): boolean {
  return path.allowedBytes > 0 || isUrgent(demand);
}

export function rttOf(path: PathView): number {
  return path.rttUs > 0 ? path.rttUs : unknownRttUs;
}
