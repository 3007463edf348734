/**
 * Bodies of rtnetlink messages (linux/rtnetlink.h, if_link.h, if_addr.h): links, addresses, routes.
 *
 * ```
 * ifinfomsg:     0 family u8 | 2 type u16 | 4 index i32 | 8 flags u32 | 12 change u32 | 16 attributes
 * ifaddrmsg:     0 family u8 | 1 prefix u8 | 2 flags u8 | 3 scope u8 | 4 index u32 | 8 attributes
 * rtmsg:         0 family u8 | 1 dst bits u8 | 2 src bits u8 | 3 tos u8 | 4 table u8 | 5 protocol u8 | 6 scope u8 | 7 type u8 |
 *                8 flags u32 | 12 attributes
 * ```
 * `…Emit(target, at, x)` writes a body at `at` and returns its end; `…Parse(bytes, at, end)` reads one, undefined = not ours
 * to understand. Addresses are lower-case hexadecimal of 4 or 16 bytes, so that messages compare as text.
 */
import {
  attributeEmit,
  attributeEmitNested,
  attributeEmitText,
  attributeEmitU8,
  attributeEmitU32,
  attributesParse,
  attributeU32,
  readI32,
  readU8,
  readU16,
  readU32,
  textOf,
  writeU32,
} from './netlink.ts';

/** linux/rtnetlink.h RTM_* */
export const rtm = {
  newLink: 16,
  deleteLink: 17,
  getLink: 18,
  setLink: 19,
  newAddress: 20,
  deleteAddress: 21,
  getAddress: 22,
  newRoute: 24,
  deleteRoute: 25,
  getRoute: 26,
  newRule: 32,
  deleteRule: 33,
  getRule: 34,
} as const;

/** RTMGRP_*: bits of what an event socket hears. */
export const rtGroup = {
  link: 0x1,
  address4: 0x10,
  route4: 0x40,
  rule4: 0x80,
  address6: 0x100,
  route6: 0x400,
  /** RTNLGRP_IPV6_RULE, which has no name among the masks. */
  rule6: 0x40000,
} as const;

export const mainTable = 254;
/** net/if.h IFF_* */
const linkFlag = { up: 0x1, loopback: 0x8, running: 0x40 } as const;
/** sys/socket.h AF_*; the same on every Linux. */
const addressFamily = { inet: 2, inet6: 10 } as const;
const iflaName = 3;
const iflaMtu = 4;
const iflaMaster = 10;
const iflaLinkInfo = 18;
const iflaInfoKind = 1;
const iflaAfSpec = 26;
const iflaInet6AddrGenMode = 8;
/** IN6_ADDR_GEN_MODE_NONE */
const addrGenModeNone = 1;
const ifaAddress = 1;
const ifaLocal = 2;
const ifaFlags = 8;
/** IFA_F_NODAD: nobody else can hold an address of a tunnel. IFA_F_NOPREFIXROUTE: the kernel makes no route to its network. */
const ifaFlag = { noDad: 0x02, noPrefixRoute: 0x200 } as const;
const rtaDestination = 1;
const rtaSource = 2;
const rtaInterface = 4;
const rtaPriority = 6;
const rtaPreferredSource = 7;
const rtaMultipath = 9;
const rtaTable = 15;
const rtaMark = 16;
/** RTM_F_LOOKUP_TABLE: say the table it stands in. RTM_F_FIB_MATCH: answer with the route itself, or that there is none. */
const routeFlag = { lookupTable: 0x1000, match: 0x2000 } as const;
/** Sizes of the fixed parts drawn above. */
const linkBytes = 16;
const addressBytes = 8;
const routeBytes = 12;
const nextHopBytes = 8;
/** RT_SCOPE_*: a unicast route without a gateway leads to what is on the link. */
const routeScope = { universe: 0, link: 253, nowhere: 255 } as const;
const routeType = { unicast: 1, blackhole: 6, unreachable: 7 } as const;

export type Family = 4 | 6;

export interface LinkState {
  readonly index: number;
  readonly name: string;
  readonly mtu: number;
  /** Set up by the administrator. */
  readonly up: boolean;
  /** Up, and with a carrier. */
  readonly running: boolean;
  /** `tun`, `veth`, `wireguard` …; empty for hardware. */
  readonly kind: string;
  readonly isLoopback: boolean;
  /** A port of a bridge, bond or VRF: that one, and not this, is where the host sends. */
  readonly isPort: boolean;
}

export interface AddressState {
  readonly family: Family;
  readonly index: number;
  readonly addressHex: string;
  readonly prefix: number;
  /** RT_SCOPE_*: 0 = global, 253 = link-local. */
  readonly scope: number;
  /** The kernel routes the address's network by itself, in the main table. */
  readonly hasPrefixRoute: boolean;
}

export interface RouteState {
  readonly family: Family;
  readonly destinationHex: string;
  readonly prefix: number;
  readonly table: number;
  readonly kind: keyof typeof routeType | 'other';
  /** 0 = none; the kernel says loopback's for unreachable IPv6 routes. */
  readonly interfaceIndex: number;
  readonly metric: number;
  readonly protocol: number;
}

/** Asks for one link by name (RTM_GETLINK) or, with an empty name, for all (with NLM_F_DUMP). */
export function linkQueryEmit(target: Uint8Array, at: number, name: string): number {
  target.fill(0, at, at + linkBytes);
  return name === '' ? at + linkBytes : attributeEmitText(target, at + linkBytes, iflaName, name);
}

/**
 * RTM_SETLINK: takes the link up or down and sets its MTU (undefined = as it is). `quiet` keeps the kernel
 * from making a link-local IPv6 address, whose router solicitations a tunnel would carry for nobody; it has to come in a
 * message before the one that takes the link up.
 */
export function linkSetEmit(
  target: Uint8Array,
  at: number,
  link: { readonly index: number; readonly up?: boolean; readonly mtu?: number; readonly quiet?: boolean },
): number {
  target.fill(0, at, at + linkBytes);
  writeU32(target, at + 4, link.index);
  writeU32(target, at + 8, link.up === true ? linkFlag.up : 0);
  writeU32(target, at + 12, link.up === undefined ? 0 : linkFlag.up);
  let end = at + linkBytes;
  if (link.mtu !== undefined) end = attributeEmitU32(target, end, iflaMtu, link.mtu);
  if (link.quiet !== true) return end;
  return attributeEmitNested(target, end, iflaAfSpec, (specAt) =>
    attributeEmitNested(target, specAt, addressFamily.inet6, (modeAt) =>
      attributeEmitU8(target, modeAt, iflaInet6AddrGenMode, addrGenModeNone),
    ),
  );
}

/** RTM_DELLINK. */
export function linkDeleteEmit(target: Uint8Array, at: number, index: number): number {
  target.fill(0, at, at + linkBytes);
  writeU32(target, at + 4, index);
  return at + linkBytes;
}

export function linkParse(bytes: Uint8Array, at: number, end: number): LinkState | undefined {
  if (end - at < linkBytes) return undefined;
  const attributes = attributesParse(bytes, at + linkBytes, end);
  if (attributes === undefined) return undefined;
  const name = attributes.get(iflaName);
  const info = attributes.get(iflaLinkInfo);
  const kind = info === undefined ? undefined : attributesParse(info, 0, info.length)?.get(iflaInfoKind);
  const flags = readU32(bytes, at + 8);
  return {
    index: readI32(bytes, at + 4),
    name: name === undefined ? '' : textOf(name),
    mtu: attributeU32(attributes, iflaMtu, 0),
    up: (flags & linkFlag.up) !== 0,
    running: (flags & linkFlag.running) !== 0,
    kind: kind === undefined ? '' : textOf(kind),
    isLoopback: (flags & linkFlag.loopback) !== 0,
    isPort: attributeU32(attributes, iflaMaster, 0) !== 0,
  };
}

/** The body of a dump request of addresses, routes or rules; a strict kernel (≥ 4.20) filters by what is not 0. */
export function dumpQueryEmit(
  target: Uint8Array,
  at: number,
  type: number,
  filter: { readonly family: Family | 0; readonly protocol?: number; readonly index?: number },
): number {
  const bytes = type === rtm.getAddress ? addressBytes : routeBytes;
  target.fill(0, at, at + bytes);
  target[at] = filter.family === 0 ? 0 : familyNumber(filter.family);
  if (type === rtm.getAddress) writeU32(target, at + 4, filter.index ?? 0);
  if (type === rtm.getRoute) target[at + 5] = filter.protocol ?? 0;
  return at + bytes;
}

/** RTM_NEWADDR and RTM_DELADDR. */
export function addressEmit(target: Uint8Array, at: number, address: AddressState): number {
  target.fill(0, at, at + addressBytes);
  target[at] = familyNumber(address.family);
  target[at + 1] = address.prefix;
  target[at + 3] = address.scope;
  writeU32(target, at + 4, address.index);
  const value = fromHex(address.addressHex);
  const end = attributeEmit(target, at + addressBytes, ifaLocal, value);
  const flags = ifaFlag.noDad | (address.hasPrefixRoute ? 0 : ifaFlag.noPrefixRoute);
  return attributeEmitU32(target, attributeEmit(target, end, ifaAddress, value), ifaFlags, flags);
}

export function addressParse(bytes: Uint8Array, at: number, end: number): AddressState | undefined {
  if (end - at < addressBytes) return undefined;
  const family = familyOf(readU8(bytes, at));
  const attributes = attributesParse(bytes, at + addressBytes, end);
  const address = attributes?.get(ifaLocal) ?? attributes?.get(ifaAddress);
  if (family === undefined || attributes === undefined || address?.length !== lengthOf(family)) return undefined;
  return {
    family,
    index: readU32(bytes, at + 4),
    addressHex: toHex(address),
    prefix: readU8(bytes, at + 1),
    scope: readU8(bytes, at + 3),
    hasPrefixRoute: (attributeU32(attributes, ifaFlags, 0) & ifaFlag.noPrefixRoute) === 0,
  };
}

/** RTM_NEWROUTE, or with `deleting` the body that RTM_DELROUTE finds it by. */
export function routeEmit(target: Uint8Array, at: number, route: RouteState, deleting: boolean): number {
  target.fill(0, at, at + routeBytes);
  const type = route.kind === 'other' ? 0 : routeType[route.kind];
  const onLink = route.kind === 'unicast' ? routeScope.link : routeScope.universe;
  target[at] = familyNumber(route.family);
  target[at + 1] = route.prefix;
  target[at + 4] = route.table < 256 ? route.table : 0;
  target[at + 5] = route.protocol;
  target[at + 6] = deleting ? routeScope.nowhere : route.family === 4 ? onLink : routeScope.universe;
  target[at + 7] = type;
  let end = attributeEmitU32(target, at + routeBytes, rtaTable, route.table);
  if (route.prefix > 0) end = attributeEmit(target, end, rtaDestination, fromHex(route.destinationHex));
  if (route.metric !== 0) end = attributeEmitU32(target, end, rtaPriority, route.metric);
  if (route.kind === 'unicast') end = attributeEmitU32(target, end, rtaInterface, route.interfaceIndex);
  return end;
}

/** What RTM_GETROUTE asks for: the way a packet would take. */
export interface WayQuery {
  readonly family: Family;
  readonly destinationHex: string;
  /** undefined = the kernel chooses. */
  readonly sourceHex: string | undefined;
  readonly interfaceIndex: number;
  readonly fwmark: number;
  /** Answer only when a route leads there by itself: else the kernel takes what is bound to an interface for on-link. */
  readonly mustMatch: boolean;
}

export function wayQueryEmit(target: Uint8Array, at: number, query: WayQuery): number {
  target.fill(0, at, at + routeBytes);
  target[at] = familyNumber(query.family);
  target[at + 1] = 8 * lengthOf(query.family);
  if (query.sourceHex !== undefined) target[at + 2] = 8 * lengthOf(query.family);
  writeU32(target, at + 8, routeFlag.lookupTable | (query.mustMatch ? routeFlag.match : 0));
  let end = attributeEmit(target, at + routeBytes, rtaDestination, fromHex(query.destinationHex));
  if (query.sourceHex !== undefined) end = attributeEmit(target, end, rtaSource, fromHex(query.sourceHex));
  end = attributeEmitU32(target, end, rtaInterface, query.interfaceIndex);
  return attributeEmitU32(target, end, rtaMark, query.fwmark);
}

export interface Way {
  /** What the kernel would take, hexadecimal; empty = it says none. */
  readonly sourceHex: string;
  readonly interfaceIndex: number;
  readonly table: number;
  /** A route that leads nowhere (IPv6; in IPv4 the question itself is refused then). */
  readonly isRefusal: boolean;
}

export function wayParse(bytes: Uint8Array, at: number, end: number): Way {
  const attributes = attributesParse(bytes, at + routeBytes, end) ?? new Map<number, Uint8Array>();
  const source = attributes.get(rtaPreferredSource);
  return {
    sourceHex: source === undefined ? '' : toHex(source),
    interfaceIndex: attributeU32(attributes, rtaInterface, 0),
    table: attributeU32(attributes, rtaTable, readU8(bytes, at + 4)),
    isRefusal: readU8(bytes, at + 7) >= routeType.blackhole,
  };
}

export function routeParse(bytes: Uint8Array, at: number, end: number): RouteState | undefined {
  if (end - at < routeBytes) return undefined;
  const family = familyOf(readU8(bytes, at));
  const attributes = attributesParse(bytes, at + routeBytes, end);
  if (family === undefined || attributes === undefined) return undefined;
  const destination = attributes.get(rtaDestination) ?? new Uint8Array(lengthOf(family));
  if (destination.length !== lengthOf(family)) return undefined;
  const type = readU8(bytes, at + 7);
  const kinds = Object.keys(routeType) as (keyof typeof routeType)[];
  return {
    family,
    destinationHex: toHex(destination),
    prefix: readU8(bytes, at + 1),
    table: attributeU32(attributes, rtaTable, readU8(bytes, at + 4)),
    kind: kinds.find((kind) => routeType[kind] === type) ?? 'other',
    interfaceIndex: attributeU32(attributes, rtaInterface, 0),
    metric: attributeU32(attributes, rtaPriority, 0),
    protocol: readU8(bytes, at + 5),
  };
}

/** Indices of all interfaces that a route leads out by: one, or those of struct rtnexthop (length u16, 2 bytes, index i32, attributes). */
export function routeInterfaces(bytes: Uint8Array, at: number, end: number): readonly number[] {
  const attributes = attributesParse(bytes, at + routeBytes, end);
  const only = attributes === undefined ? 0 : attributeU32(attributes, rtaInterface, 0);
  if (only !== 0) return [only];
  const hops = attributes?.get(rtaMultipath) ?? new Uint8Array();
  const found: number[] = [];
  for (let hopAt = 0; hopAt + nextHopBytes <= hops.length; ) {
    const length = readU16(hops, hopAt);
    if (length < nextHopBytes) break;
    found.push(readI32(hops, hopAt + 4));
    hopAt += (length + 3) & ~3;
  }
  return found;
}

export function familyNumber(family: Family): number {
  return family === 4 ? addressFamily.inet : addressFamily.inet6;
}

export function familyOf(number: number): Family | undefined {
  return number === addressFamily.inet ? 4 : number === addressFamily.inet6 ? 6 : undefined;
}

function lengthOf(family: Family): number {
  return family === 4 ? 4 : 16;
}

export function toHex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

function fromHex(text: string): Uint8Array {
  return Uint8Array.from(text.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}
