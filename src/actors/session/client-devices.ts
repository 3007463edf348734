/**
 * Which peers are devices of one client: they have its rates together, in one bucket each way. The first that came is the lead, in whose row
 * what they are policed by in sum stands; when it goes, the next one is.
 */
import { peer as layout } from '../../contract/peer-tables.ts';
import type { RowTable } from '../../rings/table.ts';

const none = 0;

export class ClientDevices {
  readonly #peers: RowTable;
  /** Client → rows of its devices, in the order in which they came. */
  readonly #rows = new Map<string, Set<number>>();
  /** Row → its client. */
  readonly #clients = new Map<number, string>();
  /** Rows that have a rate together with others. */
  readonly #sharing = new Set<number>();

  constructor(peers: RowTable) {
    this.#peers = peers;
  }

  /** The peer in `row` is there, or its rates are others; undefined = it is no client's. Its row is told of by who calls. */
  enter(row: number, client: string | undefined): void {
    if (this.#clients.get(row) !== client) this.leave(row);
    if (client === undefined) {
      this.#lead(row, none);
      return;
    }
    const rows = this.#rows.get(client) ?? new Set();
    this.#rows.set(client, rows);
    this.#clients.set(row, client);
    rows.add(row);
    this.#leadAll(rows);
  }

  leave(row: number): void {
    const client = this.#clients.get(row);
    if (client === undefined) return;
    this.#clients.delete(row);
    const rows = this.#rows.get(client);
    rows?.delete(row);
    this.#lead(row, none);
    if (rows === undefined || rows.size === 0) this.#rows.delete(client);
    else this.#leadAll(rows);
  }

  #leadAll(rows: ReadonlySet<number>): void {
    const [first = none] = rows;
    for (const row of rows) this.#lead(row, rows.size > 1 ? first + 1 : none);
  }

  #lead(row: number, lead: number): void {
    const peers = this.#peers;
    if (lead !== none && peers.number(row, layout.takeBpsAt) > 0) this.#sharing.add(row);
    else this.#sharing.delete(row);
    peers.setHeadNumber(layout.haveLeadsAt, this.#sharing.size > 0 ? 1 : 0);
    if (peers.int(row, layout.leadAt) === lead) return;
    peers.setInt(row, layout.leadAt, lead);
    peers.tell(row);
  }
}
