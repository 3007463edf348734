/**
 * What datagrams wear against recognition (AmneziaWG's obfuscation), as carriers are told of it: obfuscations one behind the other, each a
 * header of `headerBytes`, then its `chains` signature packets: u32 parts, and for each part u32 kind (`chainPart`), u32 bytes, and of a
 * literal the bytes themselves, zeros up to a multiple of four behind them. All numbers are u32, little-endian.
 */
export const obfuscation = {
  /** Of all of it, and of paddings and headers alone: who has the same `wear` understands. 0 = none, WireGuard as it is. */
  idAt: 0,
  wearAt: 4,
  /** Junk packets before an initiation: how many, and how long. */
  junkCountAt: 8,
  junkLeastAt: 12,
  junkMostAt: 16,
  /** Four each, of initiation, response, cookie reply and data: bytes in front; first and last value of the type field. */
  paddingsAt: 20,
  headersAt: 36,
  chainsAt: 68,
  headerBytes: 72,
  /** Most obfuscations that one daemon wears and knows. */
  most: 16,
  /** Of all that stands in front of a sealed packet. */
  mostPaddingBytes: 512,
  /** Longest signature, junk or handshake: what 1,500 bytes of IPv6 leave to UDP. */
  mostDatagramBytes: 1452,
} as const;

/** `time`: 4 bytes, seconds since 1970, big-endian. */
export const chainPart = { literal: 0, random: 1, digits: 2, letters: 3, time: 4 } as const;
