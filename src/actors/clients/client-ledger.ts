/**
 * What all verbs about clients do with store, leases and peers: written and followed by the peers or neither, given and taken back, counted against
 * the limits, told in rows.
 */
import { HawserError } from '../../base/errors.ts';
import type { ClientRow } from '../../control/client-calls.ts';
import type { InstanceEvent } from '../../control/events.ts';
import type { ClientRecord } from './client-record.ts';
import { rowOf } from './client-row.ts';
import type { InvitationRecord } from './invitation-record.ts';
import type { Leases } from './leases.ts';
import type { PeerFeed } from './peer-feed.ts';
import type { QuotaDesk } from './quota-desk.ts';
import type { SessionEnd } from './session-book.ts';
import type { SessionKeeper } from './session-keeper.ts';
import type { ClientStore } from './store.ts';

export interface ClientLedgerParts {
  readonly store: ClientStore;
  readonly feed: PeerFeed;
  readonly leases: Leases;
  readonly keeper: Pick<SessionKeeper, 'end' | 'sessions' | 'usageOf' | 'refusalOf'>;
  readonly quotas: Pick<QuotaDesk, 'quotaOf' | 'usedBytes'>;
  readonly mostClients: number;
  /** Of one client. */
  readonly mostDevices: number;
  readonly emit: (event: InstanceEvent) => void;
  /** Since 1970. */
  readonly nowMs: () => number;
}

export class ClientLedger {
  readonly #parts: ClientLedgerParts;

  constructor(parts: ClientLedgerParts) {
    this.#parts = parts;
  }

  records(): ClientRecord[] {
    return [...this.#parts.store.list()].map(({ record }) => record);
  }

  end(record: ClientRecord, reason: SessionEnd, keys = record.devices.map(({ publicKey }) => publicKey)): void {
    this.#parts.keeper.end(record, keys, reason);
  }

  /**
   * On the disk and among the peers, or neither. `onStored`: done between the two, while rows are as they were; `also`: written with it.
   */
  async put(
    record: ClientRecord,
    revision: number,
    { onStored, also }: { readonly onStored?: () => void; readonly also?: InvitationRecord } = {},
  ): Promise<void> {
    const { store, feed } = this.#parts;
    await feed.check(record.id, record);
    const before = store.get(record.id);
    const invitation = [...store.invitations.list()].find(({ id }) => id === also?.id);
    const stored = store.putIfRevision(record, revision, also);
    onStored?.();
    try {
      await feed.settled();
    } catch (error) {
      // A reload came in between, and the name or the address is a peer's of the file now.
      if (before !== undefined) store.putIfRevision(before.record, stored.revision, invitation);
      else {
        store.delete(record.id, stored.revision);
        if (invitation !== undefined) store.invitations.putAll([invitation]);
      }
      await feed.settled().catch(() => undefined);
      throw error;
    }
  }

  give(client: string, asked: readonly string[], held: readonly string[] = []): string[] {
    try {
      return this.#parts.leases.give(asked, held);
    } catch (error) {
      if (error instanceof HawserError && error.code === 'NO_LEASE')
        this.#parts.emit({ kind: 'limit-reached', client, limit: 'pool' });
      throw error;
    }
  }

  checkDevices(client: string, count: number): void {
    const { mostDevices, emit } = this.#parts;
    if (count <= mostDevices) return;
    emit({ kind: 'limit-reached', client, limit: 'perClient' });
    const message = `Client "${client}" would have ${count} devices, server.limits.perClient allows ${mostDevices}`;
    throw new HawserError('LIMIT', message, 'remove one, or raise it in the file and reload');
  }

  checkExpiry(expiresMs: number | undefined): void {
    if (expiresMs !== undefined && expiresMs <= this.#parts.nowMs())
      throw new HawserError('EXPIRES', 'The client would have expired already', 'name a later time');
  }

  checkCount(client: string, count = this.#parts.store.count): void {
    const { store, mostClients, emit } = this.#parts;
    if (count < mostClients) return;
    emit({ kind: 'limit-reached', client, limit: 'clients' });
    const message = `There are ${store.count} clients, as many as server.limits.clients allows`;
    throw new HawserError('LIMIT', message, 'remove some, or raise it in the file and reload');
  }

  rowOf(record: ClientRecord): ClientRow {
    const { store, feed, nowMs, quotas, keeper } = this.#parts;
    const revision = store.get(record.id)?.revision ?? 0;
    const kickedUntilMs = feed.barredUntilMs(record.id);
    const quota = quotas.quotaOf(record);
    const { refusalOf } = keeper;
    return rowOf(record, { revision, nowMs: nowMs(), kickedUntilMs, limits: feed.limitsOf(record), quota, refusalOf });
  }
}

export function addressesOf({ devices }: ClientRecord): string[] {
  return devices.flatMap(({ addresses }) => addresses);
}
