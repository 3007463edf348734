/** Datagrams for connections that are being called for: the last few of each, sent when it is open, forgotten when nobody answers. */
import type { FakeTcp } from '../../native/faketcp-api.ts';

/** A handshake message and a few small frames; what is more, or larger, is asked for again by whoever needs it. */
const mostPackets = 4;

export class WaitingPackets {
  readonly #native: FakeTcp;
  readonly #byRow = new Map<number, Uint8Array[]>();

  constructor(native: FakeTcp) {
    this.#native = native;
  }

  /** Keeps a copy. */
  add(row: number, datagram: Uint8Array): void {
    const packets = this.#byRow.get(row) ?? [];
    if (packets.length === mostPackets) packets.shift();
    packets.push(Uint8Array.from(datagram));
    this.#byRow.set(row, packets);
  }

  send(row: number, nowUs: number): void {
    for (const packet of this.#byRow.get(row) ?? []) this.#native.sendDatagram(row, packet, 0, nowUs);
    this.drop(row);
  }

  drop(row: number): void {
    this.#byRow.delete(row);
  }
}
