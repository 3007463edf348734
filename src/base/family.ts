/** Whether an address is of IPv4 or IPv6, as its length says: raw bytes, or hexadecimal text of them. */
export type Family = 4 | 6;

/** Bytes of an address. */
export function addressBytesOf(family: Family): number {
  return family === 4 ? 4 : 16;
}

/** `address`: 4 or 16 bytes. */
export function familyOf(address: Uint8Array): Family {
  return address.length === 4 ? 4 : 6;
}

/** `hex`: 8 or 32 digits. */
export function familyOfHex(hex: string): Family {
  return hex.length === 8 ? 4 : 6;
}
