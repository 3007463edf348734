/** What a configuration means for address translation on this host. */
import { parseCidr } from '../config/address.ts';
import type { Config } from '../config/config.ts';
import { poolsOf } from '../config/server.ts';
import type { NatPlan } from '../io/nat/plan.ts';
import { contains } from '../io/network/plan.ts';
import type { NatPlace } from './nat-keeper.ts';

/** RFC 4193: they lead nowhere outside. */
const uniqueLocal = parseCidr('fc00::/7');

export function natPlaceOf({ name, tunnel, runtime }: Config): NatPlace {
  return { name, interface: tunnel.interface, runDirectory: runtime.runDirectory };
}

/** undefined = nothing to translate, nobody to isolate. */
export function planNat(config: Config): NatPlan | undefined {
  const { server } = config;
  if (server === undefined || (server.nat.mode === 'off' && !server.isolation)) return undefined;
  const { nat, isolation } = server;
  const pools = poolsOf(server);
  const isLocal = pools.some((pool) => pool.family === 6 && uniqueLocal !== undefined && contains(uniqueLocal, pool));
  const isOn = nat.mode === 'masquerade';
  return {
    ...natPlaceOf(config),
    pools,
    masquerade: { 4: isOn, 6: isOn && (nat.ipv6 === 'masquerade' || (nat.ipv6 === 'auto' && isLocal)) },
    addresses: nat.addresses,
    ports: nat.ports,
    perClient: nat.perClient,
    connections: nat.connections,
    timeoutSeconds: nat.timeoutMs / 1000,
    // A port of the kernel's choice is known to nobody outside.
    ownPorts: {
      udp: [config.listen.udp].filter((port) => port > 0),
      tcp: [config.listen.faketcp, config.listen.tls].filter((port) => port !== undefined),
    },
    isolation,
    stateDirectory: config.runtime.stateDirectory,
  };
}
