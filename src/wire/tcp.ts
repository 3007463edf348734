/**
 * TCP headers (RFC 9293 section 3.1) with the options of RFC 7323 and RFC 2018. Checksums are the addon's.
 *
 * ```
 *  0                   1                   2                   3
 *  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 * +-------------------------------+-------------------------------+
 * |          Source port          |       Destination port        |
 * +-------------------------------+-------------------------------+
 * |                        Sequence number                        |
 * +---------------------------------------------------------------+
 * |                    Acknowledgement number                     |
 * +-------+-------+---------------+-------------------------------+
 * | words |  zero |C E U A P R S F|            Window             |
 * +-------+-------+---------------+-------------------------------+
 * |           Checksum            |        Urgent pointer         |
 * +-------------------------------+-------------------------------+
 * | Options: kind, or kind, length of all, value                  |
 * ```
 */
import { assert } from '../base/assert.ts';

export const tcpHeaderBytes = 20;
export const tcpMostHeaderBytes = 60;

const destinationAt = 2;
const sequenceAt = 4;
const acknowledgementAt = 8;
const wordsAt = 12;
const flagsAt = 13;
const windowAt = 14;

const optionKind = { end: 0, nop: 1, mss: 2, windowShift: 3, sackPermitted: 4, timestamps: 8 } as const;
const optionBytes = { mss: 4, windowShift: 3, sackPermitted: 2, timestamps: 10 } as const;
/** RFC 7323 section 2.3: a larger one counts as this. */
const mostWindowShift = 14;

/** Whether `bytes[at, end)` begins with a whole header. */
export function tcpCheckLength(bytes: Uint8Array, at: number, end: number): boolean {
  if (end - at < tcpHeaderBytes) return false;
  const length = tcpLength(bytes, at);
  return length >= tcpHeaderBytes && length <= end - at;
}

/** Of the header, options included. */
export function tcpLength(bytes: Uint8Array, at: number): number {
  return ((bytes[at + wordsAt] as number) >> 4) * 4;
}

export function tcpSequence(bytes: Uint8Array, at: number): number {
  return u32(bytes, at + sequenceAt);
}

export function tcpAcknowledgement(bytes: Uint8Array, at: number): number {
  return u32(bytes, at + acknowledgementAt);
}

/** `tcpFlag` of the contract, and more. */
export function tcpFlags(bytes: Uint8Array, at: number): number {
  return bytes[at + flagsAt] as number;
}

export function tcpWindow(bytes: Uint8Array, at: number): number {
  return u16(bytes, at + windowAt);
}

/** 0 = none was said. */
export function tcpMss(bytes: Uint8Array, at: number): number {
  const option = optionOf(bytes, at, optionKind.mss, optionBytes.mss);
  return option < 0 ? 0 : u16(bytes, option + 2);
}

export function tcpSaysSackPermitted(bytes: Uint8Array, at: number): boolean {
  return optionOf(bytes, at, optionKind.sackPermitted, optionBytes.sackPermitted) >= 0;
}

/** -1 = none was said. */
export function tcpWindowShift(bytes: Uint8Array, at: number): number {
  const option = optionOf(bytes, at, optionKind.windowShift, optionBytes.windowShift);
  return option < 0 ? -1 : Math.min(mostWindowShift, bytes[option + 2] as number);
}

export function tcpHasStamps(bytes: Uint8Array, at: number): boolean {
  return optionOf(bytes, at, optionKind.timestamps, optionBytes.timestamps) >= 0;
}

/** The sender's timestamp; 0 without one. */
export function tcpStamp(bytes: Uint8Array, at: number): number {
  const option = optionOf(bytes, at, optionKind.timestamps, optionBytes.timestamps);
  return option < 0 ? 0 : u32(bytes, option + 2);
}

/** The timestamp that is echoed; 0 without one. */
export function tcpEcho(bytes: Uint8Array, at: number): number {
  const option = optionOf(bytes, at, optionKind.timestamps, optionBytes.timestamps);
  return option < 0 ? 0 : u32(bytes, option + 6);
}

/** How far `to` is beyond `from`, modulo 2^32; negative = it is before. */
export function sequenceDistance(to: number, from: number): number {
  return (to - from) | 0;
}

export function sequenceAfter(from: number, bytes: number): number {
  return (from + bytes) >>> 0;
}

export interface TcpFields {
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly sequence: number;
  readonly acknowledgement: number;
  readonly flags: number;
  readonly window: number;
  /** 0 = not said. */
  readonly mss: number;
  readonly isSackPermitted: boolean;
  /** -1 = not said. */
  readonly windowShift: number;
  /** Ours and the one that is echoed; undefined = no timestamps. */
  readonly stamp: number | undefined;
  readonly echo: number;
}

/** Writes a header without its checksum, options in the order and with the padding of Linux (net/ipv4/tcp_output.c); returns its length. */
export function tcpEmit(target: Uint8Array, at: number, fields: TcpFields): number {
  assert(target.length - at >= tcpMostHeaderBytes, 'no room for a TCP header');
  target.fill(0, at, at + tcpMostHeaderBytes);
  setU16(target, at, fields.sourcePort);
  setU16(target, at + destinationAt, fields.destinationPort);
  setU32(target, at + sequenceAt, fields.sequence);
  setU32(target, at + acknowledgementAt, fields.acknowledgement);
  target[at + flagsAt] = fields.flags;
  setU16(target, at + windowAt, fields.window);
  let next = at + tcpHeaderBytes;
  if (fields.mss !== 0) {
    next = startOption(target, next, optionKind.mss, optionBytes.mss);
    setU16(target, next - 2, fields.mss);
  }
  const hasStamps = fields.stamp !== undefined;
  if (fields.isSackPermitted) {
    if (!hasStamps) next = padWith(target, next, 2);
    next = startOption(target, next, optionKind.sackPermitted, optionBytes.sackPermitted);
  } else if (hasStamps) {
    next = padWith(target, next, 2);
  }
  if (hasStamps) {
    next = startOption(target, next, optionKind.timestamps, optionBytes.timestamps);
    setU32(target, next - 8, fields.stamp);
    setU32(target, next - 4, fields.echo);
  }
  if (fields.windowShift >= 0) {
    next = startOption(target, padWith(target, next, 1), optionKind.windowShift, optionBytes.windowShift);
    target[next - 1] = fields.windowShift;
  }
  target[at + wordsAt] = ((next - at) >> 2) << 4;
  return next - at;
}

/** Where the first option of `kind` begins, if it has its `length`; -1 = there is none. */
function optionOf(bytes: Uint8Array, at: number, kind: number, length: number): number {
  const end = Math.min(bytes.length, at + tcpLength(bytes, at));
  for (let option = at + tcpHeaderBytes; option < end; ) {
    const found = bytes[option] as number;
    if (found === optionKind.end) return -1;
    if (found === optionKind.nop) {
      option += 1;
      continue;
    }
    const all = option + 1 < end ? (bytes[option + 1] as number) : 0;
    if (all < 2 || option + all > end) return -1;
    if (found === kind) return all === length ? option : -1;
    option += all;
  }
  return -1;
}

/** Returns where the option ends. */
function startOption(target: Uint8Array, at: number, kind: number, length: number): number {
  target[at] = kind;
  target[at + 1] = length;
  return at + length;
}

function padWith(target: Uint8Array, at: number, nops: number): number {
  target.fill(optionKind.nop, at, at + nops);
  return at + nops;
}

function u16(bytes: Uint8Array, at: number): number {
  return ((bytes[at] as number) << 8) | (bytes[at + 1] as number);
}

function u32(bytes: Uint8Array, at: number): number {
  return ((u16(bytes, at) << 16) | u16(bytes, at + 2)) >>> 0;
}

function setU16(target: Uint8Array, at: number, value: number): void {
  target[at] = value >> 8;
  target[at + 1] = value;
}

function setU32(target: Uint8Array, at: number, value: number): void {
  setU16(target, at, value >>> 16);
  setU16(target, at + 2, value & 0xffff);
}
