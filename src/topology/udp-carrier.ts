/** The carrier of UDP on one link: an actor over a socket of each address family. */

import type { ResourcePlan } from '../actors/kit/topology.ts';
import type { WanLinkSettings } from '../actors/wan-link.ts';
import type { Family } from '../base/family.ts';
import type { TransportName } from '../contract/link-tables.ts';
import { shardPorts } from '../rings/shards.ts';
import type { CarrierInput, CarrierPlan } from './carriers.ts';
import { planObfuscations } from './obfuscations.ts';
import { shardsSetting } from './shards.ts';

const families = [4, 6] as const;

export function planUdpCarrier(
  { config, fwmark, link, row, name, shards }: CarrierInput,
  by: TransportName,
): CarrierPlan {
  const socket = (family: Family): ResourcePlan => ({
    name: socketName(name, family),
    kind: 'udp',
    link: link.name,
    carrier: row,
    transport: by,
    family,
    port: config.listen[by] ?? 0,
    interface: config.links.find((one) => one.name === link.name)?.interface,
    mark: fwmark,
  });
  return {
    plan: {
      id: `wan-link.${name}`,
      role: 'wan-link',
      tables: [...shardPorts('sealedLog', shards), 'paths', 'links', 'carriers'],
      settings: { carrier: row, ...planObfuscations(config), ...shardsSetting(shards) } satisfies Omit<
        WanLinkSettings,
        'gso'
      >,
      learns: { gso: [socketName(name, 4), 'gso'] },
      fds: { udp4: socketName(name, 4), udp6: socketName(name, 6) },
      wakeOn: ['udp4', 'udp6'],
    },
    resources: families.map(socket),
  };
}

/** Of datagrams, and chosen by the kernel: nobody knows it but who has heard from us. */
export function hasFreePort(config: CarrierInput['config'], by: TransportName): boolean {
  return (by === 'udp' || by === 'test') && (config.listen[by] ?? 0) === 0;
}

function socketName(carrier: string, family: Family): string {
  return `udp${family}.${carrier}`;
}
