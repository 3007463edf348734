/** Routes (`path-book.ts`) and raw addresses made from text, and told as text. */
import { formatAddress, parseCidr } from '../../config/address.ts';
import type { EndpointText } from '../../config/config.ts';
import { sockaddrAddress, sockaddrEmit, sockaddrEquals, sockaddrMaxBytes, sockaddrPort } from '../../wire/sockaddr.ts';
import type { Route } from './path-book.ts';

/** The kernel chooses our own address. */
export function routeTo(link: number, sockaddr: Uint8Array): Route {
  return { link, sockaddr, local: new Uint8Array(16), interfaceIndex: 0 };
}

/** The addresses among the endpoints; host names are left out. */
export function sockaddrsOf(endpoints: readonly EndpointText[]): Uint8Array[] {
  return endpoints.flatMap(({ host, port }) => {
    const cidr = parseCidr(host);
    if (cidr === undefined) return [];
    const sockaddr = new Uint8Array(sockaddrMaxBytes);
    sockaddrEmit(sockaddr, 0, { address: Uint8Array.from(Buffer.from(cidr.addressHex, 'hex')), port, scopeId: 0 });
    return [sockaddr];
  });
}

/** Text of a raw address, as the configuration would write it. */
export function hostOf(sockaddr: Uint8Array): string {
  return formatAddress(Buffer.from(sockaddrAddress(sockaddr, 0)));
}

/** The same address by the same link, whatever our own. */
export function isSamePlace(one: Route, other: Route): boolean {
  return one.link === other.link && sockaddrEquals(one.sockaddr, 0, other.sockaddr, 0);
}

/** Tells routes apart that lead elsewhere, or leave from elsewhere. */
export function keyOf({ link, sockaddr, local }: Route): string {
  return `${link}/${Buffer.from(sockaddr).toString('hex')}/${Buffer.from(local).toString('hex')}`;
}

/** `203.0.113.1:51820`, `[2001:db8::1]:51820`. */
export function textOf(route: Route | undefined): string {
  if (route === undefined) return 'unknown';
  const host = hostOf(route.sockaddr);
  const port = sockaddrPort(route.sockaddr, 0);
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
