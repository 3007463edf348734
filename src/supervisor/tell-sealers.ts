/** What an operator or a plugin says is for the sealers of all shards. */
import type { Command } from '../actors/kit/contract.ts';
import type { Topology } from '../actors/kit/topology.ts';
import type { Supervisor } from './supervisor.ts';

export function tellSealers(supervisor: Pick<Supervisor, 'command'>, { actors }: Topology, command: Command): void {
  for (const { id, role } of actors) if (role === 'sealer') supervisor.command(id, command);
}
