/** Two topologies → what a reload has to do. A thread whose actors, rings or descriptors changed is renewed: state is shared. */
import { isDeepStrictEqual } from 'node:util';
import type { Topology, TopologyDiff } from '../actors/kit/topology.ts';

export function diffTopologies(before: Topology, after: Topology): TopologyDiff {
  const resources = diffNamed(before.resources, after.resources, (one) => one.name);
  const rings = diffNamed(before.rings, after.rings, (one) => one.name);
  const threads = diffNamed(before.threads, after.threads, (one) => one.id);
  const moved = new Set([...resources.added, ...resources.removed]);
  const rewired = new Set([...rings.added, ...rings.removed]);
  const isChanged = (threadId: string): boolean => {
    const actorIds = after.threads.find((thread) => thread.id === threadId)?.actors ?? [];
    return actorIds.some((id) => {
      const old = before.actors.find((one) => one.id === id);
      const now = after.actors.find((one) => one.id === id);
      const rewiredHere = [...before.rings, ...after.rings].some(
        (ring) => rewired.has(ring.name) && (ring.from.actor === id || ring.to.actor === id),
      );
      return rewiredHere || !isDeepStrictEqual(old, now) || Object.values(now?.fds ?? {}).some((fd) => moved.has(fd));
    });
  };
  const kept = after.threads.filter((thread) => before.threads.some((one) => one.id === thread.id));
  const regrouped = new Set(threads.added.filter((id) => before.threads.some((one) => one.id === id)));
  return {
    stop: threads.removed.filter((id) => !regrouped.has(id)),
    renew: kept.map((thread) => thread.id).filter((id) => regrouped.has(id) || isChanged(id)),
    start: threads.added.filter((id) => !regrouped.has(id)),
    closeResources: resources.removed,
    openResources: resources.added,
    removeRings: rings.removed,
    addRings: rings.added,
  };
}

/** Names to take out and to put in; a changed item is in both. */
function diffNamed<T>(before: readonly T[], after: readonly T[], nameOf: (item: T) => string) {
  const isIn = (list: readonly T[], item: T): boolean => list.some((one) => isDeepStrictEqual(one, item));
  return {
    removed: before.filter((item) => !isIn(after, item)).map(nameOf),
    added: after.filter((item) => !isIn(before, item)).map(nameOf),
  };
}
