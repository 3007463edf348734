/** A topology as people read it: `hawser topology CONFIG`. */
import type { ResourcePlan, Topology } from '../actors/kit/topology.ts';
import { formatPlacement } from './placement.ts';

export function describeTopology(topology: Topology): string {
  return [
    `placement ${formatPlacement(topology.placement, topology.memory.shards)}`,
    `threads (${topology.threads.length})`,
    ...topology.threads.map(
      (thread) => `  ${thread.id}${thread.actors.join() === thread.id ? '' : `: ${thread.actors.join(', ')}`}`,
    ),
    `rings (${topology.rings.length})`,
    ...topology.rings.map((ring) => `  ${ring.name}  ${formatBytes(ring.bytes)}`),
    `file descriptors (${topology.resources.length})`,
    ...topology.resources.map((one) => `  ${one.name}: ${describeResource(one)}`),
    'shared memory',
    `  sealed log ${formatBytes(topology.memory.sealedLogBytes)}${topology.memory.shards === 1 ? '' : ', for each shard'}`,
    `  replay windows of ${topology.memory.windowBits - 64} packets`,
    `  ${topology.memory.peerRows} peers, ${topology.memory.linkRows} links at most`,
  ].join('\n');
}

function describeResource(one: ResourcePlan): string {
  if (one.kind === 'tun') return `TUN device ${one.interface}`;
  const where = one.interface ?? 'any interface';
  if (one.kind === 'udp') return `IPv${one.family}, port ${one.port === 0 ? 'any' : one.port}, ${where}`;
  if (one.kind === 'tcp') return `TCP over IPv${one.family}, port ${one.port}, ${where}`;
  const listens = one.listenPort === 0 ? [] : [`port ${one.listenPort}`];
  const calls = one.callPorts === 0 ? [] : [`any ${one.callPorts} ports to call from`];
  return [`TCP segments over IPv${one.family}`, ...listens, ...calls, where].join(', ');
}

function formatBytes(bytes: number): string {
  return bytes >= 1 << 20 ? `${bytes / (1 << 20)} MiB` : `${bytes / 1024} KiB`;
}
