/** What clients of this hub are told: who it is, where it is reached, what lies behind it. Pure. */
import { formatCidr, formatEndpoint, maskCidr } from '../config/address.ts';
import type { Config } from '../config/config.ts';
import { obfuscationToInput } from '../config/obfuscation.ts';
import { poolsOf } from '../config/server.ts';
import type { TransportName } from '../contract/link-tables.ts';
import type { HubFacts } from '../control/client-calls.ts';

/** Of whoever may be called by what the file says, the most preferred first. */
const offered = ['udp', 'faketcp', 'tls'] as const satisfies readonly TransportName[];

/** `udpPort`: the one in use, which the file may have left to the kernel. */
export function hubFactsOf(config: Config, publicKey: string, udpPort: number): HubFacts {
  const { server, tunnel, listen, obfuscation } = config;
  const ports: Record<string, number> = {};
  for (const transport of offered) {
    // A port of the kernel's choice is another one after the next start.
    const port = transport === 'udp' && listen.udp > 0 ? udpPort : listen[transport];
    if (port !== undefined && port > 0) ports[transport] = port;
  }
  const networks = [...tunnel.addresses, ...(server === undefined ? [] : poolsOf(server))]
    .map(maskCidr)
    .map(formatCidr);
  return {
    name: config.name,
    publicKey,
    endpoints: server?.endpoint === undefined ? [] : endpointsAt(server.endpoint, ports),
    ports,
    dns: server?.dns ?? [],
    mtu: tunnel.mtu,
    networks: [...new Set(networks)],
    obfuscation: obfuscation === undefined ? undefined : obfuscationToInput(obfuscation),
  };
}

function endpointsAt(
  { host, port }: { host: string; port: number | undefined },
  ports: Readonly<Record<string, number>>,
): string[] {
  return offered.flatMap((transport) => {
    const own = ports[transport];
    if (own === undefined) return [];
    return formatEndpoint({ transport, host, port: transport === 'udp' ? (port ?? own) : own });
  });
}
