/**
 * What an operator may do to a link while it runs: take it out, put it back, send everything by it. The word stands in the link's
 * row, where the session-manager and the health-checker look and an actor that starts anew finds it; the sealer is told.
 */
import type { Topology } from '../actors/kit/topology.ts';
import type { ForceLinkCommand } from '../actors/sealer.ts';
import { HawserError } from '../base/errors.ts';
import { link } from '../contract/link-tables.ts';
import { linkTable, type RowTable } from '../rings/table.ts';
import type { SharedResources } from './shared-resources.ts';
import type { Supervisor } from './supervisor.ts';
import { tellSealers } from './tell-sealers.ts';

export class LinkOperator {
  readonly #supervisor: Pick<Supervisor, 'command' | 'note'>;
  readonly #rows: RowTable;
  readonly #topology: () => Topology;

  constructor(
    supervisor: Pick<Supervisor, 'command' | 'note'>,
    resources: Pick<SharedResources, 'tables'>,
    topology: () => Topology,
  ) {
    this.#supervisor = supervisor;
    this.#rows = linkTable(resources.tables.links);
    this.#topology = topology;
  }

  /** undefined = the mode decides again. Throws NO_SUCH_LINK. */
  force(name: string | undefined): void {
    const forcedRow = name === undefined ? -1 : this.#rowOf(name);
    if (forcedRow >= 0 && this.#rows.int(forcedRow, link.disabledAt) === 1) {
      throw new HawserError('LINK_DISABLED', `Link "${name}" is disabled`, `hawser link enable ${name}`);
    }
    for (const { row } of this.#topology().links) this.#rows.setInt(row, link.forcedAt, row === forcedRow ? 1 : 0);
    const command: ForceLinkCommand = { kind: 'force-link', link: name };
    tellSealers(this.#supervisor, this.#topology(), command);
    this.#supervisor.note('supervisor', { kind: 'failover-forced', ...(name === undefined ? {} : { link: name }) });
  }

  enable(name: string, enabled: boolean): void {
    const row = this.#rowOf(name);
    this.#rows.setInt(row, link.disabledAt, enabled ? 0 : 1);
    this.#supervisor.note('supervisor', { kind: enabled ? 'link-enabled' : 'link-disabled', link: name });
  }

  #rowOf(name: string): number {
    const { links } = this.#topology();
    const found = links.find((one) => one.name === name);
    if (found !== undefined) return found.row;
    const known = links.map((one) => one.name).join(', ');
    throw new HawserError('NO_SUCH_LINK', `There is no link "${name}"`, `there are: ${known}`);
  }
}
