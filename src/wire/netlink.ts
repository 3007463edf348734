/**
 * Netlink framing (RFC 3549, linux/netlink.h): messages, attributes, and what an acknowledgement says. Host byte order.
 *
 * ```
 * message, 4-byte aligned:    0 length u32 (header included) | 4 type u16 | 6 flags u16 | 8 sequence u32 | 12 port u32 | 16 …
 * attribute, 4-byte aligned:  0 length u16 (header included) | 2 type u16 (two top bits are flags) | 4 payload …
 * NLMSG_ERROR:                16 error i32 (0 or negative errno) | 20 header of the refused message | its body unless CAPPED |
 *                             attributes if ACK_TLVS: 1 text, 2 offset
 * ```
 */

/** linux/netlink.h */
export const netlinkType = { noop: 1, error: 2, done: 3, overrun: 4 } as const;
export const netlinkFlag = {
  request: 0x1,
  multi: 0x2,
  ack: 0x4,
  /** A dump was disturbed by a change and has to be asked for again. */
  dumpInterrupted: 0x10,
  /** NLM_F_ROOT | NLM_F_MATCH */
  dump: 0x300,
  replace: 0x100,
  exclusive: 0x200,
  create: 0x400,
  capped: 0x100,
  ackAttributes: 0x200,
} as const;

export const netlinkHeaderBytes = 16;
const lengthAt = 0;
const typeAt = 4;
const flagsAt = 6;
const sequenceAt = 8;
const errorAt = 16;
const errorHeaderAt = 20;
const attributeHeaderBytes = 4;
/** NLA_TYPE_MASK: without NLA_F_NESTED and NLA_F_NET_BYTEORDER. */
const attributeTypeMask = 0x3fff;
/** enum nlmsgerr_attrs */
const extendedAck = { message: 1 } as const;

const littleEndian = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;

export function readU8(bytes: Uint8Array, at: number): number {
  return bytes[at] ?? 0;
}

export function readU16(bytes: Uint8Array, at: number): number {
  return littleEndian
    ? readU8(bytes, at) | (readU8(bytes, at + 1) << 8)
    : (readU8(bytes, at) << 8) | readU8(bytes, at + 1);
}

export function readU32(bytes: Uint8Array, at: number): number {
  return readI32(bytes, at) >>> 0;
}

export function readI32(bytes: Uint8Array, at: number): number {
  const [low, high] = littleEndian ? [at, at + 2] : [at + 2, at];
  return readU16(bytes, low) | (readU16(bytes, high) << 16);
}

export function writeU16(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = littleEndian ? value : value >> 8;
  bytes[at + 1] = littleEndian ? value >> 8 : value;
}

export function writeU32(bytes: Uint8Array, at: number, value: number): void {
  writeU16(bytes, littleEndian ? at : at + 2, value);
  writeU16(bytes, littleEndian ? at + 2 : at, value >>> 16);
}

/** Whether a whole message stands at `at`. */
export function netlinkCheckLength(bytes: Uint8Array, at: number, end: number): boolean {
  if (end - at < netlinkHeaderBytes) return false;
  const length = readU32(bytes, at + lengthAt);
  return length >= netlinkHeaderBytes && length <= end - at;
}

export function netlinkLength(bytes: Uint8Array, at: number): number {
  return readU32(bytes, at + lengthAt);
}

export function netlinkTypeOf(bytes: Uint8Array, at: number): number {
  return readU16(bytes, at + typeAt);
}

export function netlinkFlags(bytes: Uint8Array, at: number): number {
  return readU16(bytes, at + flagsAt);
}

export function netlinkSequence(bytes: Uint8Array, at: number): number {
  return readU32(bytes, at + sequenceAt);
}

/** Where the next message begins. */
export function netlinkNext(bytes: Uint8Array, at: number): number {
  return at + align(netlinkLength(bytes, at));
}

/** Writes a header whose length `netlinkFinish` fills in; returns where the body begins. */
export function netlinkEmitHeader(
  target: Uint8Array,
  at: number,
  type: number,
  flags: number,
  sequence: number,
): number {
  target.fill(0, at, at + netlinkHeaderBytes);
  writeU16(target, at + typeAt, type);
  writeU16(target, at + flagsAt, flags);
  writeU32(target, at + sequenceAt, sequence);
  return at + netlinkHeaderBytes;
}

/** Closes the message that began at `at` and ends at `end`; returns where the next one may begin. */
export function netlinkFinish(target: Uint8Array, at: number, end: number): number {
  writeU32(target, at + lengthAt, end - at);
  return at + align(end - at);
}

export interface NetlinkVerdict {
  /** 0 = done, else a positive errno. */
  readonly errno: number;
  /** The kernel's own words (NETLINK_EXT_ACK), or empty. */
  readonly text: string;
}

/** What an NLMSG_ERROR or NLMSG_DONE message says; undefined when it is malformed. */
export function netlinkVerdict(bytes: Uint8Array, at: number): NetlinkVerdict | undefined {
  const end = at + netlinkLength(bytes, at);
  if (end < at + errorAt + 4) return undefined;
  const errno = -readI32(bytes, at + errorAt);
  const flags = netlinkFlags(bytes, at);
  if ((flags & netlinkFlag.ackAttributes) === 0) return { errno, text: '' };
  const attributesAt = attributesOfVerdict(bytes, at, end, flags);
  const attributes = attributesAt === undefined ? undefined : attributesParse(bytes, attributesAt, end);
  const text = attributes?.get(extendedAck.message);
  return { errno, text: text === undefined ? '' : textOf(text) };
}

function attributesOfVerdict(bytes: Uint8Array, at: number, end: number, flags: number): number | undefined {
  if (netlinkTypeOf(bytes, at) === netlinkType.done) return at + errorAt + 4;
  const bodyAt = at + errorHeaderAt + netlinkHeaderBytes;
  if (bodyAt > end) return undefined;
  if ((flags & netlinkFlag.capped) !== 0) return bodyAt;
  const refusedLength = readU32(bytes, at + errorHeaderAt);
  const attributesAt = at + errorHeaderAt + align(refusedLength);
  return refusedLength >= netlinkHeaderBytes && attributesAt <= end ? attributesAt : undefined;
}

/** Attributes by type, as views; the last of a type wins. Undefined when one does not fit. */
export function attributesParse(bytes: Uint8Array, from: number, end: number): Map<number, Uint8Array> | undefined {
  const attributes = new Map<number, Uint8Array>();
  let at = from;
  while (end - at >= attributeHeaderBytes) {
    const length = readU16(bytes, at);
    if (length < attributeHeaderBytes || length > end - at) return undefined;
    attributes.set(readU16(bytes, at + 2) & attributeTypeMask, bytes.subarray(at + attributeHeaderBytes, at + length));
    at += align(length);
  }
  return attributes;
}

/** An attribute of 4 bytes, or `otherwise` when it is absent or of another size. */
export function attributeU32(attributes: ReadonlyMap<number, Uint8Array>, type: number, otherwise: number): number {
  const payload = attributes.get(type);
  return payload?.length === 4 ? readU32(payload, 0) : otherwise;
}

/** A zero-terminated text. */
export function textOf(payload: Uint8Array): string {
  const end = payload.indexOf(0);
  return new TextDecoder().decode(end < 0 ? payload : payload.subarray(0, end));
}

export function attributeEmit(target: Uint8Array, at: number, type: number, payload: Uint8Array): number {
  const length = attributeHeaderBytes + payload.length;
  target.fill(0, at, at + align(length));
  writeU16(target, at, length);
  writeU16(target, at + 2, type);
  target.set(payload, at + attributeHeaderBytes);
  return at + align(length);
}

export function attributeEmitU8(target: Uint8Array, at: number, type: number, value: number): number {
  return attributeEmit(target, at, type, Uint8Array.of(value));
}

export function attributeEmitU32(target: Uint8Array, at: number, type: number, value: number): number {
  writeU16(target, at, attributeHeaderBytes + 4);
  writeU16(target, at + 2, type);
  writeU32(target, at + attributeHeaderBytes, value);
  return at + attributeHeaderBytes + 4;
}

export function attributeEmitText(target: Uint8Array, at: number, type: number, text: string): number {
  return attributeEmit(target, at, type, new TextEncoder().encode(`${text}\0`));
}

/** An attribute whose payload `emit` writes, from the offset it is given to the one it returns. */
export function attributeEmitNested(
  target: Uint8Array,
  at: number,
  type: number,
  emit: (payloadAt: number) => number,
): number {
  const end = emit(at + attributeHeaderBytes);
  writeU16(target, at, end - at);
  writeU16(target, at + 2, type);
  return end;
}

function align(length: number): number {
  // Not (length + 3) & ~3: a length of 2^31 and more would turn negative.
  return length + (-length & 3);
}
