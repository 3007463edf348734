/** One inner flow of datagrams at a steady rate, which nothing slows down; it notes how long none of them arrives. */
import type { VirtualClock } from './virtual-clock.ts';

/** An inner flow, as a rope carries it. */
export interface InnerTraffic {
  /** Hash of the flow, as queue and thinner know it. */
  readonly flow: number;
  /** Arrived, in whatever order, each once. */
  readonly goodBytes: number;
  begin(nowUs: number): void;
  /** Timers are looked at. */
  time(nowUs: number): void;
  /** Segment `id` has left the tunnel at the receiver's end. */
  deliver(id: number): void;
}

export interface PacedParts {
  readonly clock: VirtualClock;
  readonly flow: number;
  readonly packetBytes: number;
  readonly spacingUs: number;
  /** A datagram leaves for the tunnel. */
  readonly send: (flow: InnerTraffic, id: number) => void;
  readonly turn: () => void;
}

export class PacedFlow implements InnerTraffic {
  readonly flow: number;
  /** In order of time: pauses between two arrivals that were longer than twenty datagrams', and when each began. */
  readonly silences: { readonly fromUs: number; readonly forUs: number }[] = [];
  sent = 0;
  arrived = 0;
  readonly #parts: PacedParts;
  readonly #seen: boolean[] = [];
  #lastUs = 0;

  constructor(parts: PacedParts) {
    this.#parts = parts;
    this.flow = parts.flow;
  }

  get goodBytes(): number {
    return this.arrived * this.#parts.packetBytes;
  }

  begin(): void {
    const { clock, send, turn, spacingUs } = this.#parts;
    send(this, this.sent);
    this.sent += 1;
    turn();
    clock.after(spacingUs, () => this.begin());
  }

  time(): void {
    // Nothing is sent again.
  }

  deliver(id: number): void {
    if (this.#seen[id] === true) return;
    this.#seen[id] = true;
    this.arrived += 1;
    const { nowUs } = this.#parts.clock;
    const forUs = nowUs - this.#lastUs;
    if (this.#lastUs > 0 && forUs > 20 * this.#parts.spacingUs) this.silences.push({ fromUs: this.#lastUs, forUs });
    this.#lastUs = nowUs;
  }
}
