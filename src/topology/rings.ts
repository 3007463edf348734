/** Which rings join the actors, and how large each is. */

import type { CarrierRow, RingPlan } from '../actors/kit/topology.ts';

const kib = 1024;
const mib = 1024 * kib;

/** Capacities: trains of 64 KiB need room for a few dozen; a carrier's descriptors are bounded by the sealer, not by the ring. */
const ringBytes = {
  train: 2 * mib,
  descriptors: 64 * kib,
  received: 4 * mib,
  /** Of 3,700 callers, whom a session-manager serves in the 4 s that they wait. */
  calls: mib,
  handshakes: 256 * kib,
  frames: 256 * kib,
  requests: 4 * kib,
} as const;

export function planRings(carriers: readonly CarrierRow[]): RingPlan[] {
  return [
    ring(['tun-reader', 'outbound'], ['sealer', 'plain'], ringBytes.train),
    ...carriers.flatMap(({ name, actor }) => [
      ring(['sealer', `descriptors.${name}`], [actor, 'descriptors'], ringBytes.descriptors),
      ring([actor, 'received'], ['opener', `received.${name}`], ringBytes.received),
      ring([actor, 'handshakes'], ['session-manager', `handshakes.${name}`], ringBytes.calls),
      ring(['session-manager', `out.${name}`], [actor, 'out'], ringBytes.handshakes),
    ]),
    ring(['opener', 'plain'], ['tun-writer', 'inbound'], ringBytes.train),
    ring(['session-manager', 'frames'], ['sealer', 'frames'], ringBytes.frames),
    ring(['sealer', 'requests'], ['session-manager', 'requests'], ringBytes.requests),
    ring(['opener', 'events'], ['session-manager', 'events'], ringBytes.frames),
    // What the opener writes, to be sealed, and what peers wrote, to be read.
    ring(['opener', 'reports'], ['sealer', 'reports'], ringBytes.frames),
    ring(['opener', 'heard'], ['sealer', 'heard'], ringBytes.frames),
  ];
}

type RingEnd = readonly [actor: string, port: string];

/** `sealer.descriptors.fibre -> wan-link.fibre.descriptors` */
function ring(from: RingEnd, to: RingEnd, bytes: number): RingPlan {
  const end = ([actor, port]: RingEnd) => ({ actor, port });
  return { name: `${from.join('.')} -> ${to.join('.')}`, from: end(from), to: end(to), bytes };
}
