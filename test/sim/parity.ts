/** Groups of data and their parity, both ends of them: how much there is and by which path it goes the real bond says. */
import type { Bond } from '../../src/bonding/bond.ts';
import type { SendingPath } from '../../src/bonding/sending-path.ts';
import type { Packet } from './flight.ts';
import type { Receiver } from './receiver.ts';
import type { VirtualClock } from './virtual-clock.ts';

interface Group {
  readonly packets: Packet[];
  readonly path: SendingPath;
  readonly sinceUs: number;
  /** Of its parity. */
  arrived: number;
}

export interface ParityParts {
  readonly clock: VirtualClock;
  readonly bond: Bond;
  readonly receiver: Receiver;
  /** Sends a frame of so many bytes by a path. */
  readonly send: (path: SendingPath, bytes: number, onArrival: () => void) => void;
}

export class SimulatedParity {
  readonly #parts: ParityParts;
  /** Those that fill, by path. */
  readonly #open = new Map<SendingPath, Group>();
  readonly #groups = new WeakMap<Packet, Group>();

  constructor(parts: ParityParts) {
    this.#parts = parts;
  }

  /** A packet of data was sealed for the path. */
  protect(packet: Packet, path: SendingPath): void {
    const { clock, bond } = this.#parts;
    let group = this.#open.get(path);
    if (group === undefined) {
      group = { packets: [], path, sinceUs: clock.nowUs, arrived: 0 };
      this.#open.set(path, group);
      const begun = group;
      clock.after(bond.parity.groupUs, () => this.#close(begun));
    }
    group.packets.push(packet);
    this.#groups.set(packet, group);
    if (group.packets.length >= bond.parity.data) this.#close(group);
  }

  /** A packet of data has arrived. */
  handleArrival(packet: Packet): void {
    const group = this.#groups.get(packet);
    if (group !== undefined) this.#rebuild(group);
  }

  #close(group: Group): void {
    if (this.#open.get(group.path) !== group) return;
    this.#open.delete(group.path);
    const { bond, send } = this.#parts;
    const { data, parity } = bond.parity;
    const bytes = group.packets[0]?.bytes ?? 0;
    // The same share, at least one.
    const count = Math.min(parity, Math.max(1, Math.ceil((group.packets.length * parity) / Math.max(1, data))));
    for (let place = 0; place < count; place += 1)
      send(bond.routes.other(group.path, 0, this.#parts.clock.nowUs) ?? group.path, bytes, () => {
        group.arrived += 1;
        this.#rebuild(group);
      });
  }

  #rebuild(group: Group): void {
    const { receiver } = this.#parts;
    const missing = group.packets.filter((packet) => !receiver.has(packet));
    if (missing.length > group.arrived) return;
    for (const packet of missing) receiver.handleRebuilt(packet);
  }
}
