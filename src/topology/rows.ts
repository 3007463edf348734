/**
 * Which row of the shared tables each link has. It stays what it was in the predecessor (a reload), because the tables know links by row
 * only. Peers come and go without a new topology: `supervisor/peer-directory.ts` has theirs.
 */

import type { LinkRow, Topology } from '../actors/kit/topology.ts';
import type { Config } from '../config/config.ts';

/** Rows have gaps where links went, so that nothing that is known of the others moves; a row set free rests until the next one. */
export function assignLinks(config: Config, previous: Topology | undefined): LinkRow[] {
  const before = new Map(previous?.links.map((link) => [link.name, link.row]));
  const taken = new Set(before.values());
  let next = 0;
  const assigned = config.links.map(({ name }): LinkRow => {
    const kept = before.get(name);
    if (kept !== undefined) return { row: kept, name };
    while (taken.has(next)) next += 1;
    taken.add(next);
    return { row: next, name };
  });
  return assigned.sort((a, b) => a.row - b.row);
}
