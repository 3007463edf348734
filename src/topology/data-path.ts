/** The actors that packets pass through: one reader of the TUN, the carriers, and of the rest one for each shard (docs/adr/0043). */

import type { ActorPlan, CarrierRow } from '../actors/kit/topology.ts';
import type { OpenerSettings } from '../actors/opener.ts';
import type { SealerCarrier } from '../actors/sealer/sending-paths.ts';
import type { SealerSettings } from '../actors/sealer.ts';
import type { TunReaderSettings } from '../actors/tun-reader.ts';
import type { Config } from '../config/config.ts';
import { longestProtected } from '../config/tunnel-mtu.ts';
import { outerFragments } from '../contract/columns.ts';
import { placeOf } from '../rings/carriers.ts';
import { ofShard } from '../rings/shards.ts';
import { actor } from './actor.ts';
import type { Carrier } from './carriers.ts';
import { shardSetting, shardsSetting } from './shards.ts';

interface DataPathInput {
  readonly config: Config;
  readonly carriers: readonly Carrier[];
  readonly shards: number;
  readonly isPlaintextTwin: boolean;
}

export function planDataPath(input: DataPathInput): ActorPlan[] {
  const { carriers, shards } = input;
  const each = Array.from({ length: shards }, (_, shard) => shard);
  return [
    actor({
      id: 'tun-reader',
      role: 'tun-reader',
      // Where the peer of a train is looked up, if there is more than one sealer.
      tables: shards === 1 ? [] : ['allowedIps'],
      settings: shardsSetting(shards) satisfies TunReaderSettings,
      fds: { tun: 'tun' },
      wakeOn: ['tun'],
    }),
    ...each.map((shard) => planSealer(input, shard)),
    ...carriers.map(({ plan }) => actor(plan)),
    ...each.map((shard) => planOpener(input, shard)),
    ...each.map((shard) =>
      actor({ id: ofShard('tun-writer', shard), role: 'tun-writer', fds: { tun: 'tun' }, ...shardSetting(shard) }),
    ),
  ];
}

function planSealer({ config, carriers, shards }: DataPathInput, shard: number): ActorPlan {
  return actor({
    id: ofShard('sealer', shard),
    role: 'sealer',
    tables: [
      ofShard('sealedLog', shard),
      'sessions',
      'peers',
      'paths',
      'links',
      'carriers',
      'allowedIps',
      ofShard('stash', shard),
    ],
    // Where senders of packets that are too long are told so.
    fds: { tun: 'tun' },
    settings: {
      mtu: config.tunnel.mtu,
      carriers: carriers.map(({ row }) => planSealerCarrier(config, row)),
      bonding: planBonding(config),
      fecMtu: longestProtected(config.tunnel.mtu),
      outerFragments: outerFragments[config.tunnel.fragment],
      ...shardSetting(shard),
      ...shardsSetting(shards),
    } satisfies SealerSettings,
    ...shardSetting(shard),
  });
}

function planOpener({ config, carriers, shards, isPlaintextTwin }: DataPathInput, shard: number): ActorPlan {
  return actor({
    id: ofShard('opener', shard),
    role: 'opener',
    tables: ['sessions', 'peers', 'paths', 'allowedIps'],
    settings: {
      carriers: carriers.map(({ row }) => row.name),
      plaintext: isPlaintextTwin,
      reorderMs: reorderOf(config),
      awaitsRepairs: repairsAlone(config),
      mtu: config.tunnel.mtu,
      outerFragments: outerFragments[config.tunnel.fragment],
      ...shardSetting(shard),
      ...shardsSetting(shards),
    } satisfies Omit<OpenerSettings, 'joinUdp'>,
    learns: { joinUdp: ['tun', 'udpOffload'] },
    ...shardSetting(shard),
  });
}

function planSealerCarrier(config: Config, { row, name, link: of, transport: by }: CarrierRow): SealerCarrier {
  const link = config.links.find((one) => one.name === of);
  return {
    row,
    name,
    link: of,
    rateBps: link?.rateBps ?? 0,
    priority: link?.priority ?? 0,
    place: placeOf(config.transports.order, by),
    weight: link?.weight ?? 0,
    role: link?.role ?? 'always',
  };
}

function planBonding(config: Config): SealerSettings['bonding'] {
  const { bonding } = config;
  const { mode, classes, protect, failbackMs } = bonding;
  // Control frames follow the nearest path; only who wants one link at a time means them too.
  const control = classes.control ?? (mode === 'failover' ? mode : 'adaptive');
  const urgent = ['latency', 'icmp', 'dns'] as const;
  return {
    modes: [control, classes.latency ?? mode, classes.bulk ?? mode],
    protects: [protect.includes('control'), urgent.some((name) => protect.includes(name)), protect.includes('bulk')],
    repairsAlone: repairsAlone(config),
    failbackMs,
    parallel: config.transports.parallel,
    fec: bonding.fec,
  };
}

/** Flows that keep to their paths are in order already, and would wait for one another's: our peer is taken to do as we do. */
function reorderOf(config: Config): number | 'auto' {
  const { mode, classes, reorderMs } = config.bonding;
  return (classes.bulk ?? mode) === 'per-flow' && reorderMs === 'auto' ? 0 : reorderMs;
}

/** Repairs of an only path are worth it where the other end puts flows in order. */
export function repairsAlone({ bonding }: Config): boolean {
  return bonding.repair === 'auto' && (bonding.classes.bulk ?? bonding.mode) !== 'per-flow';
}
