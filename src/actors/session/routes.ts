/** Routes (`path-book.ts`) and raw addresses made from text, and told as text. */
import { formatAddress, formatEndpoint, isLinkLocal, parseCidr } from '../../config/address.ts';
import type { EndpointText } from '../../config/config.ts';
import { transport } from '../../contract/link-tables.ts';
import { endpoint as endpointLayout } from '../../contract/peer-tables.ts';
import { scopeOf, zoneOf } from '../../io/zones.ts';
import { takesNames, transportName } from '../../rings/carriers.ts';
import { namedEndpointEmit, namedEndpointHost, namedEndpointIs, namedEndpointPort } from '../../wire/named-endpoint.ts';
import {
  endpointEquals,
  sockaddrAddress,
  sockaddrEmit,
  sockaddrPort,
  sockaddrScope,
  sockaddrSetScope,
} from '../../wire/sockaddr.ts';
import type { Route } from './path-book.ts';
import type { LinkSettings } from './settings.ts';

/** An address of a peer that the configuration or a name server names. */
export interface Place {
  /** As a route has it; of a link-local address with the index that its interface has now, 0 = there is none of that name. */
  readonly endpoint: Uint8Array;
  /** One of `transport`. */
  readonly transport: number;
  /** Interface of a link-local address. */
  readonly zone: string | undefined;
}

/** The kernel chooses our own address. */
export function routeTo(link: number, transport: number, endpoint: Uint8Array): Route {
  return { link, transport, endpoint, local: new Uint8Array(16), interfaceIndex: 0 };
}

/** Where the endpoints lead; host names are left out unless their carrier takes them. */
export function placesOf(endpoints: readonly EndpointText[]): Place[] {
  return endpoints.flatMap(({ host, port, zone, transport: by = 'udp' }) => {
    const endpoint = new Uint8Array(endpointLayout.bytes);
    if (takesNames(by)) {
      if (host.length > endpointLayout.mostNameBytes) return [];
      namedEndpointEmit(endpoint, host, port);
      return [{ endpoint, transport: transport[by], zone: undefined }];
    }
    const cidr = parseCidr(host);
    if (cidr === undefined) return [];
    const scopeId = zone === undefined ? 0 : scopeOf(zone);
    sockaddrEmit(endpoint, 0, { address: Uint8Array.from(Buffer.from(cidr.addressHex, 'hex')), port, scopeId });
    return [{ endpoint, transport: transport[by], zone }];
  });
}

/** The same host and port by an address of IPv6 (16 bytes), as a translator has it. */
export function translatedPlace({ endpoint: from, transport: by }: Place, address: Uint8Array): Place {
  const endpoint = new Uint8Array(endpointLayout.bytes);
  sockaddrEmit(endpoint, 0, { address, port: sockaddrPort(from, 0), scopeId: 0 });
  return { endpoint, transport: by, zone: undefined };
}

/** None when the place lies on the network of another interface. */
export function routesBy(link: LinkSettings, { endpoint, transport: by, zone }: Place): Route[] {
  if (zone === undefined) return [routeTo(link.row, by, endpoint)];
  const isThere = link.interface === undefined ? sockaddrScope(endpoint, 0) !== 0 : link.interface === zone;
  return isThere ? [withoutZone(routeTo(link.row, by, Uint8Array.from(endpoint)), link)] : [];
}

/** What leaves by a link with an interface of its own needs no index, which is another one when the interface was gone meanwhile. */
export function withoutZone(route: Route, link: LinkSettings | undefined): Route {
  if (link?.interface === undefined) return route;
  sockaddrSetScope(route.endpoint, 0, 0);
  return { ...route, interfaceIndex: 0 };
}

/** Where a route leads as the configuration would write it; `interfaceName` is that of its link. */
export function endpointOf(
  { endpoint: bytes, transport: number }: Route,
  interfaceName: string | undefined,
): EndpointText {
  const by = transportName(number);
  if (namedEndpointIs(bytes)) return { host: namedEndpointHost(bytes), port: namedEndpointPort(bytes), transport: by };
  const host = formatAddress(Buffer.from(sockaddrAddress(bytes, 0)));
  const endpoint = { host, port: sockaddrPort(bytes, 0), ...(by === 'udp' ? {} : { transport: by }) };
  if (!isLinkLocal(host)) return endpoint;
  const scopeId = sockaddrScope(bytes, 0);
  return { ...endpoint, zone: interfaceName ?? (scopeId === 0 ? undefined : zoneOf(scopeId)) };
}

export function isSameCarrier(one: Route, other: Route): boolean {
  return one.link === other.link && one.transport === other.transport;
}

/** The same address by the same carrier, whatever our own. */
export function isSamePlace(one: Route, other: Route): boolean {
  return isSameCarrier(one, other) && endpointEquals(one.endpoint, other.endpoint);
}

/** Tells routes apart that lead elsewhere, or leave from elsewhere. */
export function keyOf({ link, transport: by, endpoint, local }: Route): string {
  return `${link}/${by}/${Buffer.from(endpoint).toString('hex')}/${Buffer.from(local).toString('hex')}`;
}

/** `203.0.113.1:51820`, `[2001:db8::1]:51820`, `test://203.0.113.1:51821`; a link-local one with its interface where the link has none. */
export function textOf(route: Route | undefined): string {
  return route === undefined ? 'unknown' : formatEndpoint(endpointOf(route, undefined));
}
