/**
 * Addresses of links in rtnetlink (linux/if_addr.h).
 *
 * ```
 * ifaddrmsg:     0 family u8 | 1 prefix u8 | 2 flags u8 | 3 scope u8 | 4 index u32 | 8 attributes
 * ```
 */

import { addressBytesOf, type Family } from '../base/family.ts';
import {
  attributeEmit,
  attributeEmitU32,
  attributesParse,
  attributeU32,
  readU8,
  readU32,
  writeU32,
} from './netlink.ts';
import { familyNumber, familyOfNumber, fromHex, toHex } from './rtnetlink.ts';

const ifaAddress = 1;
const ifaLocal = 2;
const ifaFlags = 8;
/** IFA_F_NODAD: nobody else can hold an address of a tunnel. IFA_F_NOPREFIXROUTE: the kernel makes no route to its network. */
const ifaFlag = { noDad: 0x02, noPrefixRoute: 0x200 } as const;
const addressBytes = 8;

export interface AddressState {
  readonly family: Family;
  readonly index: number;
  readonly addressHex: string;
  readonly prefix: number;
  /** RT_SCOPE_*: 0 = global, 253 = link-local. */
  readonly scope: number;
  /** The kernel routes the address's network by itself, in the main table. */
  readonly hasPrefixRoute: boolean;
}

/** RTM_NEWADDR and RTM_DELADDR. */
export function addressEmit(target: Uint8Array, at: number, address: AddressState): number {
  target.fill(0, at, at + addressBytes);
  target[at] = familyNumber(address.family);
  target[at + 1] = address.prefix;
  target[at + 3] = address.scope;
  writeU32(target, at + 4, address.index);
  const value = fromHex(address.addressHex);
  const end = attributeEmit(target, at + addressBytes, ifaLocal, value);
  const flags = ifaFlag.noDad | (address.hasPrefixRoute ? 0 : ifaFlag.noPrefixRoute);
  return attributeEmitU32(target, attributeEmit(target, end, ifaAddress, value), ifaFlags, flags);
}

export function addressParse(bytes: Uint8Array, at: number, end: number): AddressState | undefined {
  if (end - at < addressBytes) return undefined;
  const family = familyOfNumber(readU8(bytes, at));
  const attributes = attributesParse(bytes, at + addressBytes, end);
  const address = attributes?.get(ifaLocal) ?? attributes?.get(ifaAddress);
  if (family === undefined || attributes === undefined || address?.length !== addressBytesOf(family)) return undefined;
  return {
    family,
    index: readU32(bytes, at + 4),
    addressHex: toHex(address),
    prefix: readU8(bytes, at + 1),
    scope: readU8(bytes, at + 3),
    hasPrefixRoute: (attributeU32(attributes, ifaFlags, 0) & ifaFlag.noPrefixRoute) === 0,
  };
}
