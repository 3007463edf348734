/**
 * What actors say is wrong and stays so until they say that it is over: `state-file` with a `remedy`. Shown by
 * `status` and `explain` beside what is wrong with the host's network.
 */
import type { InstanceEvent } from '../control/events.ts';

export interface StandingTrouble {
  readonly text: string;
  readonly remedy: string;
}

export class StandingTroubles {
  /** By actor, and by file. */
  readonly #troubles = new Map<string, Map<string, StandingTrouble>>();

  /** True when something is wrong from now on. */
  handle(actorId: string, { file, message, remedy }: InstanceEvent<'state-file'>): boolean {
    const ofActor = this.#troubles.get(actorId) ?? new Map<string, StandingTrouble>();
    this.#troubles.set(actorId, ofActor);
    if (remedy === undefined) ofActor.delete(file);
    else ofActor.set(file, { text: `The file ${file} ${message}`, remedy });
    return remedy !== undefined;
  }

  /** An actor is gone: its successor says anew what is wrong. */
  forget(actorId: string): void {
    this.#troubles.delete(actorId);
  }

  all(): StandingTrouble[] {
    return [...this.#troubles.values()].flatMap((ofActor) => [...ofActor.values()]);
  }
}
