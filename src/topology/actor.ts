/** An actor's plan from what is special about it. */
import type { ActorPlan } from '../actors/kit/topology.ts';

export function actor(plan: Partial<ActorPlan> & Pick<ActorPlan, 'id' | 'role'>): ActorPlan {
  return { settings: {}, learns: {}, tables: [], ownTables: [], hearsOfPeers: false, fds: {}, wakeOn: [], ...plan };
}
