/**
 * Which row of the shared tables each peer and link has. It stays what it was in the predecessor (a reload), because the tables know
 * peers and links by row only.
 */

import type { LinkRow, PeerRow, Topology } from '../actors/kit/topology.ts';
import type { Config } from '../config/config.ts';

/** Each item keeps its row of `before`; new ones take the lowest that nobody has and `isFree` allows. */
function assignRows<T>(
  items: readonly T[],
  keyOf: (item: T) => string,
  before: ReadonlyMap<string, number>,
  isFree: (row: number) => boolean,
): number[] {
  const taken = new Set(items.map((item) => before.get(keyOf(item))).filter((row) => row !== undefined));
  let next = 0;
  return items.map((item) => {
    const kept = before.get(keyOf(item));
    if (kept !== undefined) return kept;
    while (taken.has(next) || !isFree(next)) next += 1;
    taken.add(next);
    return next;
  });
}

/** A row that a reload sets free rests until the next one: the session-manager must first retire the keys filed under it. */
export function assignPeers(config: Config, previous: Topology | undefined): PeerRow[] {
  const before = new Map(previous?.peers.map((peer) => [peer.publicKey, peer.row]));
  const resting = new Set(before.values());
  const rows = assignRows(
    config.peers,
    (peer) => peer.publicKey,
    before,
    (row) => !resting.has(row),
  );
  return config.peers.map((peer, index) => ({ row: rows[index] ?? 0, name: peer.name, publicKey: peer.publicKey }));
}

/** Rows have gaps where links went, so that nothing that is known of the others moves; a row set free rests as a peer's does. */
export function assignLinks(config: Config, previous: Topology | undefined): LinkRow[] {
  const before = new Map(previous?.links.map((link) => [link.name, link.row]));
  const resting = new Set(before.values());
  const rows = assignRows(
    config.links,
    (link) => link.name,
    before,
    (row) => !resting.has(row),
  );
  const assigned = config.links.map((link, index) => ({ row: rows[index] ?? 0, name: link.name }));
  return assigned.sort((a, b) => a.row - b.row);
}
