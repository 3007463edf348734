/** Which actors share a thread. The tables are meant to be changed after a measurement; nothing else knows of them. */
import type { Role } from '../actors/kit/contract.ts';
import type { ActorPlan, ThreadPlan } from '../actors/kit/topology.ts';
import type { Config } from '../config/config.ts';

export type Placement = Config['runtime']['placement'];

interface Group {
  readonly thread: string;
  /** In the order of the first turn. */
  readonly roles: readonly Role[];
}

/**
 * Roles that share a thread; a role in no group has a thread for each of its actors. Roles of one group should have the same
 * turn kind: one `evented` actor takes the native wait from all others of its thread.
 */
const groups: Readonly<Record<Placement, readonly Group[]>> = {
  dedicated: [],
  compact: [
    { thread: 'outbound', roles: ['tun-reader', 'sealer'] },
    { thread: 'inbound', roles: ['wan-link', 'faketcp-stack', 'opener', 'tun-writer'] },
  ],
};

export function groupThreads(placement: Placement, actors: readonly ActorPlan[]): ThreadPlan[] {
  const threads: { id: string; actors: string[] }[] = [];
  for (const actor of actors) {
    const group = groups[placement].find((one) => one.roles.includes(actor.role));
    const id = group?.thread ?? actor.id;
    const thread = threads.find((one) => one.id === id);
    if (thread === undefined) threads.push({ id, actors: [actor.id] });
    else thread.actors.push(actor.id);
  }
  return threads;
}
