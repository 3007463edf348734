/** Where clients reach a hub, as options and its ports say. */
import { formatEndpoint } from '../config/address.ts';
import { parseServerEndpoint } from '../config/server-schema.ts';
import type { HubFacts } from '../control/client-calls.ts';
import { usageError } from './exit.ts';

export type HubEndpoint = NonNullable<ReturnType<typeof parseServerEndpoint>>;

/** One for each transport that the hub listens by; a port that was said is its UDP port. */
export function endpointsAt({ host, port }: HubEndpoint, { ports }: HubFacts): string[] {
  return Object.entries(ports).map(([transport, own]) => {
    const scheme = transport === 'udp' ? '' : `${transport}://`;
    return `${scheme}${formatEndpoint({ host, port: transport === 'udp' ? (port ?? own) : own })}`;
  });
}

/** Throws what is wrong with `--endpoint`. */
export function checkedEndpoint(text: string): HubEndpoint {
  const endpoint = parseServerEndpoint(text);
  if (endpoint === undefined) throw usageError(`--endpoint is "${text}"`, 'hub.example.net, 203.0.113.1 or host:port');
  return endpoint;
}
