/**
 * The clients of a hub: what operators may do with them. Each verb is one change of the store; the peers follow from it (`peer-feed.ts`).
 * Verbs are done one after the other (`client-store.ts`), so that what was checked still holds when it is written.
 */
import { HawserError, messageOf } from '../../base/errors.ts';
import type { ClientAnswers, ClientParams, ClientRow, ClientVerb, HubFacts } from '../../control/client-calls.ts';
import type { InstanceEvent } from '../../control/events.ts';
import type { RowTable } from '../../rings/table.ts';
import { exportedOf, importedFrom } from './backup.ts';
import { ClientIndex } from './client-index.ts';
import { type OutsideParts, withForward, withOutsides, withoutForward, withPublicAddress } from './client-outside.ts';
import { withQuota } from './client-quota.ts';
import { withRates } from './client-rates.ts';
import { type ClientRecord, clientNameOf, clientNameWords, type DeviceRecord } from './client-record.ts';
import { rowOf } from './client-row.ts';
import { InvitationBook } from './invitation-book.ts';
import type { InvitationRecord } from './invitation-record.ts';
import type { Leases } from './leases.ts';
import type { PeerFeed } from './peer-feed.ts';
import { isExpired } from './peers-of.ts';
import type { QuotaDesk } from './quota-desk.ts';
import type { SessionEnd } from './session-book.ts';
import type { SessionKeeper } from './session-keeper.ts';
import type { ClientStore } from './store.ts';

export interface ClientBookParts {
  readonly store: ClientStore;
  readonly feed: PeerFeed;
  readonly leases: Leases;
  readonly keeper: Pick<SessionKeeper, 'end' | 'sessions' | 'usageOf' | 'refusalOf'>;
  readonly quotas: Pick<QuotaDesk, 'quotaOf'>;
  readonly mostClients: number;
  /** Of one client. */
  readonly mostDevices: number;
  readonly emit: (event: InstanceEvent) => void;
  /** Since 1970. */
  readonly nowMs: () => number;
  readonly randomBytes: (count: number) => Buffer;
  readonly outside: OutsideParts;
  readonly peers: RowTable;
  readonly hubFacts: () => Promise<HubFacts>;
}

type Verbs = { [V in ClientVerb]: (params: ClientParams<V>) => ClientAnswers[V] | Promise<ClientAnswers[V]> };

export class ClientBook {
  readonly #parts: ClientBookParts;
  readonly #index: ClientIndex;
  readonly invitations: InvitationBook;
  readonly verbs: Verbs = {
    add: (params) => this.#add(params),
    list: () => [...this.#parts.store.list()].map(({ record }) => this.#rowOf(record)),
    sessions: () => this.#parts.keeper.sessions(),
    usage: ({ name }) => this.#parts.keeper.usageOf(this.#index.find(name).record),
    show: ({ name }) => this.#rowOf(this.#index.find(name).record),
    set: (params) => this.#set(params),
    enable: ({ name }) => this.#enable(name, true),
    disable: ({ name }) => this.#enable(name, false),
    remove: ({ name }) => this.#remove(name),
    rename: ({ name, to }) => this.#rename(name, to),
    kick: (params) => this.#kick(params),
    addDevice: (params) => this.#addDevice(params),
    removeDevice: (params) => this.#removeDevice(params),
    export: () => ({ clients: [...this.#parts.store.list()].map(exportedOf) }),
    import: ({ clients }) => this.#import(clients),
    forward: (params) => this.#forward(params),
    invite: (params) => this.invitations.invite(params),
    invitations: () => this.invitations.list(),
    revoke: ({ name }) => this.invitations.revoke(name),
  };

  constructor(parts: ClientBookParts) {
    this.#parts = parts;
    this.#index = new ClientIndex(parts.store);
    const clients = {
      checkCount: (name: string): void => this.#checkCount(name),
      give: (name: string): string[] => this.#give(name, []),
      takeBack: (addresses: readonly string[]): void => parts.leases.takeBack(addresses),
      put: (record: ClientRecord, revision: number, also: InvitationRecord): Promise<void> =>
        this.#put(record, revision, { also }),
      remove: async (record: ClientRecord): Promise<void> => void (await this.#remove(record.name)),
    };
    this.invitations = new InvitationBook({ ...parts, index: this.#index, clients });
  }

  /** When there is something to do by itself: a client expires, or may come again; undefined = never. */
  nextDueMs(): number | undefined {
    let next = earlier(this.#parts.feed.nextLetInMs(), this.invitations.nextDueMs());
    for (const { record } of this.#parts.store.list()) {
      const { expiresMs } = record;
      if (expiresMs === undefined || !this.#mayEnd(record)) continue;
      if (next === undefined || expiresMs < next) next = expiresMs;
    }
    return next;
  }

  async handleDue(): Promise<void> {
    const { feed, store } = this.#parts;
    for (const id of feed.letIn()) {
      const stored = store.get(id);
      if (stored !== undefined) feed.refresh(stored.record);
    }
    await this.#expire();
    await this.invitations.handleDue();
    await feed.settled();
  }

  /** Ends what is over, and takes back its leases but those that were asked for by name. */
  async #expire(): Promise<void> {
    const { store, leases, feed, nowMs, emit } = this.#parts;
    const over = [...store.list()].filter(({ record }) => isExpired(record, nowMs()) && this.#mayEnd(record));
    if (over.length === 0) return;
    for (const { record } of over) {
      this.#end(record, 'expired');
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

  async #add(params: ClientParams<'add'>): Promise<ClientAnswers['add']> {
    const { store, randomBytes, nowMs, emit, leases } = this.#parts;
    const name = this.#index.freeName(params.name);
    this.#index.checkKey(params.publicKey);
    this.#checkExpiry(params.expiresMs);
    this.#checkCount(name);
    const presharedKey = params.presharedKey ? randomBytes(32).toString('base64') : '';
    const addresses = this.#give(name, params.addresses);
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
      await this.#put(record, 0);
    } catch (error) {
      if (store.get(record.id) === undefined) leases.takeBack(addresses);
      throw error;
    }
    emit({ kind: 'client-created', client: name });
    emit({ kind: 'lease-given', client: name, addresses });
    return { client: this.#rowOf(record), presharedKey };
  }

  /** An address that is asked for takes the place of the one of its pool; a client whose time goes on gets what it lacks. */
  async #set({
    name,
    addresses = [],
    expiresMs,
    publicAddress,
    rates,
    quota,
  }: ClientParams<'set'>): Promise<ClientRow> {
    const { leases, nowMs, emit } = this.#parts;
    const { record, revision } = this.#index.find(name);
    this.#checkExpiry(expiresMs ?? undefined);
    const until = { ...record, expiresMs: expiresMs === undefined ? record.expiresMs : (expiresMs ?? undefined) };
    const given: string[] = [];
    let wanted: ClientRecord;
    try {
      const devices = isExpired(until, nowMs()) ? record.devices : this.#leased(record, addresses, given);
      wanted = this.#withAddress(withQuota(withRates({ ...until, devices }, rates), quota), publicAddress);
      await this.#put(wanted, revision);
    } catch (error) {
      leases.takeBack(given);
      throw error;
    }
    const held = new Set(addressesOf(wanted));
    leases.takeBack(addressesOf(record).filter((address) => !held.has(address)));
    if (given.length > 0) emit({ kind: 'lease-given', client: record.name, addresses: given });
    return this.#rowOf(wanted);
  }

  /** The devices with what they lack, the first with what is asked for; what that takes of the pools is added to `given` at once. */
  #leased(record: ClientRecord, addresses: readonly string[], given: string[]): DeviceRecord[] {
    return record.devices.map((device, at): DeviceRecord => {
      const asked = at === 0 ? addresses : [];
      const kept = device.addresses.filter(
        (address) => !asked.some((one) => isSixth(one) === isSixth(address)) || asked.includes(address),
      );
      const fresh = this.#give(
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
    return withPublicAddress(record, address ?? undefined, this.#records(), this.#parts.outside);
  }

  async #forward({ name, forward, isOff }: ClientParams<'forward'>): Promise<ClientRow> {
    const { record, revision } = this.#index.find(name);
    const wanted = isOff
      ? withoutForward(record, forward)
      : withForward(record, forward, this.#records(), this.#parts.outside);
    await this.#put(wanted, revision);
    return this.#rowOf(wanted);
  }

  #records(): ClientRecord[] {
    return [...this.#parts.store.list()].map(({ record }) => record);
  }

  async #enable(name: string, isEnabled: boolean): Promise<ClientRow> {
    const { record, revision } = this.#index.find(name);
    if (record.isEnabled === isEnabled) return this.#rowOf(record);
    const wanted = { ...record, isEnabled };
    const onStored = (): void => {
      if (!isEnabled) this.#end(record, 'disabled');
    };
    await this.#put(wanted, revision, { onStored });
    if (!isEnabled) this.invitations.handleStopped(record.id);
    this.#parts.emit({ kind: isEnabled ? 'client-enabled' : 'client-disabled', client: record.name });
    return this.#rowOf(wanted);
  }

  async #remove(name: string): Promise<ClientRow> {
    const { store, leases, feed, emit } = this.#parts;
    const { record, revision } = this.#index.find(name);
    store.delete(record.id, revision);
    this.#end(record, 'removed');
    leases.takeBack(addressesOf(record));
    this.invitations.handleStopped(record.id);
    await feed.settled();
    emit({ kind: 'client-removed', client: record.name });
    return this.#rowOf(record);
  }

  async #rename(name: string, to: string): Promise<ClientRow> {
    const { record, revision } = this.#index.find(name);
    const wanted = { ...record, name: this.#index.freeName(to, record.id) };
    await this.#put(wanted, revision);
    return this.#rowOf(wanted);
  }

  async #kick({ name, forMs }: ClientParams<'kick'>): Promise<ClientRow> {
    const { store, feed, nowMs, emit } = this.#parts;
    const { record, revision } = this.#index.find(name);
    const barredUntilMs = nowMs() + forMs;
    this.#end(record, 'kicked');
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
    return this.#rowOf(record);
  }

  async #addDevice({
    name,
    device,
    publicKey,
    addresses,
    presharedKey,
  }: ClientParams<'addDevice'>): Promise<ClientAnswers['addDevice']> {
    const { leases, randomBytes, emit } = this.#parts;
    const { record, revision } = this.#index.find(name);
    const called = clientNameOf(device);
    if (called === undefined)
      throw new HawserError('CLIENT_NAME', `${JSON.stringify(device)} is not ${clientNameWords}`);
    if (record.devices.some((one) => one.name === called))
      throw new HawserError('CLIENT_EXISTS', `Client "${record.name}" has a device "${called}" already`);
    this.#index.checkKey(publicKey);
    this.#checkDevices(record.name, record.devices.length + 1);
    const given = this.#give(record.name, addresses);
    const secret = presharedKey ? randomBytes(32).toString('base64') : '';
    const fresh = { name: called, publicKey, presharedKey: secret, addresses: given, isReserved: addresses.length > 0 };
    const wanted = { ...record, devices: [...record.devices, fresh] };
    try {
      await this.#put(wanted, revision);
    } catch (error) {
      leases.takeBack(given);
      throw error;
    }
    emit({ kind: 'lease-given', client: record.name, addresses: given });
    const row = this.#rowOf(wanted);
    return { client: { ...row, name: `${row.name}/${called}`, devices: row.devices.slice(-1) }, presharedKey: secret };
  }

  async #removeDevice({ name, device }: ClientParams<'removeDevice'>): Promise<ClientRow> {
    const { record, revision } = this.#index.find(name);
    const gone = record.devices.find((one) => one.name === device.normalize('NFC'));
    if (gone === undefined || device === '') {
      const known = record.devices.map((one) => one.name).filter((one) => one !== '');
      const remedy = known.length === 0 ? 'it has no other than its first' : `there are: ${known.join(', ')}`;
      throw new HawserError('NO_SUCH_CLIENT', `Client "${record.name}" has no device "${device}"`, remedy);
    }
    const wanted = { ...record, devices: record.devices.filter((one) => one !== gone) };
    await this.#put(wanted, revision, { onStored: () => this.#end(record, 'removed', [gone.publicKey]) });
    this.#parts.leases.takeBack(gone.addresses);
    return this.#rowOf(wanted);
  }

  /** All or none. */
  async #import(values: readonly unknown[]): Promise<ClientAnswers['import']> {
    const { store, leases, feed, mostClients, outside } = this.#parts;
    const read = values.map((value, at) => {
      const stored = importedFrom(value);
      if (stored !== undefined) return stored.record;
      throw new HawserError('IMPORT', `Entry ${at + 1} is no client`, 'take what `hawser client export` printed');
    });
    const ids = new Set(read.map(({ id }) => id));
    const fresh = read.filter(({ id }) => store.get(id) === undefined);
    if (store.count + fresh.length > mostClients) this.#checkCount(fresh[0]?.name ?? '', mostClients);
    this.#index.checkImport(read);
    for (const { name, devices } of read) this.#checkDevices(name, devices.length);
    const others = this.#records().filter(({ id }) => !ids.has(id));
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
    return { count: wanted.length };
  }

  /** Keys that it has no more, or that may not connect any more. */
  #endLost(before: ClientRecord, after: ClientRecord | undefined): void {
    const isOff = after?.isEnabled !== true;
    const kept = new Set(isOff ? [] : after.devices.map(({ publicKey }) => publicKey));
    const lost = before.devices.map(({ publicKey }) => publicKey).filter((key) => !kept.has(key));
    if (lost.length > 0) this.#end(before, isOff ? 'disabled' : 'replaced', lost);
  }

  #end(record: ClientRecord, reason: SessionEnd, keys = record.devices.map(({ publicKey }) => publicKey)): void {
    this.#parts.keeper.end(record, keys, reason);
  }

  /**
   * On the disk and among the peers, or neither. `onStored`: done between the two, while rows are as they were; `also`: written with it.
   */
  async #put(
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

  #give(client: string, asked: readonly string[], held: readonly string[] = []): string[] {
    try {
      return this.#parts.leases.give(asked, held);
    } catch (error) {
      if (error instanceof HawserError && error.code === 'NO_LEASE')
        this.#parts.emit({ kind: 'limit-reached', client, limit: 'pool' });
      throw error;
    }
  }

  #checkDevices(client: string, count: number): void {
    const { mostDevices, emit } = this.#parts;
    if (count <= mostDevices) return;
    emit({ kind: 'limit-reached', client, limit: 'perClient' });
    const message = `Client "${client}" would have ${count} devices, server.limits.perClient allows ${mostDevices}`;
    throw new HawserError('LIMIT', message, 'remove one, or raise it in the file and reload');
  }

  #checkExpiry(expiresMs: number | undefined): void {
    if (expiresMs !== undefined && expiresMs <= this.#parts.nowMs())
      throw new HawserError('EXPIRES', 'The client would have expired already', 'name a later time');
  }

  #checkCount(client: string, count = this.#parts.store.count): void {
    const { store, mostClients, emit } = this.#parts;
    if (count < mostClients) return;
    emit({ kind: 'limit-reached', client, limit: 'clients' });
    const message = `There are ${store.count} clients, as many as server.limits.clients allows`;
    throw new HawserError('LIMIT', message, 'remove some, or raise it in the file and reload');
  }

  #rowOf(record: ClientRecord): ClientRow {
    const { feed, nowMs, quotas, keeper } = this.#parts;
    const kickedUntilMs = feed.barredUntilMs(record.id);
    const quota = quotas.quotaOf(record);
    const { refusalOf } = keeper;
    return rowOf(record, { nowMs: nowMs(), kickedUntilMs, limits: feed.limitsOf(record), quota, refusalOf });
  }
}

function earlier(one: number | undefined, other: number | undefined): number | undefined {
  return one === undefined || (other !== undefined && other < one) ? other : one;
}

function hasLease({ devices }: ClientRecord): boolean {
  return devices.some(({ addresses, isReserved }) => !isReserved && addresses.length > 0);
}

function withoutLeases(record: ClientRecord): ClientRecord {
  const bare = (device: DeviceRecord): DeviceRecord => (device.isReserved ? device : { ...device, addresses: [] });
  return { ...record, devices: record.devices.map(bare) };
}

function addressesOf({ devices }: ClientRecord): string[] {
  return devices.flatMap(({ addresses }) => addresses);
}

function isSixth(address: string): boolean {
  return address.includes(':');
}

function byFamily(one: string, other: string): number {
  return Number(isSixth(one)) - Number(isSixth(other));
}
