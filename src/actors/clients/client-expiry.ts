/** What ends by itself: clients whose time is over give back their leases, but for those that were asked for by name. */
import type { InstanceEvent } from '../../control/events.ts';
import type { ClientLedger } from './client-ledger.ts';
import type { ClientRecord, DeviceRecord } from './client-record.ts';
import type { Leases } from './leases.ts';
import type { PeerFeed } from './peer-feed.ts';
import { isExpired } from './peers-of.ts';
import type { ClientStore } from './store.ts';

export interface ClientExpiryParts {
  readonly store: ClientStore;
  readonly leases: Leases;
  readonly feed: PeerFeed;
  readonly ledger: ClientLedger;
  readonly emit: (event: InstanceEvent) => void;
  /** Since 1970. */
  readonly nowMs: () => number;
}

export class ClientExpiry {
  readonly #parts: ClientExpiryParts;

  constructor(parts: ClientExpiryParts) {
    this.#parts = parts;
  }

  /** Of the first; undefined = nobody expires. */
  nextDueMs(): number | undefined {
    let next: number | undefined;
    for (const { record } of this.#parts.store.list()) {
      const { expiresMs } = record;
      if (expiresMs === undefined || !this.#mayEnd(record)) continue;
      if (next === undefined || expiresMs < next) next = expiresMs;
    }
    return next;
  }

  /** Ends what is over. */
  async handleDue(): Promise<void> {
    const { store, leases, feed, ledger, nowMs, emit } = this.#parts;
    const over = [...store.list()].filter(({ record }) => isExpired(record, nowMs()) && this.#mayEnd(record));
    if (over.length === 0) return;
    for (const { record } of over) {
      ledger.end(record, 'expired');
      // Gone from the peers even where the disk is full, and nothing can be written.
      feed.refresh(record);
    }
    store.putAll(over.map(({ record, revision }) => ({ record: withoutLeases(record), revision })));
    for (const { record } of over) {
      const addresses = record.devices.filter(({ isReserved }) => !isReserved).flatMap((device) => device.addresses);
      leases.takeBack(addresses);
      emit({ kind: 'lease-expired', client: record.name, addresses });
    }
    await feed.settled();
  }

  /** It has something to give back, or may still connect. */
  #mayEnd(record: ClientRecord): boolean {
    return hasLease(record) || this.#parts.feed.hasPeers(record.id);
  }
}

function hasLease({ devices }: ClientRecord): boolean {
  return devices.some(({ addresses, isReserved }) => !isReserved && addresses.length > 0);
}

function withoutLeases(record: ClientRecord): ClientRecord {
  const bare = (device: DeviceRecord): DeviceRecord => (device.isReserved ? device : { ...device, addresses: [] });
  return { ...record, devices: record.devices.map(bare) };
}
