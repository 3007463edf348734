/**
 * One binary message of the WebSocket: packets of equal length but the last, which may be shorter. As they were sealed, and in the order in
 * which they were sealed; a handshake message is a packet, too.
 *
 * ```
 * 0            2
 * segment BE   packets …
 * ```
 */
export const tlsMessageHeaderBytes = 2;
/** What a receiver takes; a sender makes no more. */
export const tlsMessageMostBytes = 65_535;
/** The shortest packet there is: a data message that holds nothing. */
const leastSegmentBytes = 32;

/** Whether `bytes` are whole packets of a sensible length. */
export function tlsMessageCheck(bytes: Uint8Array): boolean {
  const length = bytes.length - tlsMessageHeaderBytes;
  if (length < leastSegmentBytes || bytes.length > tlsMessageMostBytes) return false;
  const segment = tlsMessageSegment(bytes);
  return segment >= leastSegmentBytes && segment <= length;
}

/** Bytes of each packet but the last. */
export function tlsMessageSegment(bytes: Uint8Array): number {
  return ((bytes[0] as number) << 8) | (bytes[1] as number);
}

export function tlsMessageEmitHeader(target: Uint8Array, segmentBytes: number): void {
  target[0] = segmentBytes >> 8;
  target[1] = segmentBytes;
}
