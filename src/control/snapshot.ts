/** What the shared tables and the supervisor say at one moment, as rows: all that `status`, `explain` and the lists are made of. */
import { type Choice, choose, leavesOut, type Sums } from './crowd.ts';
import type { HealthStatus, LinkStatus, PathStatus } from './network-rows.ts';
import type { ActorStatus, PeerStatus, RingStatus } from './rows.ts';
import type { InstanceInfo } from './supervisor-api.ts';

/** All that is known at one moment; of thousands of peers and their paths perhaps those alone that somebody wants to see. */
export interface Snapshot {
  readonly nowMs: number;
  readonly instance: InstanceInfo;
  /** Of all peers and paths. */
  readonly sums: Sums;
  readonly peers: readonly PeerStatus[];
  readonly paths: readonly PathStatus[];
  readonly links: readonly LinkStatus[];
  readonly health: readonly HealthStatus[];
  readonly actors: readonly ActorStatus[];
  readonly rings: readonly RingStatus[];
  readonly host: HostStatus;
  /** Milliseconds since counters last moved, those that were seen to: `actor ID NAME`, `peer NAME COLUMN`, `link NAME errors` … */
  readonly changedAgesMs: Readonly<Record<string, number>>;
}

/** What the kernel does on this host, for others and for all. */
export interface HostStatus {
  readonly forwardsV4: boolean;
  readonly forwardsV6: boolean;
  /** Entries of its table of connections; undefined = it has none. */
  readonly connections: { readonly used: number; readonly most: number } | undefined;
}

/** By name. */
export function pathsByPeer<Path extends Pick<PathStatus, 'peer'>>(
  paths: readonly Path[],
): ReadonlyMap<string, readonly Path[]> {
  const found = new Map<string, Path[]>();
  for (const one of paths) {
    const others = found.get(one.peer);
    if (others === undefined) found.set(one.peer, [one]);
    else others.push(one);
  }
  return found;
}

/** What is left of a snapshot for somebody who wants to see fewer rows than it has. */
export function narrow(snapshot: Snapshot, choice: Choice): Snapshot {
  const { peers, paths, sums } = snapshot;
  if (!leavesOut(choice, sums.peers)) return snapshot;
  const pathsOf = pathsByPeer(paths);
  const { places, untold, untoldPaths } = choose(peers, (peer) => pathsOf.get(peer) ?? [], choice);
  const chosen = places.map((place) => peers[place] as PeerStatus);
  const names = new Set(chosen.map(({ name }) => name));
  return {
    ...snapshot,
    peers: chosen,
    paths: paths.filter(({ peer }) => names.has(peer)),
    sums: { ...sums, untold: sums.untold + untold, untoldPaths: sums.untoldPaths + untoldPaths },
  };
}

/** What several want to see, in one. */
export function widest(choices: readonly Choice[]): Choice {
  const names = new Set(choices.flatMap(({ peers }) => peers));
  const most = Math.max(0, ...choices.map((choice) => choice.most));
  const allUpTo = Math.max(0, ...choices.map((choice) => choice.allUpTo ?? choice.most));
  return { most, allUpTo, peers: [...names] };
}
