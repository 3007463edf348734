/**
 * Netfilter's family of netlink (linux/netfilter/nfnetlink.h): what all its messages begin with. Numbers in attributes are in network
 * byte order, unlike those of rtnetlink.
 *
 * ```
 * type = subsystem << 8 | message;   body:  0 family u8 | 1 version u8 (0) | 2 resource u16 | 4 attributes …
 * ```
 */

export const netfilterSubsystem = { conntrack: 1, nftables: 10 } as const;
/** NFPROTO_INET */
export const inetFamily = 1;
export const netfilterHeaderBytes = 4;

export function netfilterType(subsystem: number, message: number): number {
  return (subsystem << 8) | message;
}

/** Returns where the attributes begin. */
export function netfilterEmitHeader(target: Uint8Array, at: number, family: number): number {
  target[at] = family;
  target.fill(0, at + 1, at + netfilterHeaderBytes);
  return at + netfilterHeaderBytes;
}

/** An unsigned number of 1 to 8 bytes; of one that is larger than 2^53 the last digits are lost. */
export function bigEndian(payload: Uint8Array | undefined): number | undefined {
  if (payload === undefined) return undefined;
  let value = 0;
  for (const byte of payload) value = value * 256 + byte;
  return value;
}
