/** What the kernel says of each link right now: whether packets can leave by its interface, from which addresses, and for where. */
import { type Family, familyOfHex } from '../base/family.ts';
import { formatAddress } from '../config/address.ts';
import { netlinkFlag } from '../wire/netlink.ts';
import { dumpQueryEmit, rtm } from '../wire/rtnetlink.ts';
import type { LinkState } from '../wire/rtnetlink-link.ts';
import { type RouteState, routeParse } from '../wire/rtnetlink-route.ts';
import type { LinkWatch } from './link-watch.ts';
import { type Netlink, type NetlinkSockets, openNetlink } from './netlink.ts';
import { isOfInternet } from './public-address.ts';
import { findSource } from './source-finder.ts';
import { askWay } from './ways.ts';

export interface WantedLink {
  readonly name: string;
  /** undefined = the kernel's routing chooses: such a link is always up. */
  readonly interface: string | undefined;
}

export interface LinkReport {
  readonly link: string;
  readonly isUp: boolean;
  readonly reason: string;
  /** Of the interface; 0 = there is none. */
  readonly index: number;
  /** Of the interface; 0 = not known. */
  readonly mtu: number;
  readonly addresses: readonly string[];
  /** Prefixes that routes over the interface lead to; undefined = too many to tell, or any interface. */
  readonly routes: readonly string[] | undefined;
  /** What leaves by the interface carries these (hexadecimal, empty = there is none); undefined = the kernel chooses. */
  readonly sources: { readonly v4: string; readonly v6: string } | undefined;
  /** It leads to the Internet of IPv6 and to none of IPv4. */
  readonly isIp6Only: boolean;
}

/** For whom sources are chosen. */
export interface Destinations {
  readonly fwmark: number;
  /** Hexadecimal: endpoints that are known. */
  readonly addresses: readonly string[];
}

/** More than a host with a default route has; a router's tables are not carried about. */
const mostRoutes = 64;

/** fe80::/10 with RT_SCOPE_LINK: reached by every interface that has such an address itself. */
const nearPrefix = 'fe80::/10';
const linkScope = 253;

/** Some host of the Internet (RFC 5737, RFC 3849), where no endpoint is known. */
const somewhere = { 4: 'c0000201', 6: '20010db8000000000000000000000001' } as const;
/** Routes come and go in bursts, and a table may hold a million. */
const readEveryMs = 300;

export class LinkReporter {
  readonly #addon: NetlinkSockets;
  #routes: readonly RouteState[] = [];
  #isFresh = false;
  #readAtMs = Number.NEGATIVE_INFINITY;

  constructor(addon: NetlinkSockets) {
    this.#addon = addon;
  }

  /** What is known of the routes is old. */
  expire(): void {
    this.#isFresh = false;
  }

  /** In how many milliseconds the routes may be read again; undefined = what is known of them is new. */
  get rereadMs(): number | undefined {
    return this.#isFresh ? undefined : Math.max(1, Math.ceil(this.#readAtMs + readEveryMs - performance.now()));
  }

  report(watch: LinkWatch, links: readonly WantedLink[], destinations: Destinations): LinkReport[] {
    const netlink = openNetlink(this.#addon);
    try {
      const isBound = links.some((link) => link.interface !== undefined);
      const nowMs = performance.now();
      if (isBound && !this.#isFresh && nowMs - this.#readAtMs >= readEveryMs) {
        this.#routes = listRoutes(netlink, mostRoutes * links.length + 1);
        this.#readAtMs = nowMs;
        this.#isFresh = true;
      }
      return links.map((link) => this.#reportLink(netlink, watch, link, destinations));
    } finally {
      netlink.close();
    }
  }

  #reportLink(
    netlink: Netlink,
    watch: LinkWatch,
    { name, interface: device }: WantedLink,
    to: Destinations,
  ): LinkReport {
    if (device === undefined) {
      const nothing = { addresses: [], routes: undefined, sources: undefined, mtu: 0 };
      return { link: name, isUp: true, reason: 'up', index: 0, isIp6Only: isIp6Only(netlink, to), ...nothing };
    }
    const state = watch.findLink(device);
    const addresses = watch.addressesOf(device).filter(({ address }) => !address.startsWith('fe80:'));
    const index = state?.index ?? 0;
    const families = new Set(addresses.map(({ family }) => family));
    const own = watch.addressStatesOf(index);
    const hasNear = own.some(({ family, scope }) => family === 6 && scope >= linkScope);
    const reason = trouble(device, state) ?? shortage(device, addresses.length, hasNear);
    const routes = prefixesOf(this.#routes, index, families);
    const source = (family: Family): string => {
      if (!families.has(family)) return '';
      const destination = to.addresses.find((hex) => familyOfHex(hex) === family) ?? somewhere[family];
      return findSource(netlink, index, own, to.fwmark, destination) ?? '';
    };
    const isUp = trouble(device, state) === undefined && (hasNear || addresses.length > 0);
    return {
      link: name,
      index,
      // What is near can be reached without an address of its own.
      isUp,
      isIp6Only: isUp && routes?.includes('::/0') === true && !routes.includes('0.0.0.0/0'),
      reason,
      mtu: state?.mtu ?? 0,
      addresses: addresses.map(({ address }) => address).sort(),
      routes: hasNear && routes !== undefined ? [...routes, nearPrefix] : routes,
      sources: { v4: source(4), v6: source(6) },
    };
  }
}

/** Of a host as a whole: it leads to no endpoint of the IPv4 Internet, or to none of its hosts where no such endpoint is known. */
function isIp6Only(netlink: Netlink, { fwmark, addresses }: Destinations): boolean {
  const leads = (destinationHex: string): boolean => {
    const query = {
      family: familyOfHex(destinationHex),
      destinationHex,
      sourceHex: undefined,
      interfaceIndex: 0,
      fwmark,
    };
    const way = askWay(netlink, { ...query, mustMatch: false });
    return typeof way !== 'string' && !way.isRefusal;
  };
  const outside = addresses.filter(
    (hex) => familyOfHex(hex) === 4 && isOfInternet(formatAddress(Buffer.from(hex, 'hex'))),
  );
  return !(outside.length > 0 ? outside : [somewhere[4]]).some(leads) && leads(somewhere[6]);
}

function trouble(device: string, state: LinkState | undefined): string | undefined {
  if (state === undefined) return `interface ${device} does not exist`;
  if (!state.up) return `interface ${device} is down`;
  return state.running ? undefined : `interface ${device} has no carrier`;
}

function shortage(device: string, addresses: number, hasNear: boolean): string {
  if (addresses > 0) return 'up';
  return hasNear ? `interface ${device} has a link-local address only` : `interface ${device} has no address`;
}

function prefixesOf(
  all: readonly RouteState[],
  index: number,
  families: ReadonlySet<number>,
): readonly string[] | undefined {
  // A route over several interfaces names none of them here.
  const mine = all.filter((route) => route.interfaceIndex === index || route.interfaceIndex === 0);
  const texts = [4, 6].flatMap((family) => {
    if (!families.has(family)) return [];
    const ofFamily = mine.filter((route) => route.family === family);
    const hasDefault = ofFamily.some((route) => route.prefix === 0);
    return ofFamily.filter((route) => !hasDefault || route.prefix === 0).map(textOf);
  });
  const distinct = [...new Set(texts)].sort();
  const hasDefault = distinct.some((text) => text.endsWith('/0'));
  // Where not all were read, there may be another one.
  return distinct.length > mostRoutes || (all.length > mostRoutes && !hasDefault) ? undefined : distinct;
}

function textOf({ destinationHex, prefix }: RouteState): string {
  return `${formatAddress(Buffer.from(destinationHex, 'hex'))}/${prefix}`;
}

/** Unicast routes of all tables (which of them a packet takes is the rules' choice): default routes, and so many others. */
function listRoutes(netlink: Netlink, mostOthers: number): readonly RouteState[] {
  const routes: RouteState[] = [];
  for (const family of [4, 6] as const) {
    let others = 0;
    netlink.query(
      {
        type: rtm.getRoute,
        flags: netlinkFlag.dump,
        what: 'list routes',
        // struct rtmsg: rtm_dst_len, rtm_table (RT_TABLE_LOCAL = 255), rtm_type (RTN_UNICAST = 1).
        wants: (bytes, at) => {
          if (bytes[at + 7] !== 1 || bytes[at + 4] === 255) return false;
          if (bytes[at + 1] === 0) return true;
          others += 1;
          return others <= mostOthers;
        },
        emit: (target, at) => dumpQueryEmit(target, at, rtm.getRoute, { family }),
      },
      (type, bytes, at, end) => {
        const route = type === rtm.newRoute ? routeParse(bytes, at, end) : undefined;
        if (route?.kind === 'unicast') routes.push(route);
      },
    );
  }
  return routes;
}
