/** The kernel's tables of links and addresses, read whole. */
import { HawserError } from '../base/errors.ts';
import { netlinkFlag } from '../wire/netlink.ts';
import { dumpQueryEmit, rtm } from '../wire/rtnetlink.ts';
import { type AddressState, addressParse } from '../wire/rtnetlink-address.ts';
import { type LinkState, linkParse, linkQueryEmit } from '../wire/rtnetlink-link.ts';
import type { Netlink } from './netlink.ts';

/** The link of that name in this network namespace, or undefined. */
export function findLink(netlink: Netlink, name: string): LinkState | undefined {
  let found: LinkState | undefined;
  try {
    netlink.query(
      {
        type: rtm.getLink,
        flags: 0,
        what: `look up interface ${name}`,
        emit: (target, at) => linkQueryEmit(target, at, name),
      },
      (type, bytes, at, end) => {
        if (type === rtm.newLink) found = linkParse(bytes, at, end);
      },
    );
  } catch (error) {
    if (error instanceof HawserError && error.code === 'ENODEV') return undefined;
    throw error;
  }
  return found;
}

/** Every link of this network namespace. */
export function listLinks(netlink: Netlink): readonly LinkState[] {
  const links = new Map<number, LinkState>();
  netlink.query(
    { type: rtm.getLink, flags: netlinkFlag.dump, what: 'list interfaces', emit: (t, at) => linkQueryEmit(t, at, '') },
    (type, bytes, at, end) => {
      const link = type === rtm.newLink ? linkParse(bytes, at, end) : undefined;
      if (link !== undefined) links.set(link.index, link);
    },
  );
  return [...links.values()];
}

/** Every address of the interface of that index, or of all with 0. */
export function listAddresses(netlink: Netlink, index: number): readonly AddressState[] {
  const addresses = new Map<string, AddressState>();
  netlink.query(
    {
      type: rtm.getAddress,
      flags: netlinkFlag.dump,
      what: 'list addresses',
      emit: (target, at) => dumpQueryEmit(target, at, rtm.getAddress, { family: 0, index }),
    },
    (type, bytes, at, end) => {
      const address = type === rtm.newAddress ? addressParse(bytes, at, end) : undefined;
      // Kernels before 4.20 do not filter.
      if (address === undefined || (index !== 0 && address.index !== index)) return;
      addresses.set(`${address.index} ${address.addressHex}/${address.prefix}`, address);
    },
  );
  return [...addresses.values()];
}
