/** Writes opened trains from the opener's ring to the TUN device. */
import type { TunWriter } from '../native/data-api.ts';
import { tunWriterCounters } from '../rings/counter-names.ts';
import type { Actor, ActorContext, ActorDefinition, Command } from './kit/contract.ts';
import { fdOf, nativePort, Throughput } from './kit/ports.ts';

export const definition: ActorDefinition = {
  role: 'tun-writer',
  turn: 'duty',
  start: (context) => new TunWriterActor(context),
};

const trainsPerTurn = 32;

class TunWriterActor implements Actor {
  readonly #writer: TunWriter;
  /** Bytes, packets, refused trains. */
  readonly #totals = new Float64Array(3);
  readonly #throughput: Throughput;

  constructor(context: ActorContext) {
    const totals = new Uint8Array(this.#totals.buffer);
    this.#writer = new context.addon.TunWriter(fdOf(context.spec, 'tun'), nativePort(context.spec, 'inbound'), totals);
    this.#throughput = new Throughput(context.spec);
  }

  work(_nowUs: number): number {
    const count = this.#writer.write(trainsPerTurn);
    if (count === 0) return 0;
    this.#throughput.add(this.#totals[1] as number, this.#totals[0] as number);
    this.#throughput.count(tunWriterCounters.refused, this.#totals[2] as number);
    this.#totals.fill(0);
    return count;
  }

  onCommand(_command: Command): void {
    // A tun-writer has nothing to be told.
  }

  close(): void {
    // The device belongs to the supervisor.
  }
}
