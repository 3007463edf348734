/** The carrier of FakeTCP on one link: an actor over a packet socket of each address family. */

import type { FakeTcpStackSettings } from '../actors/faketcp-stack.ts';
import type { ResourcePlan } from '../actors/kit/topology.ts';
import type { Family } from '../base/family.ts';
import { shardPorts } from '../rings/shards.ts';
import type { CarrierInput, CarrierPlan } from './carriers.ts';
import { shardsSetting } from './shards.ts';

const families = [4, 6] as const;
/** One for each peer that is called by the link, and some that rest after a connection ended. */
const callPorts = 16;

export function planFakeTcpCarrier({ config, fwmark, link, row, name, shards }: CarrierInput): CarrierPlan {
  const device = config.links.find((one) => one.name === link.name)?.interface;
  const listenPort = config.listen.faketcp ?? 0;
  const calls = config.peers.some(({ endpoints }) => endpoints.some(({ transport }) => transport === 'faketcp'));
  const ports = calls ? callPorts : 0;
  const socket = (family: Family): ResourcePlan => ({
    name: socketName(name, family),
    kind: 'packets',
    link: link.name,
    carrier: row,
    family,
    listenPort,
    callPorts: ports,
    interface: device,
    mark: fwmark,
  });
  return {
    plan: {
      id: `faketcp-stack.${name}`,
      role: 'faketcp-stack',
      tables: [...shardPorts('sealedLog', shards), 'paths', 'links', 'carriers'],
      ownTables: ['flows'],
      settings: {
        carrier: row,
        style: config.faketcp.style,
        rotateMs: config.faketcp.rotateMs,
        handshakePacket: config.faketcp.handshakePacket ?? '',
        listenPort,
        mark: fwmark,
        interface: device ?? '',
        tunnel: config.tunnel.interface,
        ...shardsSetting(shards),
      } satisfies Omit<FakeTcpStackSettings, 'firstCallPort4' | 'callPorts4' | 'firstCallPort6' | 'callPorts6'>,
      learns: {
        firstCallPort4: [socketName(name, 4), 'firstCallPort'],
        callPorts4: [socketName(name, 4), 'callPorts'],
        firstCallPort6: [socketName(name, 6), 'firstCallPort'],
        callPorts6: [socketName(name, 6), 'callPorts'],
      },
      fds: { packets4: socketName(name, 4), packets6: socketName(name, 6) },
      wakeOn: ['packets4', 'packets6'],
    },
    resources: families.map(socket),
  };
}

function socketName(carrier: string, family: Family): string {
  return `packets${family}.${carrier}`;
}
