import type { Family } from '../base/family.ts';

/**
 * Echo requests and replies of ICMP (RFC 792) and ICMPv6 (RFC 4443 section 4). Behind the header the data of ours is a nonce: the
 * kernel rewrites the identifier of a ping socket, so the data is what tells whose reply it is.
 *
 * ```
 * 0 type u8 | 1 code u8 | 2 checksum u16 | 4 identifier u16 | 6 sequence u16 | 8 data …
 * ```
 * Network byte order. A raw IPv4 socket puts the IP header before it.
 */

/** RFC 792; RFC 4443 sections 4.1 and 4.2. */
const echoType = { 4: { request: 8, reply: 0 }, 6: { request: 128, reply: 129 } } as const;
const typeAt = 0;
const codeAt = 1;
const checksumAt = 2;
const identifierAt = 4;
const sequenceAt = 6;
const dataAt = 8;
/** RFC 791: the least header length, and where its own length in words stands. */
const ipv4LeastBytes = 20;

export interface Echo {
  readonly family: Family;
  readonly identifier: number;
  readonly sequence: number;
  readonly nonce: Uint8Array;
}

/** Writes an echo request; returns its end. The kernel fills in ICMPv6's checksum, which needs the addresses. */
export function icmpEchoEmit(target: Uint8Array, at: number, echo: Echo): number {
  const end = at + dataAt + echo.nonce.length;
  target.fill(0, at, at + dataAt);
  target[at + typeAt] = echoType[echo.family].request;
  writeU16(target, at + identifierAt, echo.identifier);
  writeU16(target, at + sequenceAt, echo.sequence);
  target.set(echo.nonce, at + dataAt);
  if (echo.family === 4) writeU16(target, at + checksumAt, internetChecksum(target, at, end));
  return end;
}

/** Whether the message of `lengthBytes` is the reply to `echo`, whatever identifier it bears. */
export function icmpIsReplyTo(bytes: Uint8Array, lengthBytes: number, echo: Echo): boolean {
  const at = echo.family === 4 ? headerEnd(bytes, lengthBytes) : 0;
  const { nonce } = echo;
  if (lengthBytes - at < dataAt + nonce.length) return false;
  if (bytes[at + typeAt] !== echoType[echo.family].reply || bytes[at + codeAt] !== 0) return false;
  if (readU16(bytes, at + sequenceAt) !== echo.sequence) return false;
  for (let index = 0; index < nonce.length; index++) {
    if (bytes[at + dataAt + index] !== nonce[index]) return false;
  }
  return true;
}

/** RFC 1071; 0 over a message that holds its own. */
export function internetChecksum(bytes: Uint8Array, from: number, end: number): number {
  let sum = 0;
  for (let at = from; at < end; at += 2) sum += ((bytes[at] ?? 0) << 8) | (at + 1 < end ? (bytes[at + 1] ?? 0) : 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

/** An echo reply begins with 0, an IPv4 header with its version. */
function headerEnd(bytes: Uint8Array, lengthBytes: number): number {
  const first = bytes[0] ?? 0;
  if (first >> 4 !== 4) return 0;
  return Math.min(lengthBytes, Math.max(ipv4LeastBytes, (first & 0xf) * 4));
}

function writeU16(target: Uint8Array, at: number, value: number): void {
  target[at] = value >> 8;
  target[at + 1] = value & 0xff;
}

function readU16(bytes: Uint8Array, at: number): number {
  return ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
}
