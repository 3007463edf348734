/** Carriers by number and by name: who sends and receives for one link by one transport (`contract/link-tables.ts`). */
import { carrier, type TransportName, transport, transportHeaderBytes } from '../contract/link-tables.ts';
import { endpoint, path } from '../contract/peer-tables.ts';
import type { RowTable } from './table.ts';

const names = new Map(Object.entries(transport).map(([name, number]) => [number as number, name as TransportName]));
const headers = new Map(
  Object.entries(transport).map(([name, number]) => [number as number, transportHeaderBytes[name as TransportName]]),
);
const ip4HeaderBytes = 20;
const ip6HeaderBytes = 40;

export function transportName(transportNumber: number): TransportName | undefined {
  return names.get(transportNumber);
}

/** What is in front of each sealed packet on the wire: IP header and the transport's own. */
export function outerHeaderBytes(transportNumber: number, isIp4: boolean): number {
  return (headers.get(transportNumber) ?? 0) + (isIp4 ? ip4HeaderBytes : ip6HeaderBytes);
}

/** The same of one path, with what it wears, and without what its carrier has found to be left out. */
export function pathHeaderBytes(paths: RowTable, row: number): number {
  const isIp4 = (paths.int(row, path.endpointAt) & 0xffff) !== endpoint.ip6;
  const most = outerHeaderBytes(transportOf(paths.int(row, path.carrierAt)), isIp4);
  return most + paths.int(row, path.paddingBytesAt) - paths.int(row, path.sparedBytesAt);
}

/** Its packets lie in a stream of bytes: whatever the MTU of the link, packets of any length pass. */
export function isStream(transportNumber: number): boolean {
  return transportNumber === transport.tls;
}

/** Its carrier finds the way by itself, perhaps through a proxy: endpoints of the configuration are names to it (`endpoint.named`). */
export function takesNames(by: TransportName): boolean {
  return by === 'tls';
}

/** Whether what travels by it may wear an obfuscation: what is UDP to those who look on. */
export function canWear(transportNumber: number): boolean {
  return transportNumber === transport.udp || transportNumber === transport.test;
}

/** Row of the carrier table. */
export function carrierOf(linkRow: number, transportNumber: number): number {
  return linkRow * carrier.rowsPerLink + transportNumber;
}

/** Row of its link. */
export function linkOf(carrierRow: number): number {
  return Math.floor(carrierRow / carrier.rowsPerLink);
}

/** Number of its transport. */
export function transportOf(carrierRow: number): number {
  return carrierRow % carrier.rowsPerLink;
}

/** `fibre` by UDP, `fibre.test` by any other transport: in names of actors, rings and ports. No link has a dot in its name. */
export function carrierName(link: string, by: TransportName): string {
  return by === 'udp' ? link : `${link}.${by}`;
}

/** Of a transport, in the order of preference: from 1 on. What the order does not name comes behind, by its number. */
export function placeOf(order: readonly TransportName[], by: TransportName): number {
  const named = order.indexOf(by);
  return named >= 0 ? named + 1 : order.length + transport[by] + 1;
}
