/** One instance on one screen: what `status` and `top` show of a snapshot. */
import { explain } from './explain.ts';
import type { Status, Top } from './rows.ts';
import type { Snapshot } from './snapshot.ts';

export function topOf(snapshot: Snapshot): Top {
  const { peers, paths, actors, rings } = snapshot;
  return { status: statusOf(snapshot), peers, paths, actors, rings };
}

export function statusOf(snapshot: Snapshot): Status {
  const { instance, sums, actors } = snapshot;
  return {
    name: instance.name,
    version: instance.version,
    pid: instance.pid,
    uptimeMs: Math.max(0, snapshot.nowMs - instance.startedAtMs),
    configPath: instance.configPath,
    trial: instance.trial,
    placement: instance.placement,
    placementCores: instance.placementCores,
    shards: instance.shards,
    interface: instance.tunnel.interface,
    addresses: instance.tunnel.addresses,
    mtu: instance.tunnel.mtu,
    publicKey: instance.publicKey,
    listenPort: instance.listenPort,
    peersConnected: sums.states.connected,
    peersCutOff: sums.states['cut off'],
    peersLost: sums.lost,
    cutOff: sums.cutOff,
    peers: sums.peers,
    paths: sums.paths,
    actorsRunning: actors.filter((actor) => actor.state === 'running').length,
    actors: actors.length,
    restarts: actors.reduce((sum, actor) => sum + actor.restarts, 0),
    receivedBytes: sums.receivedBytes,
    sentBytes: sums.sentBytes,
    receivedBps: sums.receivedBps,
    sentBps: sums.sentBps,
    total: { upBps: instance.total.upBps || undefined, downBps: instance.total.downBps || undefined },
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
