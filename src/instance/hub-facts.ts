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
  const pools = server === undefined ? [] : poolsOf(server);
  const own = [...tunnel.addresses, ...pools].map(maskCidr).map(formatCidr);
  const all = pools.map(({ family }) => (family === 4 ? '0.0.0.0/0' : '::/0'));
  // Whose addresses are translated goes to the Internet by this hub.
  const networks = server?.nat.mode === 'masquerade' ? all : own;
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
