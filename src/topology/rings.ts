/** Which rings join the actors, and how large each is. */

import type { CarrierRow, RingPlan } from '../actors/kit/topology.ts';
import { ofShard } from '../rings/shards.ts';

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

export function planRings(carriers: readonly CarrierRow[], shards: number): RingPlan[] {
  const others = Array.from({ length: shards - 1 }, (_, index) => index + 1);
  return [
    ring(['tun-reader', 'outbound'], ['sealer', 'plain'], ringBytes.train),
    ...carriers.flatMap(({ name, actor }) => [
      ...planCarrierRings(name, actor, 0),
      ring([actor, 'handshakes'], ['session-manager', `handshakes.${name}`], ringBytes.calls),
      ring(['session-manager', `out.${name}`], [actor, 'out'], ringBytes.handshakes),
    ]),
    ...planShardRings(0),
    ...others.flatMap((shard) => [
      ring(['tun-reader', ofShard('outbound', shard)], [ofShard('sealer', shard), 'plain'], ringBytes.train),
      ...carriers.flatMap(({ name, actor }) => planCarrierRings(name, actor, shard)),
      ...planShardRings(shard),
    ]),
  ];
}

/** Between a carrier and the sealer and opener of one shard. */
function planCarrierRings(name: string, carrier: string, shard: number): RingPlan[] {
  const [sealer, opener] = [ofShard('sealer', shard), ofShard('opener', shard)];
  return [
    ring([sealer, `descriptors.${name}`], [carrier, ofShard('descriptors', shard)], ringBytes.descriptors),
    ring([carrier, ofShard('received', shard)], [opener, `received.${name}`], ringBytes.received),
  ];
}

/** Between sealer and opener of one shard, and from them to those that are there once, or the other way. */
function planShardRings(shard: number): RingPlan[] {
  const [sealer, opener] = [ofShard('sealer', shard), ofShard('opener', shard)];
  return [
    ring([opener, 'plain'], [ofShard('tun-writer', shard), 'inbound'], ringBytes.train),
    ring(['session-manager', ofShard('frames', shard)], [sealer, 'frames'], ringBytes.frames),
    ring([sealer, 'requests'], ['session-manager', ofShard('requests', shard)], ringBytes.requests),
    ring([opener, 'events'], ['session-manager', ofShard('events', shard)], ringBytes.frames),
    // What the opener writes, to be sealed, and what peers wrote, to be read.
    ring([opener, 'reports'], [sealer, 'reports'], ringBytes.frames),
    ring([opener, 'heard'], [sealer, 'heard'], ringBytes.frames),
  ];
}

type RingEnd = readonly [actor: string, port: string];

/** `sealer.descriptors.fibre -> wan-link.fibre.descriptors` */
function ring(from: RingEnd, to: RingEnd, bytes: number): RingPlan {
  const end = ([actor, port]: RingEnd) => ({ actor, port });
  return { name: `${from.join('.')} -> ${to.join('.')}`, from: end(from), to: end(to), bytes };
}
