/** Ways out of this host as the kernel knows them: what a person who sets Hawser up would write below `links`. Needs no rights. */
import { netlinkFlag } from '../wire/netlink.ts';
import { dumpQueryEmit, rtm } from '../wire/rtnetlink.ts';
import type { AddressState } from '../wire/rtnetlink-address.ts';
import type { LinkState } from '../wire/rtnetlink-link.ts';
import { routeInterfaces } from '../wire/rtnetlink-route.ts';
import { type Netlink, type NetlinkSockets, openNetlink } from './netlink.ts';
import { listAddresses, listLinks } from './netlink-tables.ts';

export interface LinkCandidate {
  readonly interface: string;
  /** In any table: hosts with several ways out often keep the default route of each in a table of its own. */
  readonly hasDefaultRoute: boolean;
}

/** A tunnel is no way out, it takes one; and nothing ever comes back by a dummy. */
const tunnels = new Set([
  'tun',
  'wireguard',
  'gre',
  'gretap',
  'ipip',
  'sit',
  'ip6tnl',
  'vti',
  'xfrm',
  'vxlan',
  'geneve',
  'dummy',
  'ifb',
]);
/** Where the host is what others reach, they have a carrier without leading anywhere; a default route says that they do. */
const inward = new Set(['bridge', 'veth', 'vrf']);
/** RT_SCOPE_LINK */
const linkScope = 253;
const typeUnicast = 1;

/** Throws what the kernel refuses. */
export function findLinkCandidates(addon: NetlinkSockets): LinkCandidate[] {
  const netlink = openNetlink(addon);
  try {
    return chooseCandidates(listLinks(netlink), listAddresses(netlink, 0), listDefaultInterfaces(netlink));
  } finally {
    netlink.close();
  }
}

/** Those with a default route first. `defaults`: indices of interfaces. */
export function chooseCandidates(
  links: readonly LinkState[],
  addresses: readonly AddressState[],
  defaults: ReadonlySet<number>,
): LinkCandidate[] {
  const hasAddress = new Set(addresses.filter(({ scope }) => scope < linkScope).map(({ index }) => index));
  const found = links.flatMap((link): LinkCandidate[] => {
    if (link.isLoopback || link.isPort || tunnels.has(link.kind)) return [];
    if (defaults.has(link.index)) return [{ interface: link.name, hasDefaultRoute: true }];
    const mayLead = link.running && hasAddress.has(link.index) && !inward.has(link.kind);
    return mayLead ? [{ interface: link.name, hasDefaultRoute: false }] : [];
  });
  return found.sort((a, b) => Number(b.hasDefaultRoute) - Number(a.hasDefaultRoute));
}

/** Indices of those that a default route of any table leads over. */
export function listDefaultInterfaces(netlink: Netlink): ReadonlySet<number> {
  const found = new Set<number>();
  for (const family of [4, 6] as const) {
    netlink.query(
      {
        type: rtm.getRoute,
        flags: netlinkFlag.dump,
        what: 'list routes',
        // struct rtmsg: rtm_dst_len, rtm_type.
        wants: (bytes, at) => bytes[at + 1] === 0 && bytes[at + 7] === typeUnicast,
        emit: (target, at) => dumpQueryEmit(target, at, rtm.getRoute, { family }),
      },
      (type, bytes, at, end) => {
        if (type === rtm.newRoute) for (const index of routeInterfaces(bytes, at, end)) found.add(index);
      },
    );
  }
  return found;
}
