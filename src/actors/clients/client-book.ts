/**
 * The clients of a hub: what operators may do with them. Each verb is one change of the store; the peers follow from it (`peer-feed.ts`).
 * Verbs are done one after the other (`client-store.ts`), so that what was checked still holds when it is written.
 */
import { messageOf } from '../../base/errors.ts';
import type { ClientAnswers, ClientParams, ClientRow, ClientVerb, HubFacts } from '../../control/client-calls.ts';
import type { RowTable } from '../../rings/table.ts';
import { exportedOf } from './backup.ts';
import { ClientExpiry } from './client-expiry.ts';
import { ClientFinder } from './client-finder.ts';
import { ClientImport } from './client-import.ts';
import { ClientIndex } from './client-index.ts';
import { addressesOf, ClientLedger, type ClientLedgerParts } from './client-ledger.ts';
import { type OutsideParts, withForward, withoutForward, withPublicAddress } from './client-outside.ts';
import { withQuota } from './client-quota.ts';
import { withRates } from './client-rates.ts';
import type { ClientRecord, DeviceRecord } from './client-record.ts';
import { DeviceBook } from './device-book.ts';
import { InvitationBook } from './invitation-book.ts';
import type { InvitationRecord } from './invitation-record.ts';
import { isExpired } from './peers-of.ts';

export interface ClientBookParts extends ClientLedgerParts {
  readonly randomBytes: (count: number) => Buffer;
  readonly outside: OutsideParts;
  readonly peers: RowTable;
  readonly hubFacts: () => Promise<HubFacts>;
}

type Verbs = { [V in ClientVerb]: (params: ClientParams<V>) => ClientAnswers[V] | Promise<ClientAnswers[V]> };

export class ClientBook {
  readonly #parts: ClientBookParts;
  readonly #index: ClientIndex;
  readonly #ledger: ClientLedger;
  readonly #devices: DeviceBook;
  readonly #finder: ClientFinder;
  readonly #import: ClientImport;
  readonly #expiry: ClientExpiry;
  readonly invitations: InvitationBook;
  readonly verbs: Verbs = {
    add: (params) => this.#add(params),
    list: () => [...this.#parts.store.list()].map(({ record }) => this.#ledger.rowOf(record)),
    find: (params) => this.#finder.find(params),
    sessions: () => this.#parts.keeper.sessions(),
    usage: ({ name }) => this.#parts.keeper.usageOf(this.#index.find(name).record),
    show: ({ name }) => this.#ledger.rowOf(this.#index.find(name).record),
    set: (params) => this.#set(params),
    enable: ({ name }) => this.#enable(name, true),
    disable: ({ name }) => this.#enable(name, false),
    remove: ({ name, revision }) => this.#remove(name, revision),
    rename: (params) => this.#rename(params),
    kick: (params) => this.#kick(params),
    addDevice: (params) => this.#devices.add(params),
    removeDevice: (params) => this.#devices.remove(params),
    export: () => ({ clients: [...this.#parts.store.list()].map(exportedOf) }),
    import: async ({ clients }) => ({ count: await this.#import.take(clients) }),
    forward: (params) => this.#forward(params),
    invite: (params) => this.invitations.invite(params),
    invitations: () => this.invitations.list(),
    revoke: ({ name }) => this.invitations.revoke(name),
  };

  constructor(parts: ClientBookParts) {
    this.#parts = parts;
    const index = new ClientIndex(parts.store);
    const ledger = new ClientLedger(parts);
    this.#index = index;
    this.#ledger = ledger;
    this.#devices = new DeviceBook({ ...parts, index, ledger });
    this.#finder = new ClientFinder({ ...parts, rows: parts.feed.rows, ledger });
    this.#import = new ClientImport({ ...parts, index, ledger });
    this.#expiry = new ClientExpiry({ ...parts, ledger });
    const clients = {
      checkCount: (name: string): void => this.#ledger.checkCount(name),
      give: (name: string): string[] => this.#ledger.give(name, []),
      takeBack: (addresses: readonly string[]): void => parts.leases.takeBack(addresses),
      put: (record: ClientRecord, revision: number, also: InvitationRecord): Promise<void> =>
        this.#ledger.put(record, revision, { also }),
      remove: async (record: ClientRecord): Promise<void> => void (await this.#remove(record.name)),
    };
    this.invitations = new InvitationBook({ ...parts, index, clients });
  }

  /** When there is something to do by itself: a client expires, or may come again; undefined = never. */
  nextDueMs(): number | undefined {
    return earlier(earlier(this.#parts.feed.nextLetInMs(), this.invitations.nextDueMs()), this.#expiry.nextDueMs());
  }

  async handleDue(): Promise<void> {
    const { feed, store } = this.#parts;
    for (const id of feed.letIn()) {
      const stored = store.get(id);
      if (stored !== undefined) feed.refresh(stored.record);
    }
    await this.#expiry.handleDue();
    await this.invitations.handleDue();
    await feed.settled();
  }

  async #add(params: ClientParams<'add'>): Promise<ClientAnswers['add']> {
    const { store, randomBytes, nowMs, emit, leases } = this.#parts;
    const name = this.#index.freeName(params.name);
    this.#index.checkKey(params.publicKey);
    this.#ledger.checkExpiry(params.expiresMs);
    this.#ledger.checkCount(name);
    const presharedKey = params.presharedKey ? randomBytes(32).toString('base64') : '';
    const addresses = this.#ledger.give(name, params.addresses);
    const bare: ClientRecord = {
      id: randomBytes(8).toString('hex'),
      name,
      isEnabled: true,
      createdMs: nowMs(),
      expiresMs: params.expiresMs,
      devices: [
        { name: '', publicKey: params.publicKey, presharedKey, addresses, isReserved: params.addresses.length > 0 },
      ],
    };
    const record = withQuota(withRates(bare, params.rates), params.quota);
    try {
      await this.#ledger.put(record, 0);
    } catch (error) {
      if (store.get(record.id) === undefined) leases.takeBack(addresses);
      throw error;
    }
    emit({ kind: 'client-created', client: name });
    emit({ kind: 'lease-given', client: name, addresses });
    return { client: this.#ledger.rowOf(record), presharedKey };
  }

  /** An address that is asked for takes the place of the one of its pool; a client whose time goes on gets what it lacks. */
  async #set({
    name,
    revision: seen,
    addresses = [],
    expiresMs,
    publicAddress,
    rates,
    quota,
  }: ClientParams<'set'>): Promise<ClientRow> {
    const { leases, nowMs, emit } = this.#parts;
    const { record, revision } = this.#index.find(name, seen);
    this.#ledger.checkExpiry(expiresMs ?? undefined);
    const until = { ...record, expiresMs: expiresMs === undefined ? record.expiresMs : (expiresMs ?? undefined) };
    const given: string[] = [];
    let wanted: ClientRecord;
    try {
      const devices = isExpired(until, nowMs()) ? record.devices : this.#leased(record, addresses, given);
      wanted = this.#withAddress(withQuota(withRates({ ...until, devices }, rates), quota), publicAddress);
      await this.#ledger.put(wanted, revision);
    } catch (error) {
      leases.takeBack(given);
      throw error;
    }
    const held = new Set(addressesOf(wanted));
    leases.takeBack(addressesOf(record).filter((address) => !held.has(address)));
    if (given.length > 0) emit({ kind: 'lease-given', client: record.name, addresses: given });
    return this.#ledger.rowOf(wanted);
  }

  /** The devices with what they lack, the first with what is asked for; what that takes of the pools is added to `given` at once. */
  #leased(record: ClientRecord, addresses: readonly string[], given: string[]): DeviceRecord[] {
    return record.devices.map((device, at): DeviceRecord => {
      const asked = at === 0 ? addresses : [];
      const kept = device.addresses.filter(
        (address) => !asked.some((one) => isSixth(one) === isSixth(address)) || asked.includes(address),
      );
      const fresh = this.#ledger.give(
        record.name,
        asked.filter((address) => !kept.includes(address)),
        kept,
      );
      given.push(...fresh);
      return {
        ...device,
        addresses: [...kept, ...fresh].sort(byFamily),
        isReserved: device.isReserved || asked.length > 0,
      };
    });
  }

  #withAddress(record: ClientRecord, address: string | null | undefined): ClientRecord {
    if (address === undefined) return record;
    return withPublicAddress(record, address ?? undefined, this.#ledger.records(), this.#parts.outside);
  }

  async #forward({ name, forward, isOff }: ClientParams<'forward'>): Promise<ClientRow> {
    const { record, revision } = this.#index.find(name);
    const wanted = isOff
      ? withoutForward(record, forward)
      : withForward(record, forward, this.#ledger.records(), this.#parts.outside);
    await this.#ledger.put(wanted, revision);
    return this.#ledger.rowOf(wanted);
  }

  async #enable(name: string, isEnabled: boolean): Promise<ClientRow> {
    const { record, revision } = this.#index.find(name);
    if (record.isEnabled === isEnabled) return this.#ledger.rowOf(record);
    const wanted = { ...record, isEnabled };
    const onStored = (): void => {
      if (!isEnabled) this.#ledger.end(record, 'disabled');
    };
    await this.#ledger.put(wanted, revision, { onStored });
    if (!isEnabled) this.invitations.handleStopped(record.id);
    this.#parts.emit({ kind: isEnabled ? 'client-enabled' : 'client-disabled', client: record.name });
    return this.#ledger.rowOf(wanted);
  }

  async #remove(name: string, seen?: number): Promise<ClientRow> {
    const { store, leases, feed, emit } = this.#parts;
    const { record, revision } = this.#index.find(name, seen);
    store.delete(record.id, revision);
    this.#ledger.end(record, 'removed');
    leases.takeBack(addressesOf(record));
    this.invitations.handleStopped(record.id);
    await feed.settled();
    emit({ kind: 'client-removed', client: record.name });
    return this.#ledger.rowOf(record);
  }

  async #rename({ name, to, revision: seen }: ClientParams<'rename'>): Promise<ClientRow> {
    const { record, revision } = this.#index.find(name, seen);
    const wanted = { ...record, name: this.#index.freeName(to, record.id) };
    await this.#ledger.put(wanted, revision);
    return this.#ledger.rowOf(wanted);
  }

  async #kick({ name, forMs }: ClientParams<'kick'>): Promise<ClientRow> {
    const { store, feed, nowMs, emit } = this.#parts;
    const { record, revision } = this.#index.find(name);
    const barredUntilMs = nowMs() + forMs;
    this.#ledger.end(record, 'kicked');
    this.invitations.handleStopped(record.id);
    feed.kick(record, barredUntilMs);
    try {
      if (forMs > 0) store.putIfRevision({ ...record, barredUntilMs }, revision);
    } catch (error) {
      // It is out all the same.
      const message = `That client "${record.name}" was kicked cannot be written, and is forgotten at a restart: ${messageOf(error)}`;
      emit({ kind: 'warning', message });
    }
    await feed.settled();
    return this.#ledger.rowOf(record);
  }
}

function earlier(one: number | undefined, other: number | undefined): number | undefined {
  return one === undefined || (other !== undefined && other < one) ? other : one;
}

function isSixth(address: string): boolean {
  return address.includes(':');
}

function byFamily(one: string, other: string): number {
  return Number(isSixth(one)) - Number(isSixth(other));
}
