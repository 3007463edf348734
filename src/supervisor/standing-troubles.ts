/**
 * What actors say is wrong and stays so until they say that it is over: `state-file` with a `remedy`, `call-failed`, `api-off`,
 * and what plugins fail by. Shown by
 * `status` and `explain` beside what is wrong with the host's network.
 */
import type { InstanceEvent } from '../control/events.ts';

export interface StandingTrouble {
  readonly text: string;
  readonly remedy: string;
}

const apiRemedy = 'it is tried again each second; the section `api` of the configuration says where it listens';
const pluginRemedy = '`hawser plugin list` and the log say more; docs/operating/plugins.md what a plugin may';
const callRemedy = 'look whether that port is open there, and what on the way may close it';

export class StandingTroubles {
  /** By actor, and by what it is about. */
  readonly #troubles = new Map<string, Map<string, StandingTrouble>>();
  readonly #speakers = new Set<string>();

  /** Events of other kinds are passed over. */
  handle(actorId: string, event: InstanceEvent): void {
    if (event.kind === 'state-file') {
      const { file, message, remedy } = event;
      this.#set(actorId, file, remedy === undefined ? undefined : { text: `The file ${file} ${message}`, remedy });
    } else if (event.kind === 'call-failed') {
      const { peer, link, endpoint, reason, remedy } = event;
      const text = `By link ${link} peer ${peer} cannot be reached at ${endpoint}: ${reason}`;
      this.#set(actorId, endpoint, { text, remedy: remedy === '' ? callRemedy : remedy });
    } else if (event.kind === 'api-off') {
      const { reason, remedy } = event;
      this.#set(actorId, 'api', { text: `The HTTP API is off: ${reason}`, remedy: remedy === '' ? apiRemedy : remedy });
    } else if (event.kind === 'plugin-failed' || event.kind === 'plugin-given-up') {
      const { plugin, reason } = event;
      const isOver = event.kind === 'plugin-given-up';
      const text = `Plugin ${plugin} ${isOver ? 'is given up' : 'fails'}: ${reason}`;
      this.#set(actorId, `plugin ${plugin}`, { text, remedy: isOver ? event.remedy : pluginRemedy });
    } else if (event.kind === 'plugin-recovered') this.#set(actorId, `plugin ${event.plugin}`, undefined);
    else if (event.kind === 'api-on') this.#set(actorId, 'api', undefined);
    else if (event.kind === 'call-answered') this.#set(actorId, event.endpoint, undefined);
  }

  /** An actor is gone: its successor says anew what is wrong. */
  forget(actorId: string): void {
    this.#troubles.delete(actorId);
    this.#speakers.delete(actorId);
  }

  /** Whether it has said of anything that it works or does not. */
  hasSaid(actorId: string): boolean {
    return this.#speakers.has(actorId);
  }

  of(actorId: string): readonly StandingTrouble[] {
    return [...(this.#troubles.get(actorId)?.values() ?? [])];
  }

  all(): StandingTrouble[] {
    return [...this.#troubles.values()].flatMap((ofActor) => [...ofActor.values()]);
  }

  #set(actorId: string, about: string, trouble: StandingTrouble | undefined): void {
    const ofActor = this.#troubles.get(actorId) ?? new Map<string, StandingTrouble>();
    this.#troubles.set(actorId, ofActor);
    this.#speakers.add(actorId);
    if (trouble === undefined) ofActor.delete(about);
    else ofActor.set(about, trouble);
  }
}
