/** From where an actor that follows events begins, when nothing says what it took before. */
import type { EventRecord } from '../../control/events.ts';

/**
 * The event after which it begins; 0 = it hears of the whole start, `ready` included, which mostly comes before this thread. That is who was
 * configured when the process began (`firstActors`) and starts for the first time, a reload in its first seconds or not. Others hear of what happens
 * from now on.
 */
export function firstEventFor(actorId: string, firstActors: readonly string[], known: readonly EventRecord[]): number {
  const isWhole = (known[0]?.id ?? 1) === 1;
  const isAgain = known.some(({ source, kind }) => source === actorId && kind === 'started');
  return firstActors.includes(actorId) && isWhole && !isAgain ? 0 : (known.at(-1)?.id ?? 0);
}
