/** Pure answers: (method, snapshot) → rows. What acts on the daemon goes to the supervisor instead (`control-server.ts`). */
import { explain } from './explain.ts';
import type { HealthStatus, LinkStatus, PathStatus } from './network-rows.ts';
import type { Method } from './protocol.ts';
import type { ActorStatus, PeerStatus, RingStatus, Status, Top } from './rows.ts';
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

/** What the kernel does for others on this host. */
export interface HostStatus {
  readonly forwardsV4: boolean;
  readonly forwardsV6: boolean;
}

/** Methods that a snapshot answers alone. */
export const snapshotMethods: readonly Method[] = [
  'status',
  'peers',
  'paths',
  'links',
  'health',
  'explain',
  'actors',
  'rings',
  'top',
];

export function answer(method: Method, snapshot: Snapshot): unknown {
  if (method === 'status') return statusOf(snapshot);
  if (method === 'peers') return snapshot.peers;
  if (method === 'paths') return snapshot.paths;
  if (method === 'links') return snapshot.links;
  if (method === 'health') return snapshot.health;
  if (method === 'explain') return explain(snapshot);
  if (method === 'actors') return snapshot.actors;
  if (method === 'rings') return snapshot.rings;
  if (method === 'top') return topOf(snapshot);
  return undefined;
}

function topOf(snapshot: Snapshot): Top {
  const { peers, paths, actors, rings } = snapshot;
  return { status: statusOf(snapshot), peers, paths, actors, rings };
}

function statusOf(snapshot: Snapshot): Status {
  const { instance, peers, actors } = snapshot;
  const total = (read: (peer: PeerStatus) => number): number => peers.reduce((sum, peer) => sum + read(peer), 0);
  return {
    name: instance.name,
    version: instance.version,
    pid: instance.pid,
    uptimeMs: Math.max(0, snapshot.nowMs - instance.startedAtMs),
    configPath: instance.configPath,
    placement: instance.placement,
    interface: instance.tunnel.interface,
    addresses: instance.tunnel.addresses,
    mtu: instance.tunnel.mtu,
    publicKey: instance.publicKey,
    listenPort: instance.listenPort,
    peersConnected: peers.filter((peer) => peer.state === 'connected').length,
    cutOff: peers
      .filter((peer) => peer.state === 'cut off')
      .map((peer) => ({ peer: peer.name, ageMs: peer.cutOffAgeMs })),
    peers: peers.length,
    actorsRunning: actors.filter((actor) => actor.state === 'running').length,
    actors: actors.length,
    restarts: actors.reduce((sum, actor) => sum + actor.restarts, 0),
    receivedBytes: total((peer) => peer.receivedBytes),
    sentBytes: total((peer) => peer.sentBytes),
    receivedBps: total((peer) => peer.receivedBps),
    sentBps: total((peer) => peer.sentBps),
    links: snapshot.links,
    warnings: warningsOf(snapshot),
  };
}

/** What is broken, as `explain` says it, and what an operator may have forgotten. */
function warningsOf(snapshot: Snapshot): string[] {
  return [
    ...explain(snapshot)
      .filter((one) => one.severity === 'problem')
      .map((one) => one.text),
    ...snapshot.links
      .filter((link) => link.state === 'disabled' || link.state === 'degraded')
      .map((link) => `Link ${link.name} is ${link.state}`),
    ...snapshot.links
      .filter((link) => link.isForced)
      .map((link) => `All data is forced onto link ${link.name} (hawser failover auto ends that)`),
    ...snapshot.rings
      .filter((one) => one.crashes > 0)
      .map((one) => `The record at the front of ${one.name} has ended its consumer ${one.crashes} times`),
  ];
}
