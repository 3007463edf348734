/**
 * What Prometheus is told: a snapshot as families of metrics. Labels are names of the configuration (links, peers, actors, rings) and rows of
 * tables; of peers and their paths only as many as `mostPeers`, beyond that their sums. Pure.
 */
import type { Family, Sample } from './exposition.ts';
import type { PathStatus } from './network-rows.ts';
import type { PeerStatus } from './rows.ts';
import type { Snapshot } from './snapshot.ts';

/** With more of them none has series of its own: a series for each client of a hub is what brings a Prometheus down. */
export const mostPeers = 100;

export interface ProcessFacts {
  readonly cpuSeconds: number;
  readonly residentBytes: number;
}

type Labels = Readonly<Record<string, string>>;

export function metricsOf(snapshot: Snapshot, facts: ProcessFacts): Family[] {
  const { instance, peers, paths, sums } = snapshot;
  const isNamed = sums.peers <= mostPeers;
  return [
    {
      name: 'hawser',
      type: 'info',
      help: 'Which Hawser this is.',
      samples: [
        {
          labels: { instance_name: instance.name, version: instance.version, placement: instance.placement },
          value: 1,
        },
      ],
    },
    gauge('process_start_time_seconds', 'When the process began, since 1970.', [
      { value: instance.startedAtMs / 1000 },
    ]),
    counter('process_cpu_seconds', 'Processor time of all threads of the process.', [{ value: facts.cpuSeconds }]),
    gauge('process_resident_memory_bytes', 'Memory of the process.', [{ value: facts.residentBytes }]),
    ...sumsOf(snapshot),
    ...linksOf(snapshot),
    ...actorsOf(snapshot),
    ...(isNamed ? [...peersOf(peers), ...pathsOf(paths)] : []),
  ];
}

/** Counters of the sealer: packets that were given up before they were sent. */
const dropReasons = ['overflow', 'codel', 'expired'] as const;

/** No sum over peers is a counter: it falls when one goes, and Prometheus takes that for a restart and counts all of the others again. */
function sumsOf({ sums, actors }: Snapshot): Family[] {
  const droppedFor = (reason: string): number =>
    actors.reduce((sum, { counters }) => sum + (counters[`sealer_${reason}_packets`] ?? 0), 0);
  return [
    gauge(
      'hawser_peers',
      'Peers by their state.',
      Object.entries(sums.states).map(([state, value]) => ({ labels: { state }, value })),
    ),
    gauge(
      'hawser_paths',
      'Paths by link, transport and what is judged of them.',
      sums.pathGroups.map(({ link, transport, condition, count }) => ({
        labels: { link, transport, condition: condition ?? 'unjudged' },
        value: count,
      })),
    ),
    gauge('hawser_queued_bytes', 'Waiting in front of the paths of all peers.', [{ value: sums.queuedBytes }]),
    counter(
      'hawser_dropped_packets',
      'Given up before they were sent, to whomever: the queue was full, was too long for too long, or no session came.',
      dropReasons.map((reason) => ({ labels: { reason }, value: droppedFor(reason) })),
    ),
  ];
}

function linksOf({ links, health }: Snapshot): Family[] {
  const each = families(links, ({ name }) => ({ link: name }));
  const probed = families(
    health.filter((one) => one.state !== undefined),
    ({ link }) => ({ link }),
  );
  return [
    each.gauge('hawser_link_up', 'Whether the link may carry data: 1 or 0.', (one) =>
      one.state === 'up' || one.state === 'degraded' ? 1 : 0,
    ),
    each.counter('hawser_link_received_bytes', 'Received by the link.', (one) => one.receivedBytes),
    each.counter('hawser_link_sent_bytes', 'Sent by the link.', (one) => one.sentBytes),
    each.counter('hawser_link_received_packets', 'Received by the link.', (one) => one.receivedPackets),
    each.counter('hawser_link_sent_packets', 'Sent by the link.', (one) => one.sentPackets),
    each.counter('hawser_link_errors', 'Sends that the kernel refused.', (one) => one.errors),
    each.counter('hawser_link_dropped_packets', 'Received and dropped by the link.', (one) => one.droppedPackets),
    each.gauge(
      'hawser_link_output_queue_bytes',
      "Waiting in the kernel's queue of the link's sockets.",
      (one) => one.outqBytes,
    ),
    probed.gauge('hawser_link_probe_round_trip_seconds', 'To hosts past the tunnel.', (one) => seconds(one.rttMs)),
    probed.gauge('hawser_link_probe_loss_ratio', 'Probes past the tunnel that were not answered.', (one) =>
      ratio(one.lossPercent),
    ),
  ];
}

function actorsOf({ actors, rings }: Snapshot): Family[] {
  const each = families(actors, ({ id }) => ({ actor: id }));
  const ring = families(rings, ({ name }) => ({ ring: name }));
  return [
    each.gauge('hawser_actor_up', 'Whether the actor runs: 1 or 0.', (one) => (one.state === 'running' ? 1 : 0)),
    each.counter('hawser_actor_restarts', 'Times that the actor was started anew.', (one) => one.restarts),
    each.gauge('hawser_actor_busy_ratio', "Share of the time that the actor's thread was on a processor.", (one) =>
      ratio(one.busyPercent),
    ),
    each.gauge(
      'hawser_actor_starved_ratio',
      "Share of the time that the actor's thread waited for a processor.",
      (one) => ratio(one.starvedPercent),
    ),
    each.gauge('hawser_actor_heartbeat_age_seconds', "Since the actor's last turn.", (one) =>
      seconds(one.heartbeatAgeMs),
    ),
    each.counter('hawser_actor_packets', 'Packets that the actor handled.', (one) => one.packets),
    each.counter('hawser_actor_bytes', 'Bytes that the actor handled.', (one) => one.bytes),
    ring.gauge('hawser_ring_used_bytes', 'Waiting in the ring.', (one) => one.usedBytes),
    ring.gauge('hawser_ring_capacity_bytes', 'What the ring holds.', (one) => one.capacityBytes),
    ring.counter('hawser_ring_refused_claims', 'Times that the ring was full.', (one) => one.refusedClaims),
  ];
}

function peersOf(peers: readonly PeerStatus[]): Family[] {
  const each = families(peers, ({ name }) => ({ peer: name }));
  return [
    each.gauge(
      'hawser_peer_connected',
      'Whether there are keys with the peer, and something to send by: 1 or 0.',
      (one) => (one.state === 'connected' ? 1 : 0),
    ),
    each.counter(
      'hawser_peer_received_bytes',
      'Received from the peer, in sealed packets.',
      (one) => one.receivedBytes,
    ),
    each.counter('hawser_peer_sent_bytes', 'Sent to the peer, in sealed packets.', (one) => one.sentBytes),
    each.gauge('hawser_peer_queued_bytes', 'Waiting in front of the paths of the peer.', (one) => one.queuedBytes),
    each.counter('hawser_peer_dropped_packets', 'Dropped from the queue of the peer.', (one) => one.droppedPackets),
    each.counter('hawser_peer_resent_packets', 'Sent again by another path.', (one) => one.resentPackets),
    each.gauge('hawser_peer_handshake_age_seconds', 'Since the last handshake with the peer.', (one) =>
      seconds(one.handshakeAgeMs),
    ),
  ];
}

function pathsOf(paths: readonly PathStatus[]): Family[] {
  // The row, and not the endpoint: of a peer that moves there is ever another one.
  const each = families(paths, ({ id, peer, link, transport }) => ({ path: String(id), peer, link, transport }));
  return [
    each.gauge('hawser_path_live', 'Whether the path may carry data: 1 or 0.', (one) =>
      one.condition === 'live' || (one.condition === undefined && one.state === 'up') ? 1 : 0,
    ),
    each.gauge('hawser_path_round_trip_seconds', 'Smoothed round trip of the path.', (one) => seconds(one.rttMs)),
    each.gauge('hawser_path_loss_ratio', 'Share of packets by the path that were lost lately.', (one) =>
      ratio(one.lossPercent),
    ),
    each.gauge('hawser_path_queue_delay_seconds', 'What packets wait on the way of the path.', (one) =>
      seconds(one.queueDelayMs),
    ),
    each.gauge('hawser_path_share_ratio', 'Share of what is sent to the peer now.', (one) => ratio(one.sharePercent)),
    each.gauge('hawser_path_in_flight_bytes', 'Sent by the path and not acknowledged.', (one) => one.inFlightBytes),
    each.counter('hawser_path_received_bytes', 'Received by the path.', (one) => one.receivedBytes),
    each.counter('hawser_path_sent_bytes', 'Sent by the path.', (one) => one.sentBytes),
    each.counter('hawser_path_lost_packets', 'Sent by the path and lost.', (one) => one.lostPackets),
  ];
}

/** Families with a sample for each of `items` that there is a value of. */
function families<Item>(items: readonly Item[], labelsOf: (item: Item) => Labels) {
  const samples = (read: (item: Item) => number | undefined): Sample[] =>
    items.flatMap((item) => {
      const value = read(item);
      return value === undefined ? [] : [{ labels: labelsOf(item), value }];
    });
  return {
    gauge: (name: string, help: string, read: (item: Item) => number | undefined) => gauge(name, help, samples(read)),
    counter: (name: string, help: string, read: (item: Item) => number | undefined) =>
      counter(name, help, samples(read)),
  };
}

function gauge(name: string, help: string, samples: readonly Sample[]): Family {
  return { name, type: 'gauge', help, samples };
}

function counter(name: string, help: string, samples: readonly Sample[]): Family {
  return { name, type: 'counter', help, samples };
}

function seconds(valueMs: number | undefined): number | undefined {
  return valueMs === undefined ? undefined : valueMs / 1000;
}

function ratio(percent: number | undefined): number | undefined {
  return percent === undefined ? undefined : percent / 100;
}
