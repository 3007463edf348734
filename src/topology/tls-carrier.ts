/** The carrier of TLS on one link: an actor, and where somebody may call a socket of each address family that listens. */
import type { ResourcePlan } from '../actors/kit/topology.ts';
import type { TlsLinkSettings } from '../actors/tls-link.ts';
import { dnsRecordFile } from '../io/dns-record.ts';
import { shardPorts } from '../rings/shards.ts';
import type { CarrierInput, CarrierPlan } from './carriers.ts';
import { shardsSetting } from './shards.ts';

const families = [4, 6] as const;

export function planTlsCarrier({ config, fwmark, link, row, name, shards }: CarrierInput): CarrierPlan {
  const device = config.links.find((one) => one.name === link.name)?.interface;
  const { tls: port } = config.listen;
  const { runtime } = config;
  const listener = (family: 4 | 6, at: number): ResourcePlan => ({
    name: socketName(name, family),
    kind: 'tcp',
    link: link.name,
    carrier: row,
    family,
    port: at,
    interface: device,
    mark: fwmark,
  });
  return {
    plan: {
      id: `tls-link.${name}`,
      role: 'tls-link',
      tables: [...shardPorts('sealedLog', shards), 'paths', 'carriers'],
      settings: {
        carrier: row,
        link: link.name,
        interface: device ?? '',
        mark: fwmark,
        name: config.name,
        privateKeyFile: config.identity.privateKeyFile,
        stateDirectory: runtime.stateDirectory,
        dnsRecord: dnsRecordFile(runtime.runDirectory, config.name),
        tls: config.tls,
        ...shardsSetting(shards),
      } satisfies Omit<TlsLinkSettings, 'peers'>,
      hearsOfPeers: true,
      fds: port === undefined ? {} : { listen4: socketName(name, 4), listen6: socketName(name, 6) },
    },
    resources: port === undefined ? [] : families.map((family) => listener(family, port)),
  };
}

function socketName(carrier: string, family: 4 | 6): string {
  return `listen${family}.${carrier}`;
}
