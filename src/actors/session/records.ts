/** Reads the records that links and opener hand to the session-manager (`contract/records.ts`). */

import { endpoint } from '../../contract/peer-tables.ts';
import { frame, received } from '../../contract/records.ts';
import { linkOf, outerHeaderBytes, transportOf } from '../../rings/carriers.ts';
import type { RingConsumer } from '../../rings/spsc-ring.ts';
import { cookieReplyBytes, initiationBytes, responseBytes } from '../../wire/wireguard.ts';
import type { LinkBook } from './link-book.ts';
import type { Route } from './path-book.ts';
import { withoutZone } from './routes.ts';

/** Of a traffic class; the rest is ECN's. */
const dscpBits = 0xfc;

/** Where a received datagram came from; a copy. */
export function routeOf(ring: RingConsumer, at: number, links: LinkBook): Route {
  const local = ring.bytes.slice(at + received.localAt, at + received.localAt + 16);
  // Elsewhere the route to the peer decides the interface, and may change.
  const isLinkLocal = local[0] === 0xfe && ((local[1] ?? 0) & 0xc0) === 0x80;
  const carrier = ring.view.getInt32(at + received.carrierAt, true);
  const link = linkOf(carrier);
  const route: Route = {
    link,
    transport: transportOf(carrier),
    endpoint: ring.bytes.slice(at + received.endpointAt, at + received.endpointAt + endpoint.bytes),
    local,
    interfaceIndex: isLinkLocal ? ring.view.getInt32(at + received.interfaceAt, true) : 0,
    dscp: ring.view.getInt32(at + received.trafficClassAt, true) & dscpBits,
    wear: ring.view.getInt32(at + received.obfuscationAt, true),
  };
  return withoutZone(route, links.get(link));
}

/** Microseconds since the kernel received a datagram; 0 where it gave no time, and after a step of the clock. `unixUs`: now, by CLOCK_REALTIME. */
export function ageOf(ring: RingConsumer, at: number, unixUs: number): number {
  const receivedUs = ring.view.getFloat64(at + received.timeAt, true);
  return receivedUs > 0 ? Math.max(0, unixUs - receivedUs) : 0;
}

/** Takes datagrams out of shared memory, so that what was checked is what is used; into the same few buffers, because of floods. */
export class MessageReader {
  readonly #buffers = [initiationBytes, responseBytes, cookieReplyBytes].map((length) => new Uint8Array(length));
  readonly #other = new Uint8Array(0);

  /** Valid until the next call. Empty when the datagram has the length of no handshake message. */
  read(ring: RingConsumer, at: number): Uint8Array {
    const length = ring.view.getInt32(at + received.lengthAt, true);
    const from = at + received.payloadAt;
    for (const buffer of this.#buffers) {
      if (buffer.length !== length || ring.length < received.payloadAt + length) continue;
      for (let index = 0; index < length; index += 1) buffer[index] = ring.bytes[from + index] as number;
      return buffer;
    }
    return this.#other;
  }
}

/** What a `roamed` record's datagrams were on the wire, or a little less: headers are counted once. */
export function wireBytesOf(ring: RingConsumer, at: number): number {
  const isIp4 = ring.view.getUint16(at + received.endpointAt, true) === endpoint.ip4;
  const by = transportOf(ring.view.getInt32(at + received.carrierAt, true));
  return ring.view.getInt32(at + received.lengthAt, true) + outerHeaderBytes(by, isIp4);
}

/** Key slot of a `roamed` record. */
export function slotOf(ring: RingConsumer, at: number): number {
  return ring.view.getInt32(at + received.slotAt, true);
}

export interface OpenedFrame {
  readonly peerRow: number;
  readonly slot: number;
  /** Row of the path it came by, -1 = none we know. */
  readonly pathRow: number;
  readonly bytes: Uint8Array;
}

/** An opened control frame. */
export function frameOf(ring: RingConsumer, at: number): OpenedFrame {
  const room = ring.length - frame.payloadAt;
  const length = Math.max(0, Math.min(room, ring.view.getInt32(at + frame.lengthAt, true)));
  return {
    peerRow: ring.view.getInt32(at + frame.peerAt, true),
    slot: ring.view.getInt32(at + frame.slotAt, true),
    pathRow: ring.view.getInt32(at + frame.pathAt, true),
    bytes: ring.bytes.slice(at + frame.payloadAt, at + frame.payloadAt + length),
  };
}
