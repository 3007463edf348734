/**
 * Finds the address of ours that a packet to some place has to carry when it leaves by an interface: asked before the packet's own route
 * is looked up, since hosts choose a table by source address as often as by interface (`ip rule from ADDR lookup T`).
 */

import { type Family, familyOfHex } from '../base/family.ts';
import { errnoOf } from '../contract/errnos.ts';
import type { NetworkApi } from '../native/network-api.ts';
import type { AddressState } from '../wire/rtnetlink-address.ts';
import type { Way, WayQuery } from '../wire/rtnetlink-route.ts';
import { type Netlink, type NetlinkSockets, openNetlink } from './netlink.ts';
import { findLink, listAddresses } from './netlink-tables.ts';
import { askWay } from './ways.ts';

/** RT_SCOPE_LINK: such an address reaches what is on the link alone. */
const linkScope = 253;
/** How long an answer of `SourceFinder` is believed; an address that has gone shows at once, since nothing can be bound to it. */
const believedMs = 2_000;

/**
 * Hexadecimal: of the addresses of an interface the one from which a route of its own leads to `destinationHex`; if none does, the
 * kernel's choice, or the first. undefined = the interface has none of that family.
 */
export function findSource(
  netlink: Netlink,
  interfaceIndex: number,
  addresses: readonly AddressState[],
  fwmark: number,
  destinationHex: string,
): string | undefined {
  const family = familyOfHex(destinationHex);
  const isNear = isLinkLocal(family, destinationHex);
  const own = addresses.filter((one) => one.family === family && isNear === (family === 6 && one.scope >= linkScope));
  const query = { family, destinationHex, sourceHex: undefined, interfaceIndex, fwmark, mustMatch: false } as const;
  const chosen = wayOf(netlink, query)?.sourceHex;
  const all = own.map(({ addressHex }) => addressHex).sort((a, b) => Number(b === chosen) - Number(a === chosen));
  const leads = (sourceHex: string): boolean =>
    wayOf(netlink, { ...query, sourceHex, mustMatch: true })?.interfaceIndex === interfaceIndex;
  return all.find(leads) ?? all[0];
}

export class SourceFinder {
  readonly #addon: NetlinkSockets;
  readonly #known = new Map<string, { readonly source: string | undefined; readonly untilMs: number }>();

  constructor(addon: NetlinkSockets) {
    this.#addon = addon;
  }

  /**
   * Binds a socket that leaves by an interface ('' = by any: then it is left alone) to the address that goes with `destination`. 0, or a
   * negative errno: -99 (EADDRNOTAVAIL) = the interface has no address of that family, and another's must not stand in for it.
   */
  bind(
    addon: Pick<NetworkApi, 'bindSource'>,
    fd: number,
    interfaceName: string,
    fwmark: number,
    destination: Uint8Array,
  ): number {
    if (interfaceName === '') return 0;
    const source = this.#find(interfaceName, fwmark, destination);
    const bound = source === undefined ? -errnoOf.EADDRNOTAVAIL : addon.bindSource(fd, source, 0);
    // What was found has gone meanwhile.
    if (bound < 0) this.#known.clear();
    return bound;
  }

  /** 4 or 16 bytes; undefined = the interface has no address of that family. Throws what the kernel refuses. */
  #find(interfaceName: string, fwmark: number, destination: Uint8Array): Uint8Array | undefined {
    const destinationHex = Buffer.from(destination).toString('hex');
    const key = `${interfaceName} ${fwmark} ${destinationHex}`;
    const nowMs = performance.now();
    const known = this.#known.get(key);
    const found =
      known !== undefined && nowMs < known.untilMs ? known.source : this.#look(interfaceName, fwmark, destinationHex);
    if (this.#known.size > 256) this.#known.clear();
    if (found !== known?.source || nowMs >= (known?.untilMs ?? 0))
      this.#known.set(key, { source: found, untilMs: nowMs + believedMs });
    return found === undefined ? undefined : Uint8Array.from(Buffer.from(found, 'hex'));
  }

  #look(interfaceName: string, fwmark: number, destinationHex: string): string | undefined {
    const netlink = openNetlink(this.#addon);
    try {
      const link = findLink(netlink, interfaceName);
      if (link === undefined) return undefined;
      return findSource(netlink, link.index, listAddresses(netlink, link.index), fwmark, destinationHex);
    } finally {
      netlink.close();
    }
  }
}

/** fe80::/10 */
function isLinkLocal(family: Family, hex: string): boolean {
  return family === 6 && /^fe[89ab]/.test(hex);
}

/** undefined = none. */
function wayOf(netlink: Netlink, query: WayQuery): Way | undefined {
  const way = askWay(netlink, query);
  return typeof way === 'string' ? undefined : way;
}
