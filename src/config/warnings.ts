/** What a configuration may say and yet is seldom meant: told by `hawser check`, never in the way of a start. */
import type { Config } from './config.ts';
import { fecMtu } from './tunnel-mtu.ts';

export interface Warning {
  /** `tunnel.mtu` */
  readonly path: string;
  readonly message: string;
}

export function warningsOf(config: Config): Warning[] {
  return [...wideForFec(config), ...probedWithoutInterface(config)];
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
