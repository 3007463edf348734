/** What the session-manager sends: datagrams by the carriers, inner frames by the sealer of their peer. A full ring drops: timers try again. */
import { frame, framePath, outgoing, recordType, trafficClass as schedulingClass } from '../../contract/records.ts';
import { carrierOf } from '../../rings/carriers.ts';
import { shardOf } from '../../rings/shards.ts';
import type { RingProducer } from '../../rings/spsc-ring.ts';
import type { Route } from './path-book.ts';

const nothing = new Uint8Array(0);
/**
 * AF41, as the kernel's WireGuard gives to handshakes and cookies (drivers/net/wireguard/messages.h, HANDSHAKE_DSCP). Data messages get no
 * DSCP there either, and what is in them (probes and reports too) must see the queues that data sees.
 */
export const handshakeTrafficClass = 0x88;

export class Outbox {
  /** By row of the carrier table. */
  readonly #carriers: ReadonlyMap<number, RingProducer>;
  /** By shard. */
  readonly #frames: readonly RingProducer[];

  constructor(carriers: ReadonlyMap<number, RingProducer>, frames: readonly RingProducer[]) {
    this.#carriers = carriers;
    this.#frames = frames;
  }

  /** What answers a handshake message that came by `route`, with the DSCP that the question had on its way here: another might not pass. */
  answer(route: Route, message: Uint8Array, obfuscation: number): void {
    this.sendDatagram(route, message, route.dscp ?? handshakeTrafficClass, obfuscation);
  }

  /** `trafficClass`: the outer header's DSCP and ECN byte. `obfuscation`: id of what it shall wear, or its `wear`; 0 = nothing. */
  sendDatagram(route: Route, message: Uint8Array, trafficClass: number, obfuscation: number): boolean {
    const ring = this.#carriers.get(carrierOf(route.link, route.transport));
    if (ring === undefined) return false;
    const length = outgoing.payloadAt + message.length;
    const at = ring.claim(length);
    if (at < 0) return false;
    ring.bytes.fill(0, at, at + outgoing.payloadAt);
    ring.bytes.set(route.endpoint, at + outgoing.endpointAt);
    ring.bytes.set(route.local, at + outgoing.localAt);
    ring.view.setInt32(at + outgoing.interfaceAt, route.interfaceIndex, true);
    ring.view.setInt32(at + outgoing.lengthAt, message.length, true);
    ring.view.setInt32(at + outgoing.trafficClassAt, trafficClass, true);
    ring.view.setInt32(at + outgoing.obfuscationAt, obfuscation, true);
    ring.bytes.set(message, at + outgoing.payloadAt);
    ring.commit(length, recordType.handshakeOut);
    ring.publish();
    return true;
  }

  /** An inner packet to seal under `slot`; by the path in `pathRow`, or the one the sealer likes best. */
  sendFrame(peerRow: number, slot: number, bytes: Uint8Array, pathRow: number = framePath.any): boolean {
    const ring = this.#frames[shardOf(peerRow, this.#frames.length)];
    if (ring === undefined) return false;
    const length = frame.payloadAt + bytes.length;
    const at = ring.claim(length);
    if (at < 0) return false;
    ring.bytes.fill(0, at, at + frame.payloadAt);
    ring.view.setInt32(at + frame.peerAt, peerRow, true);
    ring.view.setInt32(at + frame.slotAt, slot, true);
    ring.view.setInt32(at + frame.lengthAt, bytes.length, true);
    ring.view.setInt32(at + frame.classAt, schedulingClass.control, true);
    ring.view.setInt32(at + frame.pathAt, pathRow, true);
    ring.bytes.set(bytes, at + frame.payloadAt);
    ring.commit(length, recordType.frameOut);
    ring.publish();
    return true;
  }

  sendKeepalive(peerRow: number, slot: number): boolean {
    return this.sendFrame(peerRow, slot, nothing);
  }
}
