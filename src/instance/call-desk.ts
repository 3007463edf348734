/** Between operators and actors that answer by themselves: carries questions to them as commands, and their answers back. */
import type { ActorCall, CallOutcome, CallSourceApi } from '../actors/kit/actor-calls.ts';
import { HawserError } from '../base/errors.ts';

/** Longer than any disk should take, shorter than the control-server's patience. */
const deadlineMs = 9_000;

interface Waiting {
  readonly actorId: string;
  readonly silence: HawserError;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
  readonly timer: NodeJS.Timeout;
}

export class CallDesk implements CallSourceApi {
  readonly #command: (actorId: string, call: ActorCall) => void;
  readonly #waiting = new Map<number, Waiting>();
  #lastId = 0;

  /** `command`: throws when there is no such actor. */
  constructor(command: (actorId: string, call: ActorCall) => void) {
    this.#command = command;
  }

  /** Rejects with what the actor says, or `silence` when it says nothing. */
  call(actorId: string, verb: string, params: unknown, silence = silenceOf(actorId)): Promise<unknown> {
    this.#lastId += 1;
    const id = this.#lastId;
    return new Promise((resolve, reject) => {
      this.#command(actorId, { kind: 'actor-call', id, verb, params });
      const timer = setTimeout(() => this.#settle(id, (one) => one.reject(silence)), deadlineMs);
      this.#waiting.set(id, { actorId, silence, resolve, reject, timer });
    });
  }

  /** Another thread has taken its place, and knows nothing of what its predecessor was asked. */
  handleNew(actorId: string): void {
    for (const [id, waiting] of [...this.#waiting])
      if (waiting.actorId === actorId) this.#settle(id, (one) => one.reject(waiting.silence));
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

function silenceOf(actorId: string): HawserError {
  return new HawserError('SILENT', `The ${actorId} did not answer`, 'see `hawser actors`, and try again');
}
