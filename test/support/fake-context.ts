/** What an actor is given by its thread, when there is none: it wakes nobody, holds nothing, and reads whatever it likes. */
import type { ActorContext } from '../../src/actors/kit/contract.ts';
import { alwaysReadable } from '../../src/actors/kit/readable.ts';

/** `given`: what the test wants to see or to say otherwise. */
export function fakeContext(given: Pick<ActorContext, 'spec' | 'addon'> & Partial<ActorContext>): ActorContext {
  return {
    supervisor: undefined,
    emit: () => undefined,
    wakeAt: () => undefined,
    holdFdsUntil: () => undefined,
    letPacketsIn: () => undefined,
    readable: () => alwaysReadable,
    track: (promise) => promise,
    ...given,
  };
}
