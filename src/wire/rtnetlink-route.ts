/**
 * Routes in rtnetlink (linux/rtnetlink.h), and the question which way a packet would take.
 *
 * ```
 * rtmsg:         0 family u8 | 1 dst bits u8 | 2 src bits u8 | 3 tos u8 | 4 table u8 | 5 protocol u8 | 6 scope u8 | 7 type u8 |
 *                8 flags u32 | 12 attributes
 * ```
 */

import { addressBytesOf, type Family } from '../base/family.ts';
import {
  attributeEmit,
  attributeEmitU32,
  attributesParse,
  attributeU32,
  readI32,
  readU8,
  readU16,
  writeU32,
} from './netlink.ts';
import { familyNumber, familyOfNumber, fromHex, toHex } from './rtnetlink.ts';

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
const routeBytes = 12;
const nextHopBytes = 8;
/** RT_SCOPE_*: a unicast route without a gateway leads to what is on the link. */
const routeScope = { universe: 0, link: 253, nowhere: 255 } as const;
const routeType = { unicast: 1, blackhole: 6, unreachable: 7 } as const;

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
  target[at + 1] = 8 * addressBytesOf(query.family);
  if (query.sourceHex !== undefined) target[at + 2] = 8 * addressBytesOf(query.family);
  // The kernel says the table of an IPv6 route anyway, and refuses the question that asks for it (inet6_rtm_valid_getroute_req of net/ipv6/route.c).
  const lookup = query.family === 4 ? routeFlag.lookupTable : 0;
  writeU32(target, at + 8, lookup | (query.mustMatch ? routeFlag.match : 0));
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
  const family = familyOfNumber(readU8(bytes, at));
  const attributes = attributesParse(bytes, at + routeBytes, end);
  if (family === undefined || attributes === undefined) return undefined;
  const destination = attributes.get(rtaDestination) ?? new Uint8Array(addressBytesOf(family));
  if (destination.length !== addressBytesOf(family)) return undefined;
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
