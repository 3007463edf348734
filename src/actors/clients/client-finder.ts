/** Of thousands of clients those that somebody looks for, in an order, a page at a time. */
import { peer as layout } from '../../contract/peer-tables.ts';
import type { ClientParams, FoundClients } from '../../control/client-calls.ts';
import type { RowTable } from '../../rings/table.ts';
import type { ClientLedger } from './client-ledger.ts';
import type { ClientRecord } from './client-record.ts';
import type { QuotaDesk } from './quota-desk.ts';
import type { ClientStore } from './store.ts';

export interface ClientFinderParts {
  readonly store: ClientStore;
  readonly ledger: Pick<ClientLedger, 'rowOf'>;
  readonly quotas: Pick<QuotaDesk, 'usedBytes'>;
  readonly peers: RowTable;
  /** Row by public key. */
  readonly rows: ReadonlyMap<string, number>;
}

export class ClientFinder {
  readonly #parts: ClientFinderParts;

  constructor(parts: ClientFinderParts) {
    this.#parts = parts;
  }

  find({ match, order, from, most }: ClientParams<'find'>): FoundClients {
    const { store, ledger } = this.#parts;
    const wanted = match.trim().normalize('NFC').toLowerCase();
    const found: ClientRecord[] = [];
    for (const { record } of store.list()) if (wanted === '' || hasIn(record, wanted)) found.push(record);
    const clients = this.#inOrder(found, order)
      .slice(from, from + most)
      .map((record) => ledger.rowOf(record));
    return { total: store.count, found: found.length, clients };
  }

  /** By name; by what is asked, the most and the latest first, and by name where that is equal. */
  #inOrder(records: readonly ClientRecord[], order: ClientParams<'find'>['order']): ClientRecord[] {
    const byName = records.toSorted((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
    if (order === 'name') return byName;
    const keyed = byName.map((record) => ({ record, key: this.#keyOf(record, order) }));
    return keyed.sort((a, b) => b.key - a.key).map(({ record }) => record);
  }

  #keyOf(record: ClientRecord, order: 'used' | 'active' | 'created'): number {
    const { quotas, peers, rows } = this.#parts;
    if (order === 'created') return record.createdMs;
    if (order === 'used') return quotas.usedBytes(record);
    const times = record.devices.map(({ publicKey }) => {
      const row = rows.get(publicKey);
      return row === undefined ? 0 : peers.number(row, layout.lastDataReceivedAt);
    });
    return Math.max(0, ...times);
  }
}

/** `wanted`: in small letters. */
function hasIn({ name, devices }: ClientRecord, wanted: string): boolean {
  if (name.toLowerCase().includes(wanted)) return true;
  return devices.some(
    (device) =>
      device.name.toLowerCase().includes(wanted) || device.addresses.some((address) => address.includes(wanted)),
  );
}
