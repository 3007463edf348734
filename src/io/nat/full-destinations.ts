/**
 * Destinations to which every shared port is in use: one port serves as many destinations as there are, and each of them once. Whoever
 * begins one connection more there would be dropped in silence.
 */
import { bracketed, formatAddress } from '../../config/address.ts';
import type { Connection } from '../../wire/conntrack.ts';
import { applyNft, nftTableOf } from '../network/nft.ts';
import type { NatPlan } from './plan.ts';

export interface FullDestination {
  readonly protocol: 'tcp' | 'udp';
  readonly address: string;
  readonly port: number;
}

const protocols: Readonly<Record<number, FullDestination['protocol']>> = { 6: 'tcp', 17: 'udp' };
/** The kernel finds the last free ones by chance, and not always. */
const fullShare = 0.98;
/** Refused so long; then it is seen whether some have ended. */
const refusedSeconds = 10;

/** Whether ports are shared, so that they may run out for all. */
export function sharesPorts({ perClient, masquerade }: NatPlan): boolean {
  return perClient === 0 && (masquerade[4] || masquerade[6]);
}

/** Pure. Ports of each outside address count for themselves, and a client has one of the addresses. */
export function findFullDestinations({ ports }: NatPlan, connections: readonly Connection[]): FullDestination[] {
  const most = fullShare * (ports.last - ports.first + 1);
  const counts = new Map<string, { count: number; readonly connection: Connection }>();
  for (const connection of connections) {
    const { protocol, original, reply, isSourceTranslated, state } = connection;
    // The kernel gives these ports away anew (`nf_nat_used_tuple_harder` of net/netfilter/nf_nat_core.c).
    if (state === 'time-wait' || state === 'closed') continue;
    const port = reply.destinationPort;
    if (!isSourceTranslated || port < ports.first || port > ports.last || protocols[protocol] === undefined) continue;
    const key = `${protocol} ${original.destinationHex} ${original.destinationPort} ${reply.destinationHex}`;
    const known = counts.get(key);
    if (known === undefined) counts.set(key, { count: 1, connection });
    else known.count += 1;
  }
  const full = [...counts.values()].filter(({ count }) => count >= most).map(({ connection }) => placeOf(connection));
  return [...new Map(full.map((one) => [nameOfDestination(one), one])).values()];
}

/** `203.0.113.9:443/tcp` */
export function nameOfDestination({ protocol, address, port }: FullDestination): string {
  return `${bracketed(address)}:${port}/${protocol}`;
}

/** Clients who begin a connection there are told so for some seconds. Returns why not. */
export function refuseDestinations(
  name: string,
  destinations: readonly FullDestination[],
): Promise<string | undefined> {
  const table = `inet ${nftTableOf(name)}`;
  const lines = destinations.flatMap(({ protocol, address, port }) => {
    const set = `${table} full${address.includes(':') ? 6 : 4}`;
    const key = `${protocol} . ${address} . ${port}`;
    // One that is there keeps its time otherwise.
    return [
      `add element ${set} { ${key} }`,
      `delete element ${set} { ${key} }`,
      `add element ${set} { ${key} timeout ${refusedSeconds}s }`,
    ];
  });
  return applyNft(`${lines.join('\n')}\n`);
}

function placeOf({ protocol, original }: Connection): FullDestination {
  const address = formatAddress(Buffer.from(original.destinationHex, 'hex'));
  return { protocol: protocols[protocol] ?? 'tcp', address, port: original.destinationPort };
}
