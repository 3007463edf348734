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

function warningsOf(snapshot: Snapshot): string[] {
  return [
    ...snapshot.actors
      .filter((actor) => actor.state !== 'running')
      .map(
        (actor) => `actor ${actor.id} is ${actor.state}${actor.lastExit === undefined ? '' : `: ${actor.lastExit}`}`,
      ),
    ...snapshot.peers
      .filter((peer) => peer.state === 'waiting')
      .map((peer) => `peer ${peer.name} does not answer handshakes: ${peer.queuedPackets} packets wait for it`),
    ...snapshot.links.filter((link) => link.state !== 'up').map((link) => `link ${link.name} is ${link.state}`),
    ...snapshot.links
      .filter((link) => link.isForced)
      .map((link) => `all data is forced onto link ${link.name} (hawser failover auto ends that)`),
    ...snapshot.rings
      .filter((one) => one.crashes > 0)
      .map((one) => `the record at the front of ${one.name} has ended its consumer ${one.crashes} times`),
  ];
}
