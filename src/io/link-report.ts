/** What the kernel says of each link right now: whether packets can leave by its interface, from which addresses, and for where. */
import { formatAddress } from '../config/address.ts';
import { netlinkFlag } from '../wire/netlink.ts';
import { dumpQueryEmit, type LinkState, type RouteState, routeParse, rtm } from '../wire/rtnetlink.ts';
import type { LinkWatch } from './link-watch.ts';
import { type NetlinkSockets, openNetlink } from './netlink.ts';

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
}

/** More than a host with a default route has; a router's tables are not carried about. */
const mostRoutes = 64;

export function reportLinks(addon: NetlinkSockets, watch: LinkWatch, links: readonly WantedLink[]): LinkReport[] {
  const routes = links.some((link) => link.interface !== undefined) ? listRoutes(addon) : [];
  return links.map((link) => reportLink(watch, link, routes));
}

function reportLink(
  watch: LinkWatch,
  { name, interface: device }: WantedLink,
  routes: readonly RouteState[],
): LinkReport {
  if (device === undefined)
    return { link: name, isUp: true, reason: 'up', index: 0, mtu: 0, addresses: [], routes: undefined };
  const state = watch.findLink(device);
  const addresses = watch.addressesOf(device).filter(({ address }) => !address.startsWith('fe80:'));
  const index = state?.index ?? 0;
  const report = { link: name, index, mtu: state?.mtu ?? 0, addresses: addresses.map(({ address }) => address).sort() };
  const reason = trouble(device, state, addresses.length) ?? 'up';
  const families = new Set(addresses.map(({ family }) => family));
  return { ...report, isUp: reason === 'up', reason, routes: prefixesOf(routes, index, families) };
}

function trouble(device: string, state: LinkState | undefined, addresses: number): string | undefined {
  if (state === undefined) return `interface ${device} does not exist`;
  if (!state.up) return `interface ${device} is down`;
  if (!state.running) return `interface ${device} has no carrier`;
  return addresses === 0 ? `interface ${device} has no address` : undefined;
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
  return distinct.length > mostRoutes ? undefined : distinct;
}

function textOf({ destinationHex, prefix }: RouteState): string {
  return `${formatAddress(Buffer.from(destinationHex, 'hex'))}/${prefix}`;
}

/** Unicast routes of all tables: which of them a packet takes is the rules' choice. */
function listRoutes(addon: NetlinkSockets): readonly RouteState[] {
  const routes: RouteState[] = [];
  const netlink = openNetlink(addon);
  try {
    for (const family of [4, 6] as const) {
      netlink.query(
        {
          type: rtm.getRoute,
          flags: netlinkFlag.dump,
          what: 'list routes',
          emit: (target, at) => dumpQueryEmit(target, at, rtm.getRoute, { family }),
        },
        (type, bytes, at, end) => {
          const route = type === rtm.newRoute ? routeParse(bytes, at, end) : undefined;
          if (route?.kind === 'unicast') routes.push(route);
        },
      );
    }
  } finally {
    netlink.close();
  }
  return routes;
}
