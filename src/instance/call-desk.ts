/**
 * Between operators and actors that answer by themselves: carries questions to them as commands, and their answers back. Who asks one that starts
 * waits for it; who asks one that could not be kept hears so at once.
 */
import type { ActorCall, CallOutcome, CallSourceApi } from '../actors/kit/actor-calls.ts';
import { HawserError } from '../base/errors.ts';
import type { ActorState } from '../control/supervisor-api.ts';

/** Longer than any disk should take, shorter than the control-server's patience. */
const deadlineMs = 9_000;

export interface CallDeskParts {
  /** Throws when there is no such actor. */
  command(actorId: string, call: ActorCall): void;
  /** One that is `running` reads commands. */
  stateOf(actorId: string): ActorState;
}

interface Waiting {
  readonly actorId: string;
  readonly call: ActorCall;
  isSent: boolean;
  readonly silence: HawserError;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
  readonly timer: NodeJS.Timeout;
}

export class CallDesk implements CallSourceApi {
  readonly #parts: CallDeskParts;
  readonly #waiting = new Map<number, Waiting>();
  #lastId = 0;

  constructor(parts: CallDeskParts) {
    this.#parts = parts;
  }

  /** Rejects with what the actor says, or `silence` when it says nothing. */
  call(actorId: string, verb: string, params: unknown, silence = silenceOf(actorId)): Promise<unknown> {
    this.#lastId += 1;
    const id = this.#lastId;
    const call: ActorCall = { kind: 'actor-call', id, verb, params };
    return new Promise((resolve, reject) => {
      const state = this.#parts.stateOf(actorId);
      if (state === 'failed') throw failedOf(actorId);
      const isSent = state === 'running';
      if (isSent) this.#parts.command(actorId, call);
      const timer = setTimeout(
        () => this.#settle(id, (one) => one.reject(one.isSent ? silence : lateOf(actorId))),
        deadlineMs,
      );
      this.#waiting.set(id, { actorId, call, isSent, silence, resolve, reject, timer });
    });
  }

  /** It could not be kept: who waits for it would wait for the next try. */
  handleGivenUp(actorId: string): void {
    for (const [id, waiting] of [...this.#waiting])
      if (waiting.actorId === actorId) this.#settle(id, (one) => one.reject(failedOf(actorId)));
  }

  /** It runs, for the first time, or in another thread, which knows nothing of what its predecessor was asked. */
  handleNew(actorId: string): void {
    for (const [id, waiting] of [...this.#waiting]) {
      if (waiting.actorId !== actorId) continue;
      if (waiting.isSent) this.#settle(id, (one) => one.reject(waiting.silence));
      else this.#parts.command(actorId, waiting.call);
      waiting.isSent = true;
    }
  }

  answerActorCall(id: number, outcome: CallOutcome): void {
    this.#settle(id, ({ resolve, reject }) => {
      if (outcome.ok) resolve(outcome.value);
      else reject(new HawserError(outcome.code, outcome.message, outcome.remedy));
    });
  }

  #settle(id: number, act: (waiting: Waiting) => void): void {
    const waiting = this.#waiting.get(id);
    if (waiting === undefined) return;
    clearTimeout(waiting.timer);
    this.#waiting.delete(id);
    act(waiting);
  }
}

function failedOf(actorId: string): HawserError {
  const remedy = `\`hawser actor restart ${actorId}\` tries it again now, \`hawser errors --stack\` says why`;
  return new HawserError('ACTOR_FAILED', `The ${actorId} has failed`, remedy);
}

function lateOf(actorId: string): HawserError {
  return new HawserError('STARTING', `The ${actorId} does not run yet`, '`hawser actors` says what it does; try again');
}

function silenceOf(actorId: string): HawserError {
  return new HawserError('SILENT', `The ${actorId} did not answer`, 'see `hawser actors`, and try again');
}
