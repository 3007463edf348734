/** What the kernel tells by itself about links, addresses, routes and rules: a stream of rtnetlink messages that nobody asked for. */

import { closeSync } from 'node:fs';
import { familyOfHex } from '../base/family.ts';
import { errnoOf } from '../contract/errnos.ts';
import type { NetworkApi } from '../native/network-api.ts';
import { netlinkCheckLength, netlinkHeaderBytes, netlinkLength, netlinkNext, netlinkTypeOf } from '../wire/netlink.ts';
import { kernelError, type NetlinkSockets, type NetlinkVisitor, receiveBytes } from './netlink.ts';

export type NetlinkEventSockets = NetlinkSockets & Pick<NetworkApi, 'filterRouteEvents' | 'watchReadable'>;

/** Of the addon's filter. */
const mostFilterAddresses = 700;
/** So that a storm of events does not hold the thread; the rest comes with the next poll. */
const mostReceivesAPoll = 64;

export class NetlinkEvents {
  readonly #addon: NetlinkEventSockets;
  readonly #received = new Uint8Array(receiveBytes);
  /** Never closed by others. */
  readonly fd: number;
  #open = true;
  #endWatch: (() => void) | undefined;
  #isLossy = false;

  /** `groups`: mask of `rtGroup`. */
  constructor(addon: NetlinkEventSockets, groups: number) {
    this.#addon = addon;
    this.fd = addon.openNetlink(groups, 0);
  }

  /** From now on hears of other routes than the default ones only what has that protocol, or leads to one of these addresses (hexadecimal). */
  filterRoutes(protocol: number, addresses: readonly string[]): void {
    const entries = addresses
      .slice(0, mostFilterAddresses)
      .map((hex) => [familyOfHex(hex), ...Buffer.from(hex.slice(0, 8), 'hex')]);
    const result = this.#addon.filterRouteEvents(this.fd, protocol, Uint8Array.from(entries.flat()));
    if (result < 0) throw kernelError('filter the events of routes', -result, '');
  }

  /**
   * Visits what has come, without waiting. False when the kernel dropped events: ask for the whole state again. That is said when the
   * queue has run empty and not before: until then the kernel goes on dropping, and reports no second time (netlink_overrun and
   * netlink_rcv_wake of net/netlink/af_netlink.c), so that a state read earlier would be the last word on what came after it.
   */
  poll(visit: NetlinkVisitor): boolean {
    for (let round = 0; this.#open && round < mostReceivesAPoll; round++) {
      const end = this.#addon.receiveBytes(this.fd, this.#received, 0);
      if (end === -errnoOf.ENOBUFS || end === -errnoOf.EMSGSIZE) {
        this.#isLossy = true;
        continue;
      }
      if (end < 0) {
        const isComplete = !this.#isLossy;
        this.#isLossy = false;
        return isComplete;
      }
      const bytes = this.#received;
      for (let at = 0; netlinkCheckLength(bytes, at, end); at = netlinkNext(bytes, at)) {
        visit(netlinkTypeOf(bytes, at), bytes, at + netlinkHeaderBytes, at + netlinkLength(bytes, at));
      }
    }
    return true;
  }

  /** From now on says when there is something to poll. */
  watch(onReadable: () => void): void {
    this.#endWatch ??= this.#addon.watchReadable(this.fd, onReadable);
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#endWatch?.();
    closeSync(this.fd);
  }
}
