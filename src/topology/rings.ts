/** Which rings join the actors, and how large each is. */

import type { RingPlan } from '../actors/kit/topology.ts';

const kib = 1024;
const mib = 1024 * kib;

/** Capacities: trains of 64 KiB need room for a few dozen; a link's descriptors are bounded by the sealer, not by the ring. */
const ringBytes = {
  train: 2 * mib,
  descriptors: 64 * kib,
  received: 4 * mib,
  handshakes: 256 * kib,
  frames: 256 * kib,
  requests: 4 * kib,
} as const;

export function planRings(links: readonly string[]): RingPlan[] {
  return [
    ring('tun-reader.outbound -> sealer.plain', ringBytes.train),
    ...links.flatMap((link) => [
      ring(`sealer.descriptors.${link} -> wan-link.${link}.descriptors`, ringBytes.descriptors),
      ring(`wan-link.${link}.received -> opener.received.${link}`, ringBytes.received),
      ring(`wan-link.${link}.handshakes -> session-manager.handshakes.${link}`, ringBytes.handshakes),
      ring(`session-manager.out.${link} -> wan-link.${link}.out`, ringBytes.handshakes),
    ]),
    ring('opener.plain -> tun-writer.inbound', ringBytes.train),
    ring('session-manager.frames -> sealer.frames', ringBytes.frames),
    ring('sealer.requests -> session-manager.requests', ringBytes.requests),
    ring('opener.events -> session-manager.events', ringBytes.frames),
    ring('opener.reports -> sealer.reports', ringBytes.frames),
  ];
}

function ring(name: string, bytes: number): RingPlan {
  const [from = '', to = ''] = name.split(' -> ');
  return { name, from: endOf(from), to: endOf(to), bytes };
}

/** `wan-link.fibre.received` is port `received` of actor `wan-link.fibre`; `sealer.plain` is port `plain` of `sealer`. */
function endOf(text: string): { actor: string; port: string } {
  const [role = '', ...rest] = text.split('.');
  if (role !== 'wan-link') return { actor: role, port: rest.join('.') };
  return { actor: `${role}.${rest[0]}`, port: rest.slice(1).join('.') };
}
