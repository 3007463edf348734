/** One actor in a thread, with its heartbeat: the counters block of `contract/rings.ts` is written here, a few plain stores a turn. */
import { counters, runState } from '../../contract/rings.ts';
import type { Actor, ActorSpec } from './contract.ts';

/** Thrown on behalf of `hawser actor kill`. */
export class ActorKilled extends Error {
  override readonly name = 'ActorKilled';
}

export class HostedActor {
  readonly id: string;
  actor: Actor;
  /** Earliest turn the actor asked for; Infinity = none. */
  wakeAtUs = Number.POSITIVE_INFINITY;
  readonly #words: Int32Array;
  readonly #times: Float64Array;
  #turns = 0;
  #busyTurns = 0;
  #busyUs = 0;
  #longestTurnUs = 0;

  constructor(spec: ActorSpec, actor: Actor) {
    this.id = spec.id;
    this.actor = actor;
    const memory = spec.memory.counters ?? new SharedArrayBuffer(counters.bytes);
    this.#words = new Int32Array(memory, 0, counters.cellsAt >> 2);
    this.#times = new Float64Array(memory, 0, counters.cellsAt >> 3);
    this.#turns = this.#words[counters.turnsAt >> 2] ?? 0;
    this.#busyTurns = this.#words[counters.busyTurnsAt >> 2] ?? 0;
    this.#busyUs = this.#times[counters.busyUsAt >> 3] ?? 0;
  }

  /** Before a turn: from `nowUs` on the actor counts as running, and as hung if no later beat comes. */
  begin(nowUs: number): void {
    if (nowUs >= this.wakeAtUs) this.wakeAtUs = Number.POSITIVE_INFINITY;
    this.#times[counters.beatAt >> 3] = nowUs;
    this.#words[counters.stateAt >> 2] = runState.running;
  }

  /** After a turn that did `done`. */
  end(startUs: number, endUs: number, done: number): void {
    const tookUs = endUs - startUs;
    this.#turns = (this.#turns + 1) | 0;
    this.#words[counters.turnsAt >> 2] = this.#turns;
    this.#times[counters.beatAt >> 3] = endUs;
    if (tookUs > this.#longestTurnUs) {
      this.#longestTurnUs = tookUs;
      this.#times[counters.longestTurnUsAt >> 3] = tookUs;
    }
    if (done === 0) return;
    this.#busyTurns = (this.#busyTurns + 1) | 0;
    this.#words[counters.busyTurnsAt >> 2] = this.#busyTurns;
    this.#busyUs += tookUs;
    this.#times[counters.busyUsAt >> 3] = this.#busyUs;
  }

  /** The thread is about to park until `untilUs` at the latest. */
  park(untilUs: number): void {
    this.#times[counters.parkedUntilAt >> 3] = untilUs;
    this.#words[counters.stateAt >> 2] = runState.parked;
  }

  /** The thread is awake again at `nowUs`. */
  unpark(nowUs: number): void {
    this.#times[counters.beatAt >> 3] = nowUs;
    this.#words[counters.stateAt >> 2] = runState.running;
  }

  /** Ends the actor: its own `close`, and the state that says so. */
  close(): void {
    this.#words[counters.stateAt >> 2] = runState.stopped;
    this.actor.close();
  }

  /** From the next turn on the actor is a broken one: it throws, or never returns. */
  sabotage(how: 'kill' | 'hang'): void {
    const victim = this.actor;
    const id = this.id;
    this.actor = {
      work() {
        if (how === 'kill') throw new ActorKilled(`${id} was killed on request (hawser actor kill)`);
        for (;;) spin();
      },
      onCommand: (command) => victim.onCommand(command),
      close: () => victim.close(),
    };
  }
}

/** A step of the endless loop that `hang` asks for: a call, so that termination can interrupt it like any real loop. */
function spin(): number {
  return Math.random();
}
