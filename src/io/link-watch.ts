/**
 * Tells when an interface goes up or down, appears or vanishes, gains or loses an address, and when a default route changes.
 * Says only what differs from before; when the kernel dropped events, it reads the whole state and says the difference.
 */
import type { Family } from '../base/family.ts';
import { formatAddress } from '../config/address.ts';
import { ruleParse } from '../wire/fib-rule.ts';
import { mainTable, rtGroup, rtm } from '../wire/rtnetlink.ts';
import { type AddressState, addressParse } from '../wire/rtnetlink-address.ts';
import { type LinkState, linkParse } from '../wire/rtnetlink-link.ts';
import { routeParse } from '../wire/rtnetlink-route.ts';
import { type Netlink, type NetlinkVisitor, openNetlink } from './netlink.ts';
import { type NetlinkEventSockets, NetlinkEvents } from './netlink-events.ts';
import { listAddresses, listLinks } from './netlink-tables.ts';
import { hawserProtocol } from './network/own-tables.ts';

export interface LinkAddress {
  readonly interface: string;
  readonly family: Family;
  readonly address: string;
  readonly prefix: number;
}

export type LinkEvent =
  | { readonly kind: 'link'; readonly link: LinkState; readonly before: LinkState | undefined }
  | { readonly kind: 'link-gone'; readonly link: LinkState }
  | { readonly kind: 'address-added' | 'address-removed'; readonly address: LinkAddress }
  | { readonly kind: 'default-route'; readonly family: Family }
  /** Another route that we care for came or went, or a rule: look at them anew. */
  | { readonly kind: 'route' }
  | { readonly kind: 'rule' }
  /** A route or rule of our protocol has gone; perhaps we took it away ourselves. */
  | { readonly kind: 'own-gone' };

export class LinkWatch {
  readonly #addon: NetlinkEventSockets;
  readonly #events: NetlinkEvents;
  readonly #tell: (event: LinkEvent) => void;
  readonly #links = new Map<number, LinkState>();
  /** By index, address and prefix. */
  readonly #addresses = new Map<string, AddressState>();

  /** Reads the state first, without telling of it. */
  constructor(addon: NetlinkEventSockets, tell: (event: LinkEvent) => void) {
    this.#addon = addon;
    this.#tell = tell;
    const { link, address4, address6, route4, route6, rule4, rule6 } = rtGroup;
    // Subscribed before the state is read: what changes in between is heard twice, not missed.
    this.#events = new NetlinkEvents(addon, link | address4 | address6 | route4 | route6 | rule4 | rule6);
    this.#events.filterRoutes(hawserProtocol, []);
    for (const state of this.#listLinks()) this.#links.set(state.index, state);
    for (const state of this.#listAddresses()) this.#addresses.set(keyOf(state), state);
  }

  /** Routes that lead to one of these (hexadecimal) are told of too; of the others the kernel tells us nothing. */
  setInterests(addresses: readonly string[]): void {
    this.#events.filterRoutes(hawserProtocol, addresses);
  }

  findLink(name: string): LinkState | undefined {
    return [...this.#links.values()].find((link) => link.name === name);
  }

  addressesOf(interfaceName: string): readonly LinkAddress[] {
    const addresses = [...this.#addresses.values()].map((state) => this.#describe(state));
    return addresses.filter((address) => address.interface === interfaceName);
  }

  /** The same as the kernel has them. */
  addressStatesOf(index: number): readonly AddressState[] {
    return [...this.#addresses.values()].filter((state) => state.index === index);
  }

  /** Tells what has happened since. Never waits. */
  poll(): void {
    const isComplete = this.#events.poll((type, bytes, at, end) => this.#visit(type, bytes, at, end));
    if (!isComplete) this.#resync();
  }

  /** Tells of things as they happen, and keeps no process alive; what goes wrong there is for `onError`. Started twice it goes on as before. */
  start(onError: (error: unknown) => void): void {
    const poll = (): void => {
      try {
        this.poll();
      } catch (error) {
        onError(error);
      }
    };
    this.#events.watch(poll);
  }

  /** Idempotent. */
  close(): void {
    this.#events.close();
  }

  #visit(...[type, bytes, at, end]: Parameters<NetlinkVisitor>): void {
    if (type === rtm.newLink || type === rtm.deleteLink) {
      const link = linkParse(bytes, at, end);
      // Bridges repeat their ports' state in messages of their own family (AF_BRIDGE), deletions among them.
      if (link === undefined || bytes[at] !== 0) return;
      if (type === rtm.newLink) this.#setLink(link);
      else this.#removeLink(link.index);
    } else if (type === rtm.newAddress || type === rtm.deleteAddress) {
      const address = addressParse(bytes, at, end);
      if (address === undefined) return;
      if (type === rtm.newAddress) this.#addAddress(address);
      else this.#removeAddress(address);
    } else if (type === rtm.newRule || type === rtm.deleteRule) {
      const isOurs = ruleParse(bytes, at, end)?.protocol === hawserProtocol;
      if (!isOurs) this.#tell({ kind: 'rule' });
      else if (type === rtm.deleteRule) this.#tell({ kind: 'own-gone' });
    } else if (type === rtm.newRoute || type === rtm.deleteRoute) {
      const route = routeParse(bytes, at, end);
      if (route === undefined) return;
      if (route.protocol === hawserProtocol) {
        if (type === rtm.deleteRoute) this.#tell({ kind: 'own-gone' });
        return;
      }
      const isDefault = route.prefix === 0 && route.table === mainTable;
      this.#tell(isDefault ? { kind: 'default-route', family: route.family } : { kind: 'route' });
    }
  }

  #setLink(link: LinkState): void {
    // A modem that was pulled and plugged has another index by the same name; the end of the first may have been lost.
    for (const other of [...this.#links.values()]) {
      if (other.name === link.name && other.index !== link.index) this.#removeLink(other.index);
    }
    const before = this.#links.get(link.index);
    this.#links.set(link.index, link);
    if (before === undefined || !isSame(before, link)) this.#tell({ kind: 'link', link, before });
  }

  #removeLink(index: number): void {
    const link = this.#links.get(index);
    if (link === undefined) return;
    for (const address of [...this.#addresses.values()]) if (address.index === index) this.#removeAddress(address);
    this.#links.delete(index);
    this.#tell({ kind: 'link-gone', link });
  }

  #addAddress(state: AddressState): void {
    if (this.#addresses.has(keyOf(state))) return;
    this.#addresses.set(keyOf(state), state);
    this.#tell({ kind: 'address-added', address: this.#describe(state) });
  }

  #removeAddress(state: AddressState): void {
    if (!this.#addresses.delete(keyOf(state))) return;
    this.#tell({ kind: 'address-removed', address: this.#describe(state) });
  }

  #resync(): void {
    const links = this.#listLinks();
    const addresses = this.#listAddresses();
    const indices = new Set(links.map((link) => link.index));
    const keys = new Set(addresses.map(keyOf));
    for (const state of [...this.#addresses.values()]) if (!keys.has(keyOf(state))) this.#removeAddress(state);
    for (const index of [...this.#links.keys()]) if (!indices.has(index)) this.#removeLink(index);
    for (const link of links) this.#setLink(link);
    for (const state of addresses) this.#addAddress(state);
    // Nobody remembers the routes; whoever cares looks at them anew.
    for (const family of [4, 6] as const) this.#tell({ kind: 'default-route', family });
    this.#tell({ kind: 'own-gone' });
  }

  #describe({ index, family, addressHex, prefix }: AddressState): LinkAddress {
    const address = formatAddress(Buffer.from(addressHex, 'hex'));
    return { interface: this.#links.get(index)?.name ?? `#${index}`, family, address, prefix };
  }

  #listLinks(): readonly LinkState[] {
    return this.#query(listLinks);
  }

  #listAddresses(): readonly AddressState[] {
    return this.#query((netlink) => listAddresses(netlink, 0));
  }

  #query<T>(ask: (netlink: Netlink) => T): T {
    const netlink = openNetlink(this.#addon);
    try {
      return ask(netlink);
    } finally {
      netlink.close();
    }
  }
}

function keyOf(state: AddressState): string {
  return `${state.index} ${state.addressHex}/${state.prefix}`;
}

function isSame(a: LinkState, b: LinkState): boolean {
  return a.name === b.name && a.up === b.up && a.running === b.running && a.mtu === b.mtu;
}
