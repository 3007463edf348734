/** What the kernel says of network interfaces now: existence, flags, carrier, addresses. Asked anew at each question. */
import { formatAddress } from '../config/address.ts';
import { type NetlinkSockets, openNetlink } from './netlink.ts';
import { findLink, listAddresses } from './netlink-tables.ts';

export interface InterfaceFacts {
  readonly exists: boolean;
  /** An administrator wants it. */
  readonly isUp: boolean;
  readonly hasCarrier: boolean;
  /** `192.0.2.2/24`; link-local ones are left out. */
  readonly addresses: readonly string[];
}

/** RT_SCOPE_LINK of linux/rtnetlink.h. */
const linkScope = 253;
const unknown: InterfaceFacts = { exists: false, isUp: false, hasCarrier: false, addresses: [] };

/** By name. Throws what the kernel refuses. */
export function readInterfaces(addon: NetlinkSockets, names: readonly string[]): Map<string, InterfaceFacts> {
  const netlink = openNetlink(addon);
  try {
    return new Map(
      names.map((name) => {
        const state = findLink(netlink, name);
        if (state === undefined) return [name, unknown];
        const addresses = listAddresses(netlink, state.index)
          .filter((address) => address.scope < linkScope)
          .map(({ addressHex, prefix }) => `${formatAddress(Buffer.from(addressHex, 'hex'))}/${prefix}`);
        return [name, { exists: true, isUp: state.up, hasCarrier: state.running, addresses }];
      }),
    );
  } finally {
    netlink.close();
  }
}
