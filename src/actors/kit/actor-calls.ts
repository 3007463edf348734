/** Questions of operators to an evented actor: they come as commands, and are answered over RPC to the instance that asked. */
import type { Calls } from '../../base/calls.ts';
import { HawserError, messageOf } from '../../base/errors.ts';

export interface ActorCall {
  readonly kind: 'actor-call';
  readonly id: number;
  readonly verb: string;
  readonly params: unknown;
}

export type CallOutcome =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly code: string; readonly message: string; readonly remedy: string };

/** Served by the instance. */
export interface CallSourceApi {
  answerActorCall(id: number, outcome: CallOutcome): void | Promise<void>;
}

/** Answers `call` with what `perform` returns or throws. */
export async function performCall(
  instance: Calls<CallSourceApi>,
  { id, verb, params }: ActorCall,
  perform: (verb: string, params: unknown) => unknown,
): Promise<void> {
  let outcome: CallOutcome;
  try {
    outcome = { ok: true, value: await perform(verb, params) };
  } catch (error) {
    const code: unknown = error instanceof Error ? Reflect.get(error, 'code') : undefined;
    const isOurs = error instanceof HawserError;
    outcome = {
      ok: false,
      code: typeof code === 'string' ? code : 'FAILED',
      message: isOurs ? error.fault : messageOf(error),
      remedy: isOurs ? error.remedy : '',
    };
  }
  await instance.request('answerActorCall', id, outcome);
}
