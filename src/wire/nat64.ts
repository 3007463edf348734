/**
 * Addresses of IPv4 as a translator between IPv6 and IPv4 has them (NAT64): behind a prefix that each network chooses (RFC 6052 section
 * 2.2), with which its name servers answer for a name that has none but IPv4 addresses (RFC 7050). Pure.
 */

/** `bits` of `bytes` (16) are the prefix: 32, 40, 48, 56, 64 or 96. */
export interface Nat64Prefix {
  readonly bytes: Uint8Array;
  readonly bits: number;
}

/** RFC 6052 section 2.1: what most networks use. */
export const wellKnownNat64 = '64:ff9b::/96';
/** RFC 7050 section 8: a name with these IPv4 addresses, 192.0.0.170 and 192.0.0.171, and no others. */
export const ipv4Only = 'ipv4only.arpa';
const ipv4OnlyAddresses = [Uint8Array.of(192, 0, 0, 170), Uint8Array.of(192, 0, 0, 171)];
/** Byte 8 of an address is zero, always. */
const reservedAt = 8;
/** The longest first: an address that fits two fits by accident the shorter one. */
const lengths = [96, 64, 56, 48, 40, 32] as const;

/** `address`: 4 bytes; returns 16. Throws RangeError for a prefix of another length than those of RFC 6052. */
export function nat64Embed({ bytes, bits }: Nat64Prefix, address: Uint8Array): Uint8Array {
  const target = new Uint8Array(16);
  target.set(bytes.subarray(0, bits / 8));
  for (const [index, at] of placesIn(bits).entries()) target[at] = address[index] as number;
  return target;
}

/** The prefix in an answer (16 bytes) for `ipv4Only`; undefined = there is none. */
export function nat64PrefixOf(address: Uint8Array): Nat64Prefix | undefined {
  if (address.length !== 16) return undefined;
  const bits = lengths.find((length) => {
    const inside = placesIn(length).map((at) => address[at]);
    return ipv4OnlyAddresses.some((one) => one.every((byte, index) => byte === inside[index]));
  });
  if (bits === undefined) return undefined;
  const bytes = new Uint8Array(16);
  bytes.set(address.subarray(0, bits / 8));
  return { bytes, bits };
}

/** Where the four bytes stand. */
function placesIn(bits: number): readonly number[] {
  if (!lengths.some((length) => length === bits)) throw new RangeError(`no prefix of ${bits} bits`);
  const first = bits / 8;
  return Array.from({ length: 5 }, (_, index) => first + index)
    .filter((at) => at !== reservedAt)
    .slice(0, 4);
}
