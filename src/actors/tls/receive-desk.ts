/** What comes by a tunnel goes into the rings of opener and session-manager, as if a datagram's socket had received it. */
import { carrier } from '../../contract/link-tables.ts';
import { endpoint } from '../../contract/peer-tables.ts';
import { received, recordType } from '../../contract/records.ts';
import { shardOf } from '../../rings/shards.ts';
import type { RingProducer } from '../../rings/spsc-ring.ts';
import type { RowTable } from '../../rings/table.ts';
import { tlsMessageCheck, tlsMessageHeaderBytes, tlsMessageSegment } from '../../wire/tls-message.ts';
import {
  dataHeaderBytes,
  messageType,
  wireguardCheckLength,
  wireguardReceiver,
  wireguardType,
} from '../../wire/wireguard.ts';

export interface ReceiveParts {
  /** By shard. */
  readonly openers: readonly RingProducer[];
  readonly handshakes: RingProducer;
  readonly carriers: RowTable;
  /** Row of the carrier table. */
  readonly carrier: number;
  /** CLOCK_REALTIME in microseconds. */
  readonly unixUs: () => number;
}

export class ReceiveDesk {
  readonly #parts: ReceiveParts;

  constructor(parts: ReceiveParts) {
    this.#parts = parts;
  }

  /** A message from `from`; false when it is none that a peer would send. What finds no room is dropped and counted. */
  take(from: Uint8Array, message: Uint8Array): boolean {
    const { carriers, carrier: row } = this.#parts;
    if (!tlsMessageCheck(message)) return false;
    const segment = tlsMessageSegment(message);
    const packets = message.subarray(tlsMessageHeaderBytes);
    const count = Math.ceil(packets.length / segment);
    carriers.addNumber(row, carrier.receivedBytesAt, packets.length);
    carriers.addNumber(row, carrier.receivedPacketsAt, count);
    if (wireguardType(packets, 0) === messageType.data) {
      // Whatever else lies between is nobody's to the opener.
      for (const opener of this.#openersOf(packets, segment))
        this.#put(opener, recordType.received, from, packets, segment, count);
      return true;
    }
    if (count !== 1 || !wireguardCheckLength(packets, 0, packets.length)) return false;
    this.#put(this.#parts.handshakes, recordType.handshakeIn, from, packets, segment, 1);
    return true;
  }

  /** Those for which there is a packet in it: whoever sends decides what he puts together. */
  #openersOf(packets: Uint8Array, segment: number): Iterable<RingProducer> {
    const { openers } = this.#parts;
    if (openers.length === 1) return openers;
    const found = new Set<RingProducer>();
    for (let at = 0; at + dataHeaderBytes <= packets.length; at += segment) {
      const opener = openers[shardOf(wireguardReceiver(packets, at), openers.length)];
      if (wireguardType(packets, at) === messageType.data && opener !== undefined) found.add(opener);
    }
    return found.size === 0 ? openers.slice(0, 1) : found;
  }

  #put(ring: RingProducer, type: number, from: Uint8Array, packets: Uint8Array, segment: number, count: number): void {
    const { carriers, carrier: row, unixUs } = this.#parts;
    const length = received.payloadAt + packets.length;
    const at = ring.claim(length);
    if (at < 0) {
      carriers.addNumber(row, carrier.droppedAt, count);
      return;
    }
    const { bytes, view } = ring;
    bytes.fill(0, at, at + received.payloadAt);
    bytes.set(from.subarray(0, endpoint.bytes), at + received.endpointAt);
    view.setInt32(at + received.carrierAt, row, true);
    view.setInt32(at + received.segmentBytesAt, segment, true);
    view.setInt32(at + received.lengthAt, packets.length, true);
    view.setInt32(at + received.slotAt, -1, true);
    view.setFloat64(at + received.timeAt, unixUs(), true);
    bytes.set(packets, at + received.payloadAt);
    ring.commit(length, type);
    ring.publish();
  }
}
