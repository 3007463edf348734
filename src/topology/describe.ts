/** A topology as people read it: `hawser topology CONFIG`. */
import type { Topology } from '../actors/kit/topology.ts';

export function describeTopology(topology: Topology): string {
  return [
    `threads (${topology.threads.length})`,
    ...topology.threads.map(
      (thread) => `  ${thread.id}${thread.actors.join() === thread.id ? '' : `: ${thread.actors.join(', ')}`}`,
    ),
    `rings (${topology.rings.length})`,
    ...topology.rings.map((ring) => `  ${ring.name}  ${formatBytes(ring.bytes)}`),
    `file descriptors (${topology.resources.length})`,
    ...topology.resources.map((one) =>
      one.kind === 'tun'
        ? `  ${one.name}: TUN device ${one.interface}`
        : `  ${one.name}: IPv${one.family}, port ${one.port === 0 ? 'any' : one.port}, ${one.interface ?? 'any interface'}`,
    ),
    'shared memory',
    `  sealed log ${formatBytes(topology.memory.sealedLogBytes)}`,
    `  ${topology.memory.sessionSlots} key slots, each with a replay window of ${topology.memory.windowBits - 64} packets`,
    `  ${topology.memory.peerRows} peers, ${topology.memory.pathRows} paths, ${topology.memory.linkRows} links at most`,
  ].join('\n');
}

function formatBytes(bytes: number): string {
  return bytes >= 1 << 20 ? `${bytes / (1 << 20)} MiB` : `${bytes / 1024} KiB`;
}
