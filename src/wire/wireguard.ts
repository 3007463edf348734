/**
 * WireGuard's four messages (whitepaper 5.4; drivers/net/wireguard/messages.h). Integers are little-endian.
 *
 * ```
 *              0      4        8                       +32      +48         +28    +16    +16
 * initiation   type=1 sender   ephemeral (32)   static (48) timestamp (28)  mac1   mac2     148 bytes
 *              0      4        8         12             +32      +16   +16    +16
 * response     type=2 sender   receiver  ephemeral (32)   empty  mac1  mac2              92 bytes
 *              0      4        8                 +24        +32
 * cookie reply type=3 receiver nonce (24)   cookie (16 + tag)                            64 bytes
 *              0      4        8                 16
 * data         type=4 receiver counter (u64)     ciphertext … tag (16)                   32 bytes at least
 * ```
 * Type is one byte and three reserved zero bytes, read as one u32.
 */
import { assert } from '../base/assert.ts';

export const messageType = { initiation: 1, response: 2, cookieReply: 3, data: 4 } as const;
type MessageType = (typeof messageType)[keyof typeof messageType];

export const initiationBytes = 148;
export const responseBytes = 92;
export const cookieReplyBytes = 64;
export const dataHeaderBytes = 16;
export const macBytes = 16;

const typeAt = 0;
/** In initiation and response. */
const senderAt = 4;
const responseReceiverAt = 8;
/** In cookie reply and data. */
const receiverAt = 4;
const cookieNonceAt = 8;
const cookieAt = 32;
const counterAt = 8;

/** Where the Noise message begins and ends; it is contiguous in both. */
export const initiationNoiseAt = 8;
export const initiationNoiseEnd = 116;
export const responseNoiseAt = 12;
export const responseNoiseEnd = 60;

/** Whether the datagram in `bytes[at, end)` has the length its type demands; false for unknown types too. */
export function wireguardCheckLength(bytes: Uint8Array, at: number, end: number): boolean {
  const length = end - at;
  if (length < dataHeaderBytes) return false;
  switch (wireguardType(bytes, at)) {
    case messageType.initiation:
      return length === initiationBytes;
    case messageType.response:
      return length === responseBytes;
    case messageType.cookieReply:
      return length === cookieReplyBytes;
    case messageType.data:
      return length >= dataHeaderBytes + macBytes;
    default:
      return false;
  }
}

/** Which handshake message has this length, whatever its type field says (an obfuscation writes other values); undefined = none. */
export function handshakeType(length: number): Exclude<MessageType, typeof messageType.data> | undefined {
  if (length === initiationBytes) return messageType.initiation;
  if (length === responseBytes) return messageType.response;
  return length === cookieReplyBytes ? messageType.cookieReply : undefined;
}

export function wireguardType(bytes: Uint8Array, at: number): number {
  return readU32(bytes, at + typeAt);
}

/** Another value in the place of the type: before the macs, which cover it. */
export function wireguardSetType(target: Uint8Array, at: number, value: number): void {
  writeU32(target, at + typeAt, value);
}

/** Index the sender of an initiation or response wants to be addressed by. */
export function wireguardSender(bytes: Uint8Array, at: number): number {
  return readU32(bytes, at + senderAt);
}

/** Index of ours that a response is addressed to. */
export function responseReceiver(bytes: Uint8Array, at: number): number {
  return readU32(bytes, at + responseReceiverAt);
}

/** Index of ours that a cookie reply or data message is addressed to. */
export function wireguardReceiver(bytes: Uint8Array, at: number): number {
  return readU32(bytes, at + receiverAt);
}

/** The counter of a data message, exact below 2^53. */
export function wireguardCounter(bytes: Uint8Array, at: number): number {
  return readU32(bytes, at + counterAt) + readU32(bytes, at + counterAt + 4) * 2 ** 32;
}

export function wireguardCookieNonce(bytes: Uint8Array, at: number): Uint8Array {
  return bytes.subarray(at + cookieNonceAt, at + cookieAt);
}

export function wireguardCookie(bytes: Uint8Array, at: number): Uint8Array {
  return bytes.subarray(at + cookieAt, at + cookieReplyBytes);
}

/** Offset of mac1 in an initiation or response that ends at `end`; mac2 follows it and is the end. */
export function wireguardMac1At(end: number): number {
  return end - 2 * macBytes;
}

export function wireguardMac2At(end: number): number {
  return end - macBytes;
}

/** Writes all but the Noise message and the macs. */
export function initiationEmit(target: Uint8Array, at: number, fields: { sender: number }): void {
  assert(target.length - at >= initiationBytes, `no room for an initiation in ${target.length - at} bytes`);
  writeU32(target, at + typeAt, messageType.initiation);
  writeU32(target, at + senderAt, fields.sender);
}

/** Writes all but the Noise message and the macs. */
export function responseEmit(target: Uint8Array, at: number, fields: { sender: number; receiver: number }): void {
  assert(target.length - at >= responseBytes, `no room for a response in ${target.length - at} bytes`);
  writeU32(target, at + typeAt, messageType.response);
  writeU32(target, at + senderAt, fields.sender);
  writeU32(target, at + responseReceiverAt, fields.receiver);
}

/** `cookie` is sealed already: 32 bytes. */
export function cookieReplyEmit(
  target: Uint8Array,
  at: number,
  fields: { receiver: number; nonce: Uint8Array; cookie: Uint8Array },
): void {
  assert(target.length - at >= cookieReplyBytes, `no room for a cookie reply in ${target.length - at} bytes`);
  writeU32(target, at + typeAt, messageType.cookieReply);
  writeU32(target, at + receiverAt, fields.receiver);
  target.set(fields.nonce, at + cookieNonceAt);
  target.set(fields.cookie, at + cookieAt);
}

/** Header of a data message; `counter` below 2^53. The data path writes its own in the addon. */
export function dataHeaderEmit(target: Uint8Array, at: number, fields: { receiver: number; counter: number }): void {
  writeU32(target, at + typeAt, messageType.data);
  writeU32(target, at + receiverAt, fields.receiver);
  writeU32(target, at + counterAt, fields.counter >>> 0);
  writeU32(target, at + counterAt + 4, Math.floor(fields.counter / 2 ** 32));
}

function readU32(bytes: Uint8Array, at: number): number {
  const low = (bytes[at] as number) | ((bytes[at + 1] as number) << 8) | ((bytes[at + 2] as number) << 16);
  return (low | ((bytes[at + 3] as number) << 24)) >>> 0;
}

function writeU32(target: Uint8Array, at: number, value: number): void {
  target[at] = value;
  target[at + 1] = value >>> 8;
  target[at + 2] = value >>> 16;
  target[at + 3] = value >>> 24;
}
