/** Asks the kernel which way a packet would take, and what a table has for it. */

import { HawserError } from '../base/errors.ts';
import { familyOfHex } from '../base/family.ts';
import { netlinkFlag } from '../wire/netlink.ts';
import { dumpQueryEmit, rtm } from '../wire/rtnetlink.ts';
import {
  type RouteState,
  routeParse,
  type Way,
  type WayQuery,
  wayParse,
  wayQueryEmit,
} from '../wire/rtnetlink-route.ts';
import type { Netlink } from './netlink.ts';

/** Or the name of the errno that such a packet is refused with. */
export function askWay(netlink: Netlink, query: WayQuery): Way | string {
  let way: Way | undefined;
  try {
    netlink.query(
      { type: rtm.getRoute, flags: 0, what: 'ask for a route', emit: (target, at) => wayQueryEmit(target, at, query) },
      (type, bytes, at, end) => {
        if (type === rtm.newRoute) way = wayParse(bytes, at, end);
      },
    );
  } catch (error) {
    if (error instanceof HawserError) return error.code;
    throw error;
  }
  return way === undefined ? 'ENETUNREACH' : way;
}

/** RT_TABLE_COMPAT: what struct rtmsg says of tables whose number it does not hold. */
const manyTables = 252;

/** Routes of a table that lead an address anywhere or refuse it, the longest prefix first. */
export function routesTo(netlink: Netlink, table: number, addressHex: string): readonly RouteState[] {
  const family = familyOfHex(addressHex);
  const address = BigInt(`0x${addressHex}`);
  const bits = BigInt(addressHex.length * 4);
  const covers = ({ destinationHex, prefix }: RouteState): boolean =>
    (BigInt(`0x${destinationHex}`) ^ address) >> (bits - BigInt(prefix)) === 0n;
  const found: RouteState[] = [];
  netlink.query(
    {
      type: rtm.getRoute,
      flags: netlinkFlag.dump,
      what: 'list routes',
      // struct rtmsg: rtm_table.
      wants: (bytes, at) => bytes[at + 4] === (table < 256 ? table : manyTables),
      emit: (target, at) => dumpQueryEmit(target, at, rtm.getRoute, { family }),
    },
    (type, bytes, at, end) => {
      const route = type === rtm.newRoute ? routeParse(bytes, at, end) : undefined;
      if (route?.table === table && covers(route)) found.push(route);
    },
  );
  return found.sort((a, b) => b.prefix - a.prefix || a.metric - b.metric);
}
