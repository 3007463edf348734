/** Ports and memory of a spec in the forms that actors use: native views for the addon, ring ends for TypeScript. */
import { HawserError } from '../../base/errors.ts';
import { counters } from '../../contract/rings.ts';
import type { NativePort } from '../../native/port.ts';
import { Doorbell } from '../../rings/doorbell.ts';
import { RingConsumer, RingProducer } from '../../rings/spsc-ring.ts';
import type { ActorContext, ActorSpec, PortSpec } from './contract.ts';

function portOf(spec: ActorSpec, name: string): PortSpec {
  const port = spec.ports[name];
  if (port === undefined) throw new HawserError('TOPOLOGY', `Actor ${spec.id} has no port "${name}"`);
  return port;
}

export function nativePort(spec: ActorSpec, name: string): NativePort {
  const port = portOf(spec, name);
  return { ring: new Uint8Array(port.ring), doorbell: new Uint8Array(port.doorbell), doorbellFd: port.doorbellFd };
}

export function producer(context: ActorContext, name: string): RingProducer {
  const port = portOf(context.spec, name);
  return new RingProducer(port.ring, new Doorbell(port.doorbell, port.doorbellFd, context.addon));
}

export function consumer(spec: ActorSpec, name: string): RingConsumer {
  return new RingConsumer(portOf(spec, name).ring);
}

export function memoryOf(spec: ActorSpec, name: string): SharedArrayBuffer {
  const memory = spec.memory[name];
  if (memory === undefined) throw new HawserError('TOPOLOGY', `Actor ${spec.id} was not given the memory "${name}"`);
  return memory;
}

export function bytesOf(spec: ActorSpec, name: string): Uint8Array {
  return new Uint8Array(memoryOf(spec, name));
}

/** A lent file descriptor; -1 when this machine has none of it (IPv6 switched off). */
export function fdOf(spec: ActorSpec, name: string): number {
  return spec.fds[name] ?? -1;
}

/** Where an actor counts packets and bytes for `hawser actors`: cells of its counters block, by index into a Float64Array. */
export class Throughput {
  readonly #cells: Float64Array;

  constructor(spec: ActorSpec) {
    const memory = spec.memory.counters ?? new SharedArrayBuffer(counters.bytes);
    this.#cells = new Float64Array(memory, 0, counters.bytes >> 3);
  }

  set(packets: number, bytes: number): void {
    this.#cells[counters.packetsAt >> 3] = packets;
    this.#cells[counters.bytesAt >> 3] = bytes;
  }

  add(packets: number, bytes: number): void {
    const at = counters.packetsAt >> 3;
    this.#cells[at] = (this.#cells[at] as number) + packets;
    this.#cells[at + 1] = (this.#cells[at + 1] as number) + bytes;
  }

  /** Adds to cell `index` of the actor's own counters (`counter-names.ts`). */
  count(index: number, amount: number): void {
    const at = (counters.cellsAt >> 3) + index;
    this.#cells[at] = (this.#cells[at] as number) + amount;
  }
}
