/** Which transports a configuration uses. */
import { type TransportName, transport } from '../contract/link-tables.ts';
import type { Config } from './config.ts';

/** In the order of their numbers. UDP is always there: handshakes that come in need no configuration. */
export function transportsOf({ listen, peers }: Pick<Config, 'listen' | 'peers'>): TransportName[] {
  const isNeeded = (by: TransportName): boolean =>
    listen[by] !== undefined || peers.some(({ endpoints }) => endpoints.some((one) => one.transport === by));
  const names = Object.keys(transport) as TransportName[];
  return names.filter(isNeeded).sort((a, b) => transport[a] - transport[b]);
}
