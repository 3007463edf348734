/**
 * Keeps the clients of a hub on the disk, and tells the instance which peers they are. Evented, in a thread of its own: it waits for the
 * disk, and nobody else does.
 */
import { randomBytes } from 'node:crypto';
import path from 'node:path';
import { performance } from 'node:perf_hooks';
import process from 'node:process';
import { HawserError, messageOf } from '../base/errors.ts';
import { inWords, makeFolder, readSmallFile } from '../base/lasting-files.ts';
import type { Cidr, PeerLimits } from '../config/config.ts';
import type { ObfuscationConfig } from '../config/obfuscation.ts';
import type { QuotaConfig } from '../config/quota-schema.ts';
import type { ClientVerb } from '../control/client-calls.ts';
import type { ClientSourceApi } from '../control/client-source.ts';
import { isHostAddress } from '../io/host-addresses.ts';
import { isListening } from '../io/listening-ports.ts';
import { peerTable } from '../rings/table.ts';
import { Backup } from './clients/backup.ts';
import { Chores } from './clients/chores.ts';
import { ClientBook } from './clients/client-book.ts';
import { diskRemedy, isOfDisk, storeFaultOf } from './clients/disk-fault.ts';
import { enrolFrame } from './clients/enrol-answer.ts';
import { Leases } from './clients/leases.ts';
import { backupFileOf, openStore } from './clients/open-store.ts';
import { PeerFeed } from './clients/peer-feed.ts';
import { noteTold, QuotaDesk } from './clients/quota-desk.ts';
import { SessionKeeper } from './clients/session-keeper.ts';
import type { ClientStore } from './clients/store.ts';
import { UsageBook } from './clients/usage-book.ts';
import { type ActorCall, type CallSourceApi, performCall } from './kit/actor-calls.ts';
import type { Actor, ActorContext, ActorDefinition, Command } from './kit/contract.ts';
import { DiskTrouble } from './kit/disk-trouble.ts';
import { RpcClient } from './kit/rpc.ts';
import type { EnrolCommand, EnrolledCommand } from './session/settings.ts';

export interface ClientStoreSettings {
  /** Of the instance; its files begin with it. */
  readonly name: string;
  readonly stateDirectory: string;
  readonly pools: readonly Cidr[];
  /** Addresses and networks that are somebody else's: this host's, those of peers of the file. */
  readonly taken: readonly Cidr[];
  readonly mostClients: number;
  /** server.nat is on; addresses that can be nobody's alone. */
  readonly nat: { readonly isOn: boolean; readonly shared: readonly string[] };
  /** Of one client. */
  readonly mostDevices: number;
  /** Silence and age that end a session; 0 = none does. */
  readonly idleMs: number;
  readonly lifetimeMs: number;
  /** What clients wear. */
  readonly obfuscation: ObfuscationConfig | undefined;
  /** How fast each may be. */
  readonly limits: PeerLimits;
  /** How much each may use. */
  readonly quota: QuotaConfig;
}

/** The instance may be in the middle of a reload. */
const deadlineMs = 10_000;
/** setTimeout takes no more; whoever expires later is looked at again then. */
const longestTimerMs = 2 ** 31 - 1;
const lookEveryMs = 1000;
/** Longer than from one time that usage is written to the next: a disk that takes commands and no usage is full. */
const quietMs = 15_000;
/** What was due and failed is tried again after this. */
const retryMs = 10_000;

export const definition: ActorDefinition = {
  role: 'client-store',
  turn: 'evented',
  isPatient: true,
  async start(context: ActorContext): Promise<Actor> {
    if (context.supervisor === undefined) throw new HawserError('RPC', 'The client-store was given no supervisor port');
    const actor = new ClientStoreActor(
      context,
      new RpcClient<ClientSourceApi & CallSourceApi>(context.supervisor, deadlineMs),
    );
    await actor.load();
    return actor;
  },
};

class ClientStoreActor implements Actor {
  readonly #context: ActorContext;
  readonly #settings: ClientStoreSettings;
  readonly #instance: RpcClient<ClientSourceApi & CallSourceApi>;
  readonly #file: string;
  #store: ClientStore | undefined;
  #book: ClientBook | undefined;
  #backup: Backup | undefined;
  #chores: Chores | undefined;
  #ticker: NodeJS.Timeout | undefined;
  readonly #disk: DiskTrouble;
  /** Why there is none. */
  #fault: HawserError | undefined;
  #last: Promise<void> = Promise.resolve();
  #timer: NodeJS.Timeout | undefined;
  /** Monotonic: what was due failed, and is not tried before. */
  #retryAtMs = 0;

  constructor(context: ActorContext, instance: RpcClient<ClientSourceApi & CallSourceApi>) {
    this.#context = context;
    this.#settings = context.spec.settings as ClientStoreSettings;
    this.#instance = instance;
    const file = path.join(this.#settings.stateDirectory, `${this.#settings.name}.clients`, 'clients.db');
    this.#file = file;
    this.#disk = new DiskTrouble(quietMs, (reason) => {
      if (reason === undefined) context.emit({ kind: 'state-file', file, message: 'can be written again' });
      else context.emit({ kind: 'state-file', file, message: `cannot be written: ${reason}`, remedy: diskRemedy });
    });
  }

  /** Opens the file and tells the instance who is in it. A file that cannot be used is said, and the peers of the file go on without. */
  async load(): Promise<void> {
    try {
      this.#store = this.#open();
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      this.#fail(error);
      return;
    }
    try {
      await this.#begin(this.#store);
    } catch (error) {
      // The next try opens it anew, and it can be open once.
      this.#backup?.close();
      this.#store.close();
      this.#backup = undefined;
      this.#store = undefined;
      throw error;
    }
    if (this.#fault !== undefined)
      this.#context.emit({ kind: 'state-file', file: this.#file, message: 'can be used again' });
    this.#fault = undefined;
  }

  work(): number {
    return 0;
  }

  onCommand(command: Command): void {
    if (command.kind === 'actor-call') this.#inTurn(async () => await this.#answer(command as ActorCall));
    else if (command.kind === 'enrol') this.#inTurn(async () => await this.#enrol(command as EnrolCommand));
  }

  close(): void {
    clearTimeout(this.#timer);
    clearInterval(this.#ticker);
    this.#disk.close();
    this.#instance.close();
    this.#chores?.close();
    this.#backup?.close();
    this.#store?.close();
  }

  /** The folder hides what SQLite makes beside the file. */
  #open(): ClientStore {
    makeFolder('runtime.stateDirectory', path.dirname(this.#file), 0o700);
    const { store, rescued } = openStore(this.#file, new Date().toISOString().replaceAll(':', '-'), {
      server: this.#settings.name,
      process: processMark(),
    });
    if (rescued !== '') this.#warn(rescued);
    const file = backupFileOf(this.#file);
    this.#backup = new Backup(file, store, (error) => this.#warn(`Cannot write ${file}: ${inWords(error)}`));
    return store;
  }

  async #begin(store: ClientStore): Promise<void> {
    const { pools, taken, mostClients, mostDevices, idleMs, lifetimeMs, obfuscation, limits, quota, nat } =
      this.#settings;
    const leases = new Leases(pools, taken);
    const nowMs = (): number => Date.now();
    const usage = new UsageBook(store.usage);
    const quotas = new QuotaDesk({ usual: quota, daysOf: (ids, since) => usage.daysOf(ids, since), nowMs });
    const feed = new PeerFeed({
      instance: this.#instance,
      defaults: { obfuscation, limits, quota },
      isOver: (record) => quotas.isExceeded(record),
      handleRows: (ids) => keeper.meet(ids),
      nowMs,
    });
    const records = [...store.list()].map(({ record }) => record);
    const lost = records.filter((record) => leases.recall(record).length > 0).map(({ name }) => name);
    if (lost.length > 0) this.#warn(strayText(lost));
    for (const reason of await feed.replaceAll(records, store.invitations.list())) this.#warn(reason);
    store.watch((changes) => {
      quotas.follow(changes);
      feed.push(changes);
    });
    const emit: ActorContext['emit'] = (event) => this.#context.emit(event);
    const keeper = new SessionKeeper({
      store,
      peers: peerTable(this.#context.spec.memory.peers as SharedArrayBuffer),
      rows: feed.rows,
      usage,
      quotas,
      refresh: (record) => {
        feed.refresh(record);
        return feed.settled();
      },
      tell: (id, told, events) =>
        this.#inTurn(async () => {
          const message = noteTold(store, id, told);
          if (message !== '') this.#warn(message);
          for (const event of events) emit(event);
        }),
      idleMs,
      lifetimeMs,
      emit,
      rekey: (peer) => this.#rekey(peer),
      nowMs,
      nowUs: () => this.#context.addon.nowUs(),
    });
    keeper.meet(records.map(({ id }) => id));
    this.#ticker ??= setInterval(() => this.#tick(), lookEveryMs).unref();
    this.#book = new ClientBook({
      store,
      feed,
      leases,
      keeper,
      quotas,
      mostClients,
      mostDevices,
      emit,
      nowMs,
      randomBytes,
      peers: peerTable(this.#context.spec.memory.peers as SharedArrayBuffer),
      hubFacts: async () => await this.#instance.request('hubFacts'),
      outside: { ...nat, isListening, isHostAddress: (address) => isHostAddress(this.#context.addon, address) },
    });
    this.#chores = new Chores({
      store,
      keeper,
      noteRefused: (error) => this.#noteRefused(error),
      warn: (message) => this.#warn(message),
    });
    this.#wait();
  }

  #tick(): void {
    if (this.#disk.reason !== undefined) this.#tryAgain();
    this.#chores?.look();
    if (this.#book?.invitations.isAwaiting === true) this.#inTurn(async () => this.#book?.invitations.look());
  }

  /** A machine that was invited says its key. Whoever has no invitation any more hears nothing. */
  async #enrol({ invitation, slot, key }: EnrolCommand): Promise<void> {
    if (this.#book === undefined) return;
    const outcome = await this.#book.invitations.enrol(invitation, key);
    this.#wait();
    if (outcome === undefined) return;
    const frame = enrolFrame(key, outcome, await this.#instance.request('hubFacts'));
    const command: EnrolledCommand = { kind: 'enrolled', invitation, slot, frame };
    this.#context.emit({ kind: 'command', to: 'session-manager', command });
  }

  #fail(error: Error): void {
    const reason = error instanceof HawserError ? error.fault : inWords(error);
    const remedy =
      error instanceof HawserError && error.remedy !== ''
        ? error.remedy
        : 'see what is there, and whether the disk is full';
    this.#fault = new HawserError('STORE', `The clients in ${this.#file} cannot be used: ${reason}`, remedy);
    this.#context.emit({ kind: 'state-file', file: this.#file, message: `cannot be used: ${reason}`, remedy });
  }

  /** One after the other: what was checked holds until it is written. */
  #inTurn(work: () => Promise<void>): void {
    this.#last = this.#last.then(work).catch((error: unknown) => this.#warn(`The client-store: ${messageOf(error)}`));
  }

  async #answer(call: ActorCall): Promise<void> {
    await performCall(this.#instance, call, (verb, params) => this.#perform(verb as ClientVerb, params));
  }

  async #perform(verb: ClientVerb, params: unknown): Promise<unknown> {
    try {
      if (this.#book === undefined) await this.load();
      if (this.#book === undefined) throw this.#fault ?? new Error('There is no store');
      const perform = this.#book.verbs[verb] as (params: unknown) => unknown;
      return await perform(params);
    } catch (error) {
      this.#noteRefused(error);
      throw storeFaultOf(error);
    } finally {
      this.#wait();
      this.#chores?.goOnLater();
    }
  }

  #noteRefused(error: unknown): void {
    if (this.#store !== undefined && isOfDisk(error)) this.#disk.refuse(messageOf(error));
  }

  #tryAgain(): void {
    try {
      this.#store?.probe();
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      // Whatever it is now: it has taken nothing.
      this.#disk.refuse(messageOf(error));
      return;
    }
    this.#disk.take();
  }

  /** Until a client expires, or one that was kicked may come again. */
  #wait(): void {
    clearTimeout(this.#timer);
    const nextMs = this.#book?.nextDueMs();
    if (nextMs === undefined) return;
    const leastMs = Math.max(0, this.#retryAtMs - performance.now());
    const waitMs = Math.min(longestTimerMs, Math.max(leastMs, nextMs - Date.now()));
    this.#timer = setTimeout(() => this.#inTurn(async () => await this.#handleDue()), waitMs).unref();
  }

  /** Whatever becomes of it, there is a next time. */
  async #handleDue(): Promise<void> {
    this.#retryAtMs = performance.now() + retryMs;
    try {
      await this.#book?.handleDue();
      this.#retryAtMs = 0;
    } finally {
      this.#wait();
    }
  }

  #rekey(peer: string): void {
    this.#instance.request('rekeyPeer', peer).catch((error: unknown) => this.#warn(messageOf(error)));
  }

  #warn(message: string): void {
    this.#context.emit({ kind: 'warning', message });
  }
}

/** Of this process, and no other before or after: its start in ticks since boot (proc(5)), and which boot. */
function processMark(): string {
  const stat = readSmallFile('/proc/self/stat', 4096);
  const start = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
  return `${readSmallFile('/proc/sys/kernel/random/boot_id', 4096).trim()} ${process.pid} ${start}`;
}

function strayText(names: readonly string[]): string {
  const some = names.slice(0, 10).map((name) => `"${name}"`);
  const more = names.length > some.length ? `, and ${names.length - some.length} more` : '';
  return `Clients with addresses that the pools do not have, or that are somebody else's now: ${some.join(', ')}${more} (hawser client set NAME --address ANOTHER)`;
}
