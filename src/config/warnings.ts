/** What a configuration may say and yet is seldom meant: told by `hawser check`, never in the way of a start. */
import { formatEndpoint } from './address.ts';
import type { Config } from './config.ts';
import { fecMtu } from './tunnel-mtu.ts';

export interface Warning {
  /** `tunnel.mtu` */
  readonly path: string;
  readonly message: string;
}

/** What IP, UDP and the data message add to an inner packet at least. */
const outerBytes = 60;

/** `interfaceMtu`: of an interface of this host; undefined = there is none of that name. */
export function warningsOf(config: Config, interfaceMtu: (name: string) => number | undefined): Warning[] {
  return [
    ...wideForFec(config),
    ...wideForLinks(config, interfaceMtu),
    ...probedWithoutInterface(config),
    ...heardByOthers(config),
  ];
}

/** No link takes a full packet of the tunnel. */
function wideForLinks(config: Config, interfaceMtu: (name: string) => number | undefined): Warning[] {
  const { mtu } = config.tunnel;
  const mtus = config.links.map(({ interface: device }) => (device === undefined ? undefined : interfaceMtu(device)));
  const known = mtus.filter((one) => one !== undefined);
  if (known.length < mtus.length || known.length === 0) return [];
  const most = Math.max(...known);
  if (mtu + outerBytes <= most) return [];
  const message =
    `${mtu} makes packets of ${mtu + outerBytes} bytes, and no link takes more than ${most} (the MTU of its interface): ` +
    `write ${most - outerBytes}, or ${most - outerBytes - 20} where endpoints are IPv6; longer packets are cut`;
  return [{ path: 'tunnel.mtu', message }];
}

function wideForFec(config: Config): Warning[] {
  const { mtu } = config.tunnel;
  if (config.bonding.fec === 'off' || mtu <= fecMtu) return [];
  const message =
    `${mtu} leaves no room for parity packets, which are longer than their data: with bonding.fec, ${fecMtu} fits a path of ` +
    '1500 bytes (leave the key out to get it); longer packets go without parity where the path is narrower';
  return [{ path: 'tunnel.mtu', message }];
}

/** The kernel's routing may lead the probes of such a link out of another one. */
function probedWithoutInterface(config: Config): Warning[] {
  return config.links.flatMap((link, index) => {
    if (link.health.method === 'off' || link.interface !== undefined || config.links.length === 1) return [];
    const message = `link ${link.name} names no interface: its probes go where the kernel routes them, which may be another link`;
    return [{ path: `links[${index}].health`, message }];
  });
}

/** Tokens and logins cross a network as they are; only this host and the tunnel keep them to themselves. */
function heardByOthers({ api, tunnel }: Config): Warning[] {
  if (api === undefined || api.tls !== undefined || isOwnPlace(api.listen.host, tunnel.addresses)) return [];
  const message =
    `${formatEndpoint(api.listen)} is reached from other hosts without TLS: whoever is on the way reads tokens, and has what they give. ` +
    'Add api.tls with certificate and key, or listen on 127.0.0.1 (`ssh -L`, a proxy that speaks TLS) or on an address of tunnel.addresses';
  return [{ path: 'api.listen', message }];
}

function isOwnPlace(host: string, addresses: Config['tunnel']['addresses']): boolean {
  return host === '::1' || host.startsWith('127.') || addresses.some(({ address }) => address === host);
}
