/**
 * Wakes a parked thread. Protocol (Dekker's, so every access is sequentially consistent): a producer publishes, then reads
 * `armed`; a consumer arms, then re-checks all its inputs, then waits. One of the two always sees the other.
 */
import { doorbell } from '../contract/rings.ts';

/** How a doorbell is rung once it was found armed: the addon's write to an eventfd, or a fake's count. */
export interface BellRinger {
  ring(fd: number): number;
}

export function createDoorbellMemory(): SharedArrayBuffer {
  return new SharedArrayBuffer(doorbell.bytes);
}

/** The producers' side: any thread may hold one for the same consumer. */
export class Doorbell {
  readonly #armed: Int32Array;
  readonly #fd: number;
  readonly #ringer: BellRinger;

  constructor(memory: SharedArrayBuffer, fd: number, ringer: BellRinger) {
    this.#armed = new Int32Array(memory, doorbell.armedAt, 1);
    this.#fd = fd;
    this.#ringer = ringer;
  }

  /** Call after a publish. A system call only when the consumer is parked; only the first of several ringers makes it. */
  wake(): void {
    if (Atomics.load(this.#armed, 0) !== 0 && Atomics.exchange(this.#armed, 0, 0) !== 0) this.#ringer.ring(this.#fd);
  }
}

/** The consumer's side: one per thread. */
export class ParkingSpot {
  readonly #armed: Int32Array;

  constructor(memory: SharedArrayBuffer) {
    this.#armed = new Int32Array(memory, doorbell.armedAt, 1);
  }

  /** Before the last look at the inputs. */
  arm(): void {
    Atomics.store(this.#armed, 0, 1);
  }

  /** After the wait, or when the last look found work. */
  disarm(): void {
    Atomics.store(this.#armed, 0, 0);
  }
}
