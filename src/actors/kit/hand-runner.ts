/** Turns actors by hand in one thread under a virtual clock: what tests and simulations use instead of worker threads. */
import { type Addon, loadAddon } from '../../native/addon.ts';
import type { Actor, ActorContext, ActorDefinition, ActorEvent, ActorSpec, Command } from './contract.ts';
import { HostedActor } from './hosted-actor.ts';
import { alwaysReadable } from './readable.ts';
import { TurnCycle } from './turn-cycle.ts';

/** CLOCK_BOOTTIME of a simulation, microseconds: moves only when it is told to. */
export class VirtualClock {
  #nowUs: number;

  constructor(startUs = 1_000_000) {
    this.#nowUs = startUs;
  }

  nowUs(): number {
    return this.#nowUs;
  }

  advance(byUs: number): void {
    this.#nowUs += byUs;
  }
}

export interface HandEvent {
  readonly actorId: string;
  readonly event: ActorEvent;
}

/** `addon`: the real one with its `nowUs` replaced by the clock, unless a fake is handed in. */
export class HandRunner {
  readonly clock: VirtualClock;
  readonly events: HandEvent[] = [];
  readonly #addon: Addon;
  readonly #hosted: HostedActor[] = [];
  readonly #cycle: TurnCycle;

  constructor(clock = new VirtualClock(), addon: Addon = loadAddon()) {
    this.clock = clock;
    this.#addon = { ...addon, nowUs: () => clock.nowUs() };
    this.#cycle = new TurnCycle(clock, this.#hosted);
  }

  /** Starts an actor as the last of the thread. */
  async add(definition: ActorDefinition, spec: ActorSpec): Promise<Actor> {
    const early: number[] = [];
    let hosted: HostedActor | undefined;
    const context: ActorContext = {
      spec,
      addon: this.#addon,
      supervisor: undefined,
      emit: (event) => this.events.push({ actorId: spec.id, event }),
      wakeAt(atUs) {
        if (hosted === undefined) early.push(atUs);
        else if (atUs < hosted.wakeAtUs) hosted.wakeAtUs = atUs;
      },
      holdFdsUntil: () => undefined,
      letPacketsIn: () => undefined,
      readable: () => alwaysReadable,
      track: (promise) => promise,
    };
    const actor = await definition.start(context);
    hosted = new HostedActor(spec, actor);
    hosted.wakeAtUs = Math.min(Number.POSITIVE_INFINITY, ...early);
    this.#hosted.push(hosted);
    return actor;
  }

  /** One turn of every actor; returns how much they did. */
  turn(): number {
    return this.#cycle.turnAll();
  }

  /** Turns until all return 0 in the same cycle, at most `limit` times; returns how much they did together. */
  turnUntilIdle(limit = 1000): number {
    let total = 0;
    for (let cycles = 0; cycles < limit; cycles += 1) {
      const done = this.turn();
      if (done === 0) return total;
      total += done;
    }
    throw new Error(`The actors still find work after ${limit} cycles`);
  }

  /** Lets `durationUs` pass: jumps from wake-up to wake-up, and turns until idle at each. */
  run(durationUs: number): void {
    const endUs = this.clock.nowUs() + durationUs;
    this.turnUntilIdle();
    while (this.clock.nowUs() < endUs) {
      const nextUs = Math.min(endUs, this.#cycle.deadlineUs(this.clock.nowUs()));
      this.clock.advance(Math.max(1, nextUs - this.clock.nowUs()));
      this.turnUntilIdle();
    }
  }

  command(actorId: string, command: Command): void {
    this.#cycle.command(actorId, command);
  }

  close(): void {
    this.#cycle.closeAll();
  }
}
