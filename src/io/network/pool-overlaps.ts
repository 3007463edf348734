/** Networks of this host that lie in a hub's pool, or around it: an address that is leased there is somebody else's already. */
import { formatAddress, formatCidr, maskHex } from '../../config/address.ts';
import type { Cidr } from '../../config/config.ts';
import type { Netlink } from '../netlink.ts';
import { listAddresses, listLinks } from '../netlink-tables.ts';
import type { Trouble } from './conflicts.ts';
import { contains } from './plan.ts';

/** What an interface reaches by itself. */
export interface ReachedNetwork {
  readonly interface: string;
  readonly cidr: Cidr;
}

/** Of all interfaces but the tunnel's (`ours`). */
export function listReached(netlink: Netlink, ours: string): readonly ReachedNetwork[] {
  const names = new Map(listLinks(netlink).map(({ index, name }) => [index, name]));
  return listAddresses(netlink, 0).flatMap(({ family, index, addressHex, prefix, scope }) => {
    const name = names.get(index);
    if (scope !== 0 || name === undefined || name === ours) return [];
    const hex = maskHex(addressHex, prefix);
    const address = formatAddress(Buffer.from(hex, 'hex'));
    return [{ interface: name, cidr: { family, address, addressHex: hex, prefix } }];
  });
}

/** One for each pair; of equal ones tells `findConflicts`. */
export function overlapsOf(pools: readonly Cidr[], reached: readonly ReachedNetwork[]): readonly Trouble[] {
  return pools.flatMap((pool) =>
    reached.flatMap(({ interface: name, cidr }) => {
      if (cidr.prefix === pool.prefix) return [];
      const [inner, outer] = cidr.prefix > pool.prefix ? [cidr, pool] : [pool, cidr];
      if (!contains(outer, inner)) return [];
      const [text, other] = [formatCidr(pool), formatCidr(cidr)];
      const what =
        inner === cidr
          ? `holds ${other}, which ${name} reaches: clients with addresses from there get nothing`
          : `lies in ${other}, which ${name} reaches: hosts there with such an address are not reached any more`;
      return [{ text: `${text} ${what}`, remedy: 'choose a pool that is nobody’s network' }];
    }),
  );
}
