/** The clients of a hub without a hub: the book over a store in a file, and an instance that remembers what it was told. */
import { randomBytes } from 'node:crypto';
import path from 'node:path';
import { ClientBook } from '../../src/actors/clients/client-book.ts';
import { Leases } from '../../src/actors/clients/leases.ts';
import { openStore } from '../../src/actors/clients/open-store.ts';
import { PeerFeed } from '../../src/actors/clients/peer-feed.ts';
import { noteTold, QuotaDesk } from '../../src/actors/clients/quota-desk.ts';
import { SessionKeeper } from '../../src/actors/clients/session-keeper.ts';
import type { ClientStore } from '../../src/actors/clients/store.ts';
import { UsageBook } from '../../src/actors/clients/usage-book.ts';
import type { ArgsOf, Calls, MethodOf, ResultOf } from '../../src/base/calls.ts';
import { HawserError } from '../../src/base/errors.ts';
import { parseCidr } from '../../src/config/address.ts';
import type { Cidr, PeerConfig } from '../../src/config/config.ts';
import type { QuotaConfig } from '../../src/config/quota-schema.ts';
import { peer as peerLayout } from '../../src/contract/peer-tables.ts';
import type { HubFacts } from '../../src/control/client-calls.ts';
import type { ClientPeers, ClientRows, ClientSourceApi, ReplacedPeers } from '../../src/control/client-source.ts';
import type { InstanceEvent } from '../../src/control/events.ts';
import { createRowTable, peerTable, type RowTable } from '../../src/rings/table.ts';
import { generateKeys } from './keys.ts';

export class FakeClientInstance implements ClientSourceApi, Calls<ClientSourceApi> {
  readonly peers = new Map<string, PeerConfig>();
  readonly told: string[] = [];
  readonly hubKey = generateKeys().publicKey;
  readonly #rows = new Map<string, number>();
  lastRow = -1;
  /** Names that a peer of the file has; `late`: it came after the question. */
  readonly taken = new Set<string>();
  readonly late = new Set<string>();

  async request<M extends MethodOf<ClientSourceApi>>(
    method: M,
    ...args: ArgsOf<ClientSourceApi, M>
  ): Promise<ResultOf<ClientSourceApi, M>> {
    const called = this[method] as (...given: ArgsOf<ClientSourceApi, M>) => ResultOf<ClientSourceApi, M>;
    return called.apply(this, args);
  }

  checkClientPeers({ put }: ClientPeers): void {
    for (const { name } of put)
      if (this.taken.has(name)) throw new HawserError('PEER_EXISTS', `Peer "${name}" is there already`);
  }

  changeClientPeers(change: ClientPeers): ClientRows {
    this.checkClientPeers(change);
    for (const { name } of change.put)
      if (this.late.has(name)) throw new HawserError('PEER_EXISTS', `Peer "${name}" is there already`);
    for (const key of change.remove) {
      this.peers.delete(key);
      this.#rows.delete(key);
    }
    for (const peer of change.put) this.peers.set(peer.publicKey, peer);
    this.told.push(`+${change.put.map(({ name }) => name).join()} -${change.remove.length}`);
    return this.#give(change.put);
  }

  replaceClientPeers(all: readonly PeerConfig[]): ReplacedPeers {
    this.peers.clear();
    for (const peer of all) this.peers.set(peer.publicKey, peer);
    return { rows: this.#give(all), refused: [] };
  }

  rekeyPeer(name: string): void {
    this.told.push(`rekey ${name}`);
  }

  /** A new row to whoever has none. */
  #give(peers: readonly PeerConfig[]): ClientRows {
    return peers.map(({ publicKey }) => {
      const row = this.#rows.get(publicKey);
      if (row === undefined) this.lastRow += 1;
      this.#rows.set(publicKey, row ?? this.lastRow);
      return [publicKey, row ?? this.lastRow] as const;
    });
  }

  hubFacts(): HubFacts {
    const networks = ['10.9.0.0/24', 'fd00:9::/64'];
    return {
      name: 'hub',
      publicKey: this.hubKey,
      endpoints: [],
      ports: {},
      dns: ['10.9.0.1'],
      mtu: 1420,
      networks,
      obfuscation: undefined,
    };
  }

  /** `phone 10.9.0.2 fd00::2`, by name. */
  list(): string[] {
    return [...this.peers.values()]
      .map(({ name, allowedIPs }) => [name, ...allowedIPs.map(({ address }) => address)].join(' '))
      .sort();
  }
}

export interface ClientLabOptions {
  readonly pools?: readonly string[];
  readonly taken?: readonly string[];
  readonly mostClients?: number;
  readonly process?: string;
  /** The peer table of the process. */
  readonly peers?: RowTable;
  /** None by default. */
  readonly quota?: Partial<QuotaConfig>;
  /** Since 1970. */
  readonly nowMs?: number;
}

export interface ClientLab {
  readonly store: ClientStore;
  readonly book: ClientBook;
  readonly keeper: SessionKeeper;
  readonly quotas: QuotaDesk;
  readonly feed: PeerFeed;
  readonly peers: RowTable;
  readonly instance: FakeClientInstance;
  readonly events: InstanceEvent[];
  /** `jumpedMs`: so much of it has not passed. */
  readonly clock: { nowMs: number; jumpedMs: number };
  /** Adds one with a new key; resolves to its addresses. */
  add(name: string, more?: { readonly addresses?: string[]; readonly expiresMs?: number }): Promise<readonly string[]>;
}

export const cidrs = (texts: readonly string[]): Cidr[] => texts.flatMap((text) => parseCidr(text) ?? []);

export async function openClientLab(folder: string, options: ClientLabOptions = {}): Promise<ClientLab> {
  const { pools = ['10.9.0.0/24', 'fd00:9::/64'], taken = ['10.9.0.1', 'fd00:9::1'], mostClients = 1000 } = options;
  const store = openStore(path.join(folder, 'clients.db'), 'now', {
    server: 'hub',
    process: options.process ?? 'one',
  }).store;
  const instance = new FakeClientInstance();
  const events: InstanceEvent[] = [];
  const clock = { nowMs: options.nowMs ?? 1_800_000_000_000, jumpedMs: 0 };
  const nowMs = (): number => clock.nowMs;
  const leases = new Leases(cidrs(pools), cidrs(taken));
  const quota: QuotaConfig = {
    dailyBytes: 0,
    monthlyBytes: 0,
    resetDay: 1,
    timezone: 'UTC',
    throttleBps: 0,
    ...options.quota,
  };
  const usage = new UsageBook(store.usage);
  const quotas = new QuotaDesk({ usual: quota, daysOf: (ids, since) => usage.daysOf(ids, since), nowMs });
  const feed = new PeerFeed({
    instance,
    defaults: { obfuscation: undefined, limits: { upBps: 0, downBps: 0, priority: 50 }, quota },
    isOver: (record) => quotas.isExceeded(record),
    handleRows: (ids) => keeper.meet(ids),
    nowMs,
  });
  const records = [...store.list()].map(({ record }) => record);
  for (const record of records) leases.recall(record);
  await feed.replaceAll(records, store.invitations.list());
  store.watch((changes) => {
    quotas.follow(changes);
    feed.push(changes);
  });
  const emit = (event: InstanceEvent): void => void events.push(event);
  const outside = {
    isOn: true,
    shared: ['203.0.113.1'],
    isListening: (protocol: string, port: number) => `${port}/${protocol}` === '22/tcp',
    isHostAddress: (address: string) => address === '198.51.100.1',
  };
  const peers = options.peers ?? peerTable(createRowTable(peerLayout, 64));
  const keeper = new SessionKeeper({
    store,
    peers,
    rows: feed.rows,
    usage,
    quotas,
    refresh: (record) => {
      feed.refresh(record);
      return feed.settled();
    },
    tell: (id, told, news) => {
      noteTold(store, id, told);
      for (const event of news) emit(event);
    },
    idleMs: 300_000,
    lifetimeMs: 3_600_000,
    emit,
    rekey: (peer) => instance.rekeyPeer(peer),
    nowMs,
    nowUs: () => (clock.nowMs - clock.jumpedMs) * 1000,
  });
  keeper.meet(records.map(({ id }) => id));
  const book = new ClientBook({
    store,
    feed,
    leases,
    keeper,
    quotas,
    mostClients,
    mostDevices: 3,
    emit,
    nowMs,
    randomBytes,
    outside,
    peers,
    hubFacts: async () => instance.hubFacts(),
  });
  const add: ClientLab['add'] = async (name, more = {}) => {
    const { publicKey } = generateKeys();
    const answer = await book.verbs.add({ name, publicKey, presharedKey: true, addresses: [], ...more });
    return answer.client.devices[0]?.addresses ?? [];
  };
  return { store, book, keeper, quotas, feed, peers, instance, events, clock, add };
}
