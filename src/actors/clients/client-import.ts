/** Takes clients of another store in, as `hawser client export` printed them: all or none. One that is there is replaced. */
import { HawserError } from '../../base/errors.ts';
import { importedFrom } from './backup.ts';
import type { ClientIndex } from './client-index.ts';
import { addressesOf, type ClientLedger } from './client-ledger.ts';
import { type OutsideParts, withOutsides } from './client-outside.ts';
import type { ClientRecord } from './client-record.ts';
import type { Leases } from './leases.ts';
import type { PeerFeed } from './peer-feed.ts';
import type { ClientStore } from './store.ts';

export interface ClientImportParts {
  readonly store: ClientStore;
  readonly leases: Leases;
  readonly feed: PeerFeed;
  readonly index: ClientIndex;
  readonly ledger: ClientLedger;
  readonly mostClients: number;
  readonly outside: OutsideParts;
}

export class ClientImport {
  readonly #parts: ClientImportParts;

  constructor(parts: ClientImportParts) {
    this.#parts = parts;
  }

  /** Resolves to how many there were. Throws IMPORT, and what stands in the way of one of them. */
  async take(values: readonly unknown[]): Promise<number> {
    const { store, leases, feed, index, ledger, mostClients, outside } = this.#parts;
    const read = values.map((value, at) => {
      const stored = importedFrom(value);
      if (stored !== undefined) return stored.record;
      throw new HawserError('IMPORT', `Entry ${at + 1} is no client`, 'take what `hawser client export` printed');
    });
    const ids = new Set(read.map(({ id }) => id));
    const fresh = read.filter(({ id }) => store.get(id) === undefined);
    if (store.count + fresh.length > mostClients) ledger.checkCount(fresh[0]?.name ?? '', mostClients);
    index.checkImport(read);
    for (const { name, devices } of read) ledger.checkDevices(name, devices.length);
    const others = ledger.records().filter(({ id }) => !ids.has(id));
    const wanted = withOutsides(read, others, outside);
    for (const record of wanted) await feed.check(record.id, record);
    const before = wanted.flatMap(({ id }) => store.get(id)?.record ?? []);
    const held = before.flatMap(addressesOf);
    leases.takeBack(held);
    const taken: string[] = [];
    try {
      for (const record of wanted) taken.push(...leases.takeThese(addressesOf(record)));
      store.putAll(wanted.map((record) => ({ record, revision: store.get(record.id)?.revision ?? 0 })));
    } catch (error) {
      leases.takeBack(taken);
      leases.takeThese(held);
      throw error;
    }
    for (const record of before) this.#endLost(record, store.get(record.id)?.record);
    await feed.settled();
    return wanted.length;
  }

  /** Keys that it has no more, or that may not connect any more. */
  #endLost(before: ClientRecord, after: ClientRecord | undefined): void {
    const isOff = after?.isEnabled !== true;
    const kept = new Set(isOff ? [] : after.devices.map(({ publicKey }) => publicKey));
    const lost = before.devices.map(({ publicKey }) => publicKey).filter((key) => !kept.has(key));
    if (lost.length > 0) this.#parts.ledger.end(before, isOff ? 'disabled' : 'replaced', lost);
  }
}
