/**
 * What an operator may say of transports while the instance runs: which are preferred, and one that comes before all. The word stands in the
 * rows of all carriers, of links that come later as well, where a sealer that starts anew finds it; it ends with the process.
 */
import type { Topology } from '../actors/kit/topology.ts';
import type { FollowTransportsCommand } from '../actors/sealer.ts';
import { HawserError } from '../base/errors.ts';
import type { Config } from '../config/config.ts';
import { transportsOf } from '../config/transports.ts';
import { carrier, type TransportName } from '../contract/link-tables.ts';
import { placeOf, transportName, transportOf } from '../rings/carriers.ts';
import { carrierTable, type RowTable } from '../rings/table.ts';
import type { SharedResources } from './shared-resources.ts';
import type { Supervisor } from './supervisor.ts';
import { tellSealers } from './tell-sealers.ts';

export class TransportOperator {
  readonly #supervisor: Pick<Supervisor, 'command' | 'note'>;
  readonly #rows: RowTable;
  readonly #config: () => Config;
  readonly #topology: () => Topology;

  constructor(
    supervisor: Pick<Supervisor, 'command' | 'note'>,
    resources: Pick<SharedResources, 'tables'>,
    config: () => Config,
    topology: () => Topology,
  ) {
    this.#supervisor = supervisor;
    this.#rows = carrierTable(resources.tables.carriers);
    this.#config = config;
    this.#topology = topology;
  }

  /** The most preferred first; those that are not named come behind. Throws NO_SUCH_TRANSPORT. */
  order(names: readonly string[]): void {
    const order = [...new Set(names.map((name) => this.#known(name)))];
    this.#write(carrier.placeAt, (by) => placeOf(order, by));
    this.#tell({ order: order.join(',') });
  }

  /** By each link this one carries as long as it lives. Throws NO_SUCH_TRANSPORT. */
  force(name: string): void {
    const forced = this.#known(name);
    this.#write(carrier.forcedAt, (by) => (by === forced ? 1 : 0));
    this.#tell({ forced });
  }

  /** As the configuration has it. */
  release(): void {
    this.#write(carrier.placeAt, () => 0);
    this.#write(carrier.forcedAt, () => 0);
    this.#tell({});
  }

  #write(column: number, wordOf: (by: TransportName) => number): void {
    for (let row = 0; row < this.#rows.rows; row += 1) {
      const by = transportName(transportOf(row));
      if (by !== undefined) this.#rows.setInt(row, column, wordOf(by));
    }
  }

  #tell(said: { readonly order?: string; readonly forced?: string }): void {
    const command: FollowTransportsCommand = { kind: 'follow-transports' };
    tellSealers(this.#supervisor, this.#topology(), command);
    this.#supervisor.note('supervisor', { kind: 'transports', ...said });
  }

  #known(name: string): TransportName {
    const known = transportsOf(this.#config());
    for (const by of known) if (by === name) return by;
    throw new HawserError('NO_SUCH_TRANSPORT', `No link uses transport "${name}"`, `there are: ${known.join(', ')}`);
  }
}
