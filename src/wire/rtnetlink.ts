/**
 * What all rtnetlink messages share (linux/rtnetlink.h): their types, the groups of their events, families, and the question for a whole table.
 * Bodies: links in `rtnetlink-link.ts`, addresses in `rtnetlink-address.ts`, routes in `rtnetlink-route.ts`, rules in `fib-rule.ts`. There
 * `…Emit(target, at, x)` writes a body at `at` and returns its end; `…Parse(bytes, at, end)` reads one, undefined = not ours
 * to understand. Addresses are lower-case hexadecimal of 4 or 16 bytes, so that messages compare as text.
 */
import type { Family } from '../base/family.ts';
import { writeU32 } from './netlink.ts';

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
/** sys/socket.h AF_*; the same on every Linux. */
export const addressFamily = { inet: 2, inet6: 10 } as const;
/** struct ifaddrmsg, and struct rtmsg, which rules have too. */
const addressBytes = 8;
const routeBytes = 12;

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

export function familyNumber(family: Family): number {
  return family === 4 ? addressFamily.inet : addressFamily.inet6;
}

export function familyOfNumber(number: number): Family | undefined {
  return number === addressFamily.inet ? 4 : number === addressFamily.inet6 ? 6 : undefined;
}

export function toHex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

export function fromHex(text: string): Uint8Array {
  return Uint8Array.from(text.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}
