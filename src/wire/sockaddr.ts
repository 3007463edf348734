/**
 * Raw socket addresses as the kernel lays them out (sockaddr_in, sockaddr_in6) on a little-endian machine.
 *
 * ```
 *         0             2             4              8             24
 * IPv4    family=2 LE   port BE       address (4)    zero (8)                        16 bytes
 * IPv6    family=10 LE  port BE       flow info      address (16)  scope id LE       28 bytes
 * ```
 */
import { assert } from '../base/assert.ts';

export const sockaddrMaxBytes = 28;
const bytesV4 = 16;
/** AF_INET; the same on every Linux. */
export const familyV4 = 2;
const familyV6 = 10;
const portAt = 2;
const addressV4At = 4;
const addressV6At = 8;
const scopeAt = 24;

/** Whether a whole address of a known family lies in `bytes[at, end)`. */
export function sockaddrCheckLength(bytes: Uint8Array, at: number, end: number): boolean {
  if (end - at < bytesV4) return false;
  const length = sockaddrLength(bytes, at);
  return length > 0 && end - at >= length;
}

/** 16 or 28; 0 for an unknown family. */
export function sockaddrLength(bytes: Uint8Array, at: number): number {
  const family = (bytes[at] as number) | ((bytes[at + 1] as number) << 8);
  if (family === familyV4) return bytesV4;
  return family === familyV6 ? sockaddrMaxBytes : 0;
}

export function sockaddrPort(bytes: Uint8Array, at: number): number {
  return ((bytes[at + portAt] as number) << 8) | (bytes[at + portAt + 1] as number);
}

/** The 4 or 16 address bytes, shared. */
export function sockaddrAddress(bytes: Uint8Array, at: number): Uint8Array {
  return sockaddrLength(bytes, at) === bytesV4
    ? bytes.subarray(at + addressV4At, at + addressV4At + 4)
    : bytes.subarray(at + addressV6At, at + addressV6At + 16);
}

/** Whether both name the same endpoint: the flow label of IPv6 says nothing about where the other is, the interface of fe80::1 does. */
export function sockaddrEquals(left: Uint8Array, leftAt: number, right: Uint8Array, rightAt: number): boolean {
  for (let index = 0; index < portAt + 2; index += 1) if (left[leftAt + index] !== right[rightAt + index]) return false;
  const [a, b] = [sockaddrAddress(left, leftAt), sockaddrAddress(right, rightAt)];
  return a.every((byte, index) => byte === b[index]) && sockaddrScope(left, leftAt) === sockaddrScope(right, rightAt);
}

/** The same of endpoints (`endpoint` of the contract), which may be no addresses: those are equal when all their bytes are. */
export function endpointEquals(left: Uint8Array, right: Uint8Array): boolean {
  const isAddress = sockaddrLength(left, 0) !== 0 && sockaddrLength(right, 0) !== 0;
  return isAddress ? sockaddrEquals(left, 0, right, 0) : left.every((byte, index) => byte === right[index]);
}

/** Interface index of a link-local address; 0 = none, or the socket's own. */
export function sockaddrScope(bytes: Uint8Array, at: number): number {
  return sockaddrLength(bytes, at) === bytesV4 ? 0 : scopeView(bytes, at).getUint32(0, true);
}

export function sockaddrSetScope(bytes: Uint8Array, at: number, scopeId: number): void {
  if (sockaddrLength(bytes, at) === sockaddrMaxBytes) scopeView(bytes, at).setUint32(0, scopeId, true);
}

function scopeView(bytes: Uint8Array, at: number): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset + at + scopeAt, 4);
}

/** Writes 28 bytes, zeros behind what the family uses. `address` is 4 or 16 bytes. */
export function sockaddrEmit(
  target: Uint8Array,
  at: number,
  fields: { address: Uint8Array; port: number; scopeId: number },
): void {
  const { length } = fields.address;
  const isV4 = length === 4;
  assert(isV4 || length === 16, `an address of ${length} bytes`);
  target.fill(0, at, at + sockaddrMaxBytes);
  target[at] = isV4 ? familyV4 : familyV6;
  target[at + portAt] = fields.port >> 8;
  target[at + portAt + 1] = fields.port;
  target.set(fields.address, at + (isV4 ? addressV4At : addressV6At));
  sockaddrSetScope(target, at, fields.scopeId);
}
