/**
 * The duty cycle of one thread without its waiting: turns all its actors, rotating which goes first so that none of a compact
 * thread starves the next. The runners (`thread-runner.ts`, `hand-runner.ts`) decide what happens between two cycles.
 */
import { HawserError } from '../../base/errors.ts';
import type { DataApi } from '../../native/data-api.ts';
import type { Command } from './contract.ts';
import type { HostedActor } from './hosted-actor.ts';

/** A park never lasts longer: what slipped past every doorbell is found after this. */
export const longestParkUs = 50_000;

export class TurnCycle {
  readonly #clock: Pick<DataApi, 'nowUs'>;
  readonly #hosted: readonly HostedActor[];
  #first = 0;
  /** Whose turn it is; the one to blame when a turn throws. */
  current: HostedActor | undefined;

  constructor(clock: Pick<DataApi, 'nowUs'>, hosted: readonly HostedActor[]) {
    this.#clock = clock;
    this.#hosted = hosted;
  }

  /** One turn of every actor; returns how much they did together. A throw of one passes through, `current` names it. */
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
      const endUs = this.#clock.nowUs();
      one.end(startUs, endUs, work);
      startUs = endUs;
      done += work;
      index = index + 1 === count ? 0 : index + 1;
    }
    this.current = undefined;
    this.#first = this.#first + 1 >= count ? 0 : this.#first + 1;
    return done;
  }

  /** When a park that begins at `nowUs` must end. */
  deadlineUs(nowUs: number): number {
    let deadlineUs = nowUs + longestParkUs;
    for (const one of this.#hosted) if (one.wakeAtUs < deadlineUs) deadlineUs = one.wakeAtUs;
    return deadlineUs;
  }

  park(untilUs: number): void {
    for (const one of this.#hosted) one.park(untilUs);
  }

  unpark(nowUs: number): void {
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
