/** IP addresses, CIDR prefixes and endpoints of the configuration: text in, plain objects out; undefined = not of that form. */

import { isIPv4, isIPv6 } from 'node:net';
import { familyOf } from '../base/family.ts';
import { type TransportName, transport as transports } from '../contract/link-tables.ts';
import type { Cidr, EndpointText } from './config.ts';
import { mayHoldKey } from './show.ts';
import { offersTestTransport } from './test-transport.ts';

/** What an endpoint may begin with. UDP is what has no name there. */
const namedTransports = (Object.keys(transports) as TransportName[]).filter((name) => name !== 'udp');

/** `10.9.0.2/24`, `fd00:9::2/64`, or an address alone (then /32 or /128). The host part is kept. */
export function parseCidr(text: string): Cidr | undefined {
  const slash = text.indexOf('/');
  const bytes = parseAddress(slash < 0 ? text : text.slice(0, slash));
  if (bytes === undefined) return undefined;
  const bits = bytes.length * 8;
  const prefixText = slash < 0 ? String(bits) : text.slice(slash + 1);
  if (!/^(0|[1-9]\d{0,2})$/.test(prefixText) || Number(prefixText) > bits) return undefined;
  return toCidr(bytes, Number(prefixText));
}

/** The same prefix with the host part cleared: 10.9.0.2/24 → 10.9.0.0/24. */
export function maskCidr(cidr: Cidr): Cidr {
  const hex = maskHex(cidr.addressHex, cidr.prefix);
  return hex === cidr.addressHex ? cidr : toCidr(Buffer.from(hex, 'hex'), cidr.prefix);
}

/** An address in hexadecimal, of which the first `bits` bits stay and the others are 0. */
export function maskHex(addressHex: string, bits: number): string {
  const whole = bits >> 2;
  if (whole >= addressHex.length) return addressHex;
  const digit = Number.parseInt(addressHex[whole] as string, 16) & (0xf0 >> (bits & 3)) & 0xf;
  return (addressHex.slice(0, whole) + digit.toString(16)).padEnd(addressHex.length, '0');
}

export function formatCidr(cidr: Cidr): string {
  return `${cidr.address}/${cidr.prefix}`;
}

/** `203.0.113.1:51820`, `[2001:db8::1]:51820`, `hub.example.net:51820`; the port is 1 to 65535. */
export function parseEndpoint(text: string): EndpointText | undefined {
  const match = /^(?:\[([^\]]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(text);
  if (match === null) return undefined;
  const port = Number(match[3]);
  if (port < 1 || port > 65535) return undefined;
  const literal6 = match[1];
  if (literal6 !== undefined) {
    const bytes = isIPv6(literal6) ? parseAddress(literal6) : undefined;
    return bytes === undefined ? undefined : { host: formatAddress(bytes), port };
  }
  const host = match[2] ?? '';
  return isIPv4(host) || isHostName(host) ? { host: host.toLowerCase(), port } : undefined;
}

/**
 * The same, and `[fe80::1%eth0]:51820`. A link-local address has a zone, as the name of its interface, and no other has one. What is not
 * reached by UDP has its transport before it: `test://203.0.113.1:51821`.
 */
export function parsePeerEndpoint(text: string): EndpointText | undefined {
  const [scheme, by, rest = ''] = /^([a-z]+):\/\/(.*)$/.exec(text) ?? [];
  if (scheme === undefined) return parseZonedEndpoint(text);
  const transport = namedTransports.find((name) => name === by && (name !== 'test' || offersTestTransport()));
  const endpoint = transport === undefined ? undefined : parseZonedEndpoint(rest);
  return endpoint === undefined ? undefined : { ...endpoint, transport };
}

function parseZonedEndpoint(text: string): EndpointText | undefined {
  const [, before = '', zone, after = ''] = /^(\[[^\]%]*)%([^\]]*)(\]:\d+)$/.exec(text) ?? [];
  const endpoint = parseEndpoint(zone === undefined ? text : `${before}${after}`);
  if (endpoint === undefined || isLinkLocal(endpoint.host) !== (zone !== undefined)) return undefined;
  if (zone === undefined) return endpoint;
  // An index is another interface's after the next start.
  return isInterfaceName(zone) && !/^\d+$/.test(zone) ? { ...endpoint, zone } : undefined;
}

/** What both read back. */
export function formatEndpoint({ transport = 'udp', host, port, zone }: EndpointText): string {
  const scheme = transport === 'udp' ? '' : `${transport}://`;
  return `${scheme}${bracketed(zone === undefined ? host : `${host}%${zone}`)}:${port}`;
}

/** A host as it stands before a port, or in a URL (RFC 3986 section 3.2.2). */
export function bracketed(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}

/** fe80::/10 (RFC 4291 section 2.4). */
export function isLinkLocal(host: string): boolean {
  return /^fe[89ab][0-9a-f]:/.test(host);
}

/** IFNAMSIZ is 16 with the final zero; the rest is dev_valid_name() of net/core/dev.c, and "%" which TUNSETIFF expands. */
export function isInterfaceName(input: string): boolean {
  const length = Buffer.byteLength(input);
  return length >= 1 && length <= 15 && input !== '.' && input !== '..' && !/[\s/:%\p{Cc}]/u.test(input);
}

/** RFC 1123 section 2.1, with underscores for the names people really have; a name that ends in a number would be an address. */
function isHostName(text: string): boolean {
  const labels = text.replace(/\.$/, '').split('.');
  // A key that was pasted in place of a name must not go to a name server as a question.
  if (text.length > 253 || /^\d+$/.test(labels.at(-1) ?? '') || labels.some(mayHoldKey)) return false;
  return labels.every((label) => /^[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?$/.test(label));
}

function toCidr(bytes: Buffer, prefix: number): Cidr {
  return { family: familyOf(bytes), addressHex: bytes.toString('hex'), address: formatAddress(bytes), prefix };
}

function parseAddress(text: string): Buffer | undefined {
  if (isIPv4(text)) return Buffer.from(text.split('.').map(Number));
  // isIPv6 lets a zone through (fe80::1%eth0); an address of the configuration has none.
  if (!isIPv6(text) || text.includes('%')) return undefined;
  const [head = '', tail] = withoutDotted(text).split('::');
  const before = groupsOf(head);
  const after = groupsOf(tail ?? '');
  const zeros = new Array<string>(8 - before.length - after.length).fill('0');
  const groups = tail === undefined ? before : [...before, ...zeros, ...after];
  return Buffer.from(groups.map((group) => group.padStart(4, '0')).join(''), 'hex');
}

function groupsOf(text: string): string[] {
  return text === '' ? [] : text.split(':');
}

/** ::ffff:10.0.0.1 → ::ffff:a00:1 */
function withoutDotted(text: string): string {
  const colon = text.lastIndexOf(':');
  const last = text.slice(colon + 1);
  if (!isIPv4(last)) return text;
  const [a = 0, b = 0, c = 0, d = 0] = last.split('.').map(Number);
  return `${text.slice(0, colon + 1)}${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`;
}

/** RFC 5952: lower case, no leading zeros, the first longest run of two or more zero groups as `::`. */
export function formatAddress(bytes: Buffer): string {
  if (bytes.length === 4) return bytes.join('.');
  const groups = Array.from({ length: 8 }, (_, index) => bytes.readUInt16BE(index * 2));
  let start = -1;
  let length = 1;
  for (let from = 0; from < 8; from++) {
    let to = from;
    while (to < 8 && groups[to] === 0) to++;
    if (to - from > length) {
      start = from;
      length = to - from;
    }
  }
  const text = (part: number[]): string => part.map((group) => group.toString(16)).join(':');
  if (start < 0) return text(groups);
  return `${text(groups.slice(0, start))}::${text(groups.slice(start + length))}`;
}
