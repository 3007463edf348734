/**
 * The duty cycle of one thread without its waiting: turns all its actors, rotating which goes first so that none of a compact
 * thread starves the next. The runners (`thread-runner.ts`, `hand-runner.ts`) decide what happens between two cycles.
 */
import { HawserError } from '../../base/errors.ts';
import type { DataApi } from '../../native/data-api.ts';
import type { Command } from './contract.ts';
import type { HostedActor } from './hosted-actor.ts';

/** A park never lasts longer: what is only looked at now and then (the shared tables) is seen after this. */
export const longestParkUs = 50_000;
/** The same when there has been next to nothing to do for two windows: every packet, message and timer ends a park anyway. */
export const quietParkUs = 1_000_000;
const quietWindowUs = 5_000_000;
/** Busy turns a window: probes of idle paths and a ping a second leave a thread quiet. */
const quietTurns = 50;

export class TurnCycle {
  readonly #clock: Pick<DataApi, 'nowUs'>;
  readonly #hosted: readonly HostedActor[];
  readonly #quietTurns: number;
  #first = 0;
  /** Busy turns in the window that began at `#windowUs`, and in the one before; at first nobody is quiet. */
  #busy = Number.POSITIVE_INFINITY;
  #busyBefore = Number.POSITIVE_INFINITY;
  #windowUs: number;
  /** Whose turn it is; the one to blame when a turn throws. */
  current: HostedActor | undefined;

  /** `isPolled`: what its actors wait for may come without a doorbell, so that any work in a window keeps it from being quiet. */
  constructor(clock: Pick<DataApi, 'nowUs'>, hosted: readonly HostedActor[], isPolled = false) {
    this.#clock = clock;
    this.#hosted = hosted;
    this.#quietTurns = isPolled ? 0 : quietTurns;
    this.#windowUs = clock.nowUs();
  }

  /**
   * One turn of every actor; returns how much they did together. A throw of one passes through, `current` names it. Most turns of a cycle
   * find nothing to do and are over before the clock was read: what such a turn took counts to the next that did something.
   */
  turnAll(): number {
    const hosted = this.#hosted;
    const count = hosted.length;
    let done = 0;
    let index = this.#first;
    let startUs = this.#clock.nowUs();
    for (let turned = 0; turned < count; turned += 1) {
      const one = hosted[index] as HostedActor;
      this.current = one;
      one.begin(startUs);
      const work = one.actor.work(startUs);
      const endUs = work > 0 ? this.#clock.nowUs() : startUs;
      one.end(startUs, endUs, work);
      startUs = endUs;
      done += work;
      index = index + 1 === count ? 0 : index + 1;
    }
    this.current = undefined;
    this.#first = this.#first + 1 >= count ? 0 : this.#first + 1;
    if (done > 0) this.#busy += 1;
    return done;
  }

  /** When a park that begins at `nowUs` must end. */
  deadlineUs(nowUs: number): number {
    let deadlineUs = nowUs + (this.isQuiet(nowUs) ? quietParkUs : longestParkUs);
    for (const one of this.#hosted) if (one.wakeAtUs < deadlineUs) deadlineUs = one.wakeAtUs;
    return deadlineUs;
  }

  /** Next to nothing was to be done for 5 to 10 s. */
  isQuiet(nowUs: number): boolean {
    if (nowUs - this.#windowUs >= quietWindowUs) {
      this.#busyBefore = this.#busy;
      this.#busy = 0;
      this.#windowUs = nowUs;
    }
    return this.#busy <= this.#quietTurns && this.#busyBefore <= this.#quietTurns;
  }

  park(untilUs: number): void {
    for (const one of this.#hosted) one.park(untilUs);
  }

  /** The first actor goes first then: what a packet passes through stands in its order, and what woke the thread is mostly one packet. */
  unpark(nowUs: number): void {
    this.#first = 0;
    for (const one of this.#hosted) one.unpark(nowUs);
  }

  command(actorId: string, command: Command): void {
    const one = this.find(actorId);
    this.current = one;
    one.actor.onCommand(command);
    this.current = undefined;
  }

  find(actorId: string): HostedActor {
    const found = this.#hosted.find((one) => one.id === actorId);
    if (found === undefined) throw new HawserError('NO_SUCH_ACTOR', `This thread does not host "${actorId}"`);
    return found;
  }

  /** Closes every actor, last first; the first error is thrown after all were closed. */
  closeAll(): void {
    const errors: unknown[] = [];
    for (const one of [...this.#hosted].reverse()) {
      this.current = one;
      try {
        one.close();
      } catch (error) {
        errors.push(error);
      }
    }
    this.current = undefined;
    if (errors.length > 0) throw errors[0];
  }
}
