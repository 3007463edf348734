/** What the shared tables and the supervisor say at one moment, as rows: all that `status`, `explain` and the lists are made of. */
import type { HealthStatus, LinkStatus, PathStatus } from './network-rows.ts';
import type { ActorStatus, PeerStatus, RingStatus } from './rows.ts';
import type { InstanceInfo } from './supervisor-api.ts';

/** All that is known at one moment. */
export interface Snapshot {
  readonly nowMs: number;
  readonly instance: InstanceInfo;
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
export function pathsByPeer(paths: readonly PathStatus[]): ReadonlyMap<string, readonly PathStatus[]> {
  const found = new Map<string, PathStatus[]>();
  for (const one of paths) {
    const others = found.get(one.peer);
    if (others === undefined) found.set(one.peer, [one]);
    else others.push(one);
  }
  return found;
}
