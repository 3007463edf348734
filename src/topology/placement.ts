/** Which actors share a thread. The tables are meant to be changed after a measurement; nothing else knows of them. */
import type { Role } from '../actors/kit/contract.ts';
import type { ActorPlan, Placement, ThreadPlan } from '../actors/kit/topology.ts';
import type { Config } from '../config/config.ts';
import { ofShard } from '../rings/shards.ts';

/** With fewer processors the five threads of the packet path are in each other's way (docs/adr/0019). */
const dedicatedCores = 4;

interface Group {
  readonly thread: string;
  /** In the order of the first turn. */
  readonly roles: readonly Role[];
}

/**
 * Roles that share a thread, in each shard one of its own; a role in no group has a thread for each of its actors. Roles of one group should
 * have the same turn kind: one `evented` actor takes the native wait from all others of its thread.
 */
const groups: Readonly<Record<Placement['kind'], readonly Group[]>> = {
  dedicated: [],
  compact: [
    { thread: 'outbound', roles: ['tun-reader', 'sealer'] },
    { thread: 'inbound', roles: ['wan-link', 'faketcp-stack', 'opener', 'tun-writer'] },
  ],
};

/** `cores`: processors that this process may use (`os.availableParallelism`). */
export function choosePlacement(wish: Config['runtime']['placement'], cores: number): Placement {
  if (wish !== 'auto') return { kind: wish };
  return { kind: cores < dedicatedCores ? 'compact' : 'dedicated', cores };
}

/** `compact`, or `compact, chosen for 2 processors`, and how many shards if there are several. */
export function formatPlacement({ kind, cores }: Placement, shards = 1): string {
  const why = cores === undefined ? [] : [`chosen for ${cores} ${cores === 1 ? 'processor' : 'processors'}`];
  return [kind, ...why, ...(shards === 1 ? [] : [`${shards} shards`])].join(', ');
}

/** Those of `roles` that would share a thread, with one actor each: what to load into threads before there is a topology. */
export function groupRoles(kind: Placement['kind'], roles: readonly Role[]): Role[][] {
  const groupOf = (role: Role): Group | undefined => groups[kind].find((one) => one.roles.includes(role));
  const shared = groups[kind].map((group) => roles.filter((role) => group.roles.includes(role)));
  const alone = roles.filter((role) => groupOf(role) === undefined).map((role) => [role]);
  return [...shared, ...alone].filter((one) => one.length > 0);
}

export function groupThreads(kind: Placement['kind'], actors: readonly ActorPlan[]): ThreadPlan[] {
  const threads: { id: string; actors: string[] }[] = [];
  for (const actor of actors) {
    const group = groups[kind].find((one) => one.roles.includes(actor.role));
    const id = group === undefined ? actor.id : ofShard(group.thread, actor.shard ?? 0);
    const thread = threads.find((one) => one.id === id);
    if (thread === undefined) threads.push({ id, actors: [actor.id] });
    else thread.actors.push(actor.id);
  }
  return threads;
}
