/** Addresses by which this host is reached and calls: who gives one of them away cannot get in any more. */
import { formatAddress } from '../config/address.ts';
import { listDefaultInterfaces } from './link-candidates.ts';
import { type NetlinkSockets, openNetlink } from './netlink.ts';
import { listAddresses } from './netlink-tables.ts';
import { findSource } from './source-finder.ts';

/** Some host of the Internet (RFC 5737, RFC 3849). */
const somewhere = { 4: 'c0000201', 6: '20010db8000000000000000000000001' } as const;
/** RT_SCOPE_LINK */
const linkScope = 253;

/**
 * Whether it is, on an interface with a default route, the one that the kernel prefers there or the first of its family. In the form of
 * `formatAddress`. Throws what the kernel refuses.
 */
export function isHostAddress(addon: NetlinkSockets, address: string): boolean {
  const netlink = openNetlink(addon);
  try {
    return [...listDefaultInterfaces(netlink)].some((index) => {
      const own = listAddresses(netlink, index).filter(({ scope }) => scope < linkScope);
      return ([4, 6] as const).some((family) => {
        const first = own.find((one) => one.family === family)?.addressHex;
        const preferred = findSource(netlink, index, own, 0, somewhere[family]);
        return [first, preferred].some(
          (hex) => hex !== undefined && formatAddress(Buffer.from(hex, 'hex')) === address,
        );
      });
    });
  } finally {
    netlink.close();
  }
}
