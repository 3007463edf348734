/** Finds routes of others that stand where ours would: the very prefix by another interface, or one that refuses. */

import type { Family } from '../../base/family.ts';
import { formatAddress, formatCidr } from '../../config/address.ts';
import type { Cidr } from '../../config/config.ts';
import { netlinkFlag } from '../../wire/netlink.ts';
import { dumpQueryEmit, mainTable, rtm } from '../../wire/rtnetlink.ts';
import { type RouteState, routeParse } from '../../wire/rtnetlink-route.ts';
import type { Netlink } from '../netlink.ts';
import { listLinks } from '../netlink-tables.ts';
import { hawserProtocol } from './own-tables.ts';
import { contains, type Place } from './plan.ts';

/** What keeps the plan from having its effect, for people. */
export interface Trouble {
  readonly text: string;
  readonly remedy: string;
}

export interface Conflict extends Trouble {
  readonly place: Place;
}

/** struct rtmsg: rtm_dst_len, rtm_protocol, rtm_type. */
const at = { prefix: 1, protocol: 5, type: 7 } as const;
/** RTN_BLACKHOLE and RTN_UNREACHABLE. */
const refusing: readonly number[] = [6, 7];
/** RT_TABLE_LOCAL: the host's own addresses, which come before everything. */
const localTable = 255;

/**
 * One for each of `places` (of the tunnel's interface `ours`) whose network others have in the table it stands in; for the tables of
 * our own that is the main table, which comes first for a prefix that both have, and whose refusals come before all longer ones.
 */
export function findConflicts(netlink: Netlink, ours: string, places: readonly Place[]): readonly Conflict[] {
  const links = listLinks(netlink);
  const nameOf = (index: number): string => links.find((link) => link.index === index)?.name ?? 'another interface';
  return ([4, 6] as const).flatMap((family) => {
    const mine = places.filter(({ prefix }) => prefix.family === family && prefix.prefix > 0);
    if (mine.length === 0) return [];
    const foreign = listForeign(netlink, family, new Set(mine.map(({ prefix }) => prefix.prefix)));
    const inTheWay = new InTheWay(foreign.filter((route) => nameOf(route.interfaceIndex) !== ours));
    return mine.flatMap((place) => {
      const other = inTheWay.of(place);
      if (other === undefined) return [];
      return [{ place, ...describe(place.prefix, other, nameOf(other.interfaceIndex), ours) }];
    });
  });
}

/** Routes of others, found by what they stand in the way of: both they and our places may be ten thousands. */
class InTheWay {
  /** The first of each table and destination. */
  readonly #equal = new Map<string, RouteState>();
  readonly #refusing: readonly RouteState[];

  constructor(routes: readonly RouteState[]) {
    for (const route of routes) {
      const key = keyOf(route.table, route.destinationHex, route.prefix);
      if (!this.#equal.has(key)) this.#equal.set(key, route);
    }
    this.#refusing = routes.filter(({ kind, table }) => kind !== 'unicast' && table === mainTable);
  }

  of({ prefix, table, isHidden }: Place): RouteState | undefined {
    const equal = this.#equal.get(keyOf(isHidden ? mainTable : table, prefix.addressHex, prefix.prefix));
    if (equal !== undefined || !isHidden) return equal;
    return this.#refusing.find(({ family, prefix: bits, destinationHex: addressHex }) =>
      contains({ family, prefix: bits, addressHex }, prefix),
    );
  }
}

function keyOf(table: number, addressHex: string, bits: number): string {
  return `${table} ${addressHex}/${bits}`;
}

function describe(prefix: Cidr, other: RouteState, name: string, ours: string): Trouble {
  const text = formatCidr(prefix);
  if (other.kind !== 'unicast') {
    const what = `${other.kind} ${formatAddress(Buffer.from(other.destinationHex, 'hex'))}/${other.prefix}`;
    return {
      text: `A route of this host (${what}) refuses ${text}, so it does not lead to ${ours}; the rest does`,
      remedy: `ip route del ${what}, or take ${text} out of allowedIPs`,
    };
  }
  return {
    text: `${text} is reached by ${name} already, so it does not lead to ${ours}; the rest does`,
    remedy: `give one of the two networks other addresses, or take ${text} out of allowedIPs (or server.pool)`,
  };
}

/** For the log. */
export function sentenceOf({ text, remedy }: Trouble): string {
  return `${text} (${remedy})`;
}

/** Routes of other protocols with a prefix of one of these lengths; a table of a million routes is looked through, not copied. */
function listForeign(netlink: Netlink, family: Family, lengths: ReadonlySet<number>): readonly RouteState[] {
  const routes: RouteState[] = [];
  netlink.query(
    {
      type: rtm.getRoute,
      flags: netlinkFlag.dump,
      what: 'list routes',
      wants: (bytes, from) => {
        const length = bytes[from + at.prefix] ?? 0;
        if (length === 0 || bytes[from + at.protocol] === hawserProtocol) return false;
        return lengths.has(length) || refusing.includes(bytes[from + at.type] ?? 0);
      },
      emit: (target, from) => dumpQueryEmit(target, from, rtm.getRoute, { family }),
    },
    (type, bytes, from, end) => {
      const route = type === rtm.newRoute ? routeParse(bytes, from, end) : undefined;
      if (route !== undefined && route.table !== localTable) routes.push(route);
    },
  );
  return routes;
}
