/**
 * What the supervisor answers over RPC (comlink, `actors/kit/rpc.ts`). The supervisor implements it on the main thread; the
 * control-server calls it. Everything here is a plain object that crosses by structured clone; counters and tables do not
 * travel, the control-server reads them in the shared memory that `memory()` hands over once.
 */

import type { TransportName } from '../contract/link-tables.ts';
import type { ClientVerb, HubFacts } from './client-calls.ts';
import type { ConfigApi, ConfigTrial } from './config-calls.ts';
import type { EventRecord } from './events.ts';
import type { HistoryAnswers, HistoryVerb } from './history.ts';
import type { LoginCalls, OpenedLogin } from './login-calls.ts';
import type { NatInfo } from './nat-rows.ts';
import type { PluginAnswers, PluginVerb } from './plugins.ts';
import type { Role } from './roles.ts';
import type { WebhookAnswers, WebhookVerb } from './webhooks.ts';

/** OTP's words, plus `hung` for an actor that missed its heartbeats and is being ended. */
export type ActorState = 'starting' | 'running' | 'hung' | 'stopping' | 'restarting' | 'failed' | 'stopped';

export interface ActorRow {
  /** `sealer`, `wan-link.fibre`. */
  readonly id: string;
  readonly role: string;
  readonly state: ActorState;
  /** Node's thread id; 0 = the main thread, undefined = no thread now. */
  readonly threadId: number | undefined;
  /** The kernel's number of that thread (/proc/PID/task); undefined before its first words. */
  readonly kernelThreadId: number | undefined;
  /** Restarts since the process began, the orderly ones too. */
  readonly restarts: number;
  /** Why the last instance ended, in words; undefined = none ever ended. */
  readonly lastExit: string | undefined;
  /** Date.now() of the present instance's start. */
  readonly startedAtMs: number;
}

/** What the rows of the shared tables are called: the tables hold numbers only. */
export interface PeerName {
  readonly row: number;
  readonly name: string;
  readonly publicKey: string;
  readonly allowedIPs: readonly string[];
  readonly endpoints: readonly string[];
  /** 0 = off. */
  readonly keepaliveMs: number;
}

export interface LinkName {
  readonly row: number;
  readonly name: string;
  /** undefined = the kernel's routing chooses. */
  readonly interface: string | undefined;
  readonly role: string;
  readonly priority: number;
  /** Most that is sent, bits a second; undefined = learnt. */
  readonly limitBps: number | undefined;
  readonly health: {
    readonly method: string;
    readonly targets: readonly string[];
    /** Names of its checks, in the order of their rows, and how many must pass. */
    readonly checks: readonly string[];
    readonly need: number;
  };
}

/** A link to be added while the instance runs; what is left out is as in the configuration file. */
export interface NewLink {
  readonly name: string;
  readonly interface?: string;
  readonly priority?: number;
  readonly rate?: number | 'auto';
  readonly weight?: number;
  readonly role?: string;
}

/** What is asked for again and again: without the names of thousands of peers. */
export interface InstanceFacts {
  readonly name: string;
  readonly version: string;
  readonly pid: number;
  readonly startedAtMs: number;
  readonly configPath: string;
  /** What runs is not what the file says, and will be again unless somebody confirms it. */
  readonly trial: ConfigTrial | undefined;
  readonly placement: 'dedicated' | 'compact';
  /** Processors that the placement was chosen by; undefined = the configuration says it. */
  readonly placementCores: number | undefined;
  /** Pairs of sealer and opener. */
  readonly shards: number;
  readonly tunnel: { readonly interface: string; readonly addresses: readonly string[]; readonly mtu: number };
  readonly publicKey: string;
  /** Mark of the daemon's own packets. */
  readonly fwmark: number;
  /** UDP port really in use. */
  readonly listenPort: number;
  /** bonding.fec: `off`, `auto`, or `20+3` for data and parity packets of a group. */
  readonly fec: string;
  /** The most preferred first, of those that are named; what the operator said since is not in it. */
  readonly transports: { readonly order: readonly TransportName[]; readonly parallel: string };
  /** bonding.repair. */
  readonly repair: 'auto' | 'off';
  /** server.total: bits of inner packets a second, 0 = no limit. */
  readonly total: { readonly upBps: number; readonly downBps: number };
  readonly links: readonly LinkName[];
  /** What keeps the configuration from having its effect: routes and rules of others, files; `text` is a whole sentence. */
  readonly troubles: readonly { readonly text: string; readonly remedy: string }[];
  /** Goes up when the topology changed (reload): the control-server then asks for `memory()` again. */
  readonly topologyVersion: number;
  /** Ids of those that it was configured with when the process began, whatever a reload has done since. */
  readonly firstActors: readonly string[];
  /** Goes up when a peer came, changed or went. */
  readonly peersVersion: number;
}

export interface InstanceInfo extends InstanceFacts {
  /** The same array as long as they are the same: readers keep by it what they make of it. */
  readonly peers: readonly PeerName[];
}

/** Handles on the shared memory; a restarted actor keeps its counters block and its rings. */
export interface SharedMemory {
  readonly peers: SharedArrayBuffer;
  readonly paths: SharedArrayBuffer;
  readonly links: SharedArrayBuffer;
  readonly carriers: SharedArrayBuffer;
  readonly checks: SharedArrayBuffer;
  readonly sessions: SharedArrayBuffer;
  readonly sealedLog: SharedArrayBuffer;
  /** Ring name (`tun-reader.outbound -> sealer.plain`) → the ring. */
  readonly rings: Readonly<Record<string, SharedArrayBuffer>>;
  /** Actor id → its counters block. */
  readonly counters: Readonly<Record<string, SharedArrayBuffer>>;
}

/** One record per distinct stack: a crash in a loop must not push out the others. */
export interface ErrorRecord {
  readonly firstMs: number;
  readonly lastMs: number;
  readonly count: number;
  readonly source: string;
  readonly name: string;
  readonly code: string | undefined;
  readonly message: string;
  readonly stack: string;
}

export interface ReloadResult {
  /** One sentence for each thing that was changed; empty = the file says what already runs. */
  readonly changes: readonly string[];
}

/** A method that fails throws an Error whose `code` and `message` cross the RPC (`NO_SUCH_ACTOR`, `CONFIG` …). */
export interface SupervisorApi extends LoginCalls, ConfigApi {
  instance(): InstanceFacts | Promise<InstanceFacts>;
  /** Of `InstanceFacts.peersVersion`, or of a later one. */
  peerNames(): readonly PeerName[] | Promise<readonly PeerName[]>;
  memory(): SharedMemory | Promise<SharedMemory>;
  /** undefined = addresses of clients are not translated, and they may reach each other. */
  nat(): NatInfo | undefined | Promise<NatInfo | undefined>;
  actors(): readonly ActorRow[] | Promise<readonly ActorRow[]>;
  /** Those with an id above `sinceId`, oldest first; the supervisor keeps the last 1,000. */
  events(sinceId: number): readonly EventRecord[] | Promise<readonly EventRecord[]>;
  errors(): readonly ErrorRecord[] | Promise<readonly ErrorRecord[]>;
  /** The actor throws at once (its thread ends, the supervisor replaces it). */
  killActor(id: string): void | Promise<void>;
  /** Orderly: stop, wait for the thread's exit, start. */
  restartActor(id: string): void | Promise<void>;
  /** The actor spins without heartbeats until the supervisor notices. */
  hangActor(id: string): void | Promise<void>;
  /** As `events`, but waits up to `waitMs` for one to happen. */
  nextEvents(sinceId: number, waitMs: number): readonly EventRecord[] | Promise<readonly EventRecord[]>;
  /** Sends all data by one link as long as it lives; undefined = the mode decides again. */
  forceLink(name: string | undefined): void | Promise<void>;
  /** The most preferred first. Throws NO_SUCH_TRANSPORT, as does `forceTransport`. */
  orderTransports(order: readonly string[]): void | Promise<void>;
  /** undefined = as configured, the order too. */
  forceTransport(name: string | undefined): void | Promise<void>;
  /** A disabled link carries nothing until it is enabled again or the instance starts anew. */
  enableLink(name: string, enabled: boolean): void | Promise<void>;
  /** Until the next reload, which goes by the file. */
  addLink(link: NewLink): ReloadResult | Promise<ReloadResult>;
  removeLink(name: string): ReloadResult | Promise<ReloadResult>;
  /** The peer's next handshake is taken whatever its clock shows. */
  forgetPeerClock(name: string): void | Promise<void>;
  /** Begins a handshake with the peer. */
  rekeyPeer(name: string): void | Promise<void>;
  /** Of a hub that keeps them; `params` as the verb's schema returned them. Rejects with what the store says, NO_SERVER without one. */
  clients(verb: ClientVerb, params: unknown): unknown;
  /** Of an instance that keeps one; rejects with NO_HISTORY without. */
  history<V extends HistoryVerb>(verb: V, params: unknown): Promise<HistoryAnswers[V]>;
  /** Rejects with NO_WEBHOOKS where there are none. */
  webhooks<V extends WebhookVerb>(verb: V, params: unknown): Promise<WebhookAnswers[V]>;
  /** Rejects with NO_PLUGINS where there are none. */
  plugins<V extends PluginVerb>(verb: V, params: unknown): Promise<PluginAnswers[V]>;
  hubFacts(): HubFacts | Promise<HubFacts>;
  /** Throws API_OFF where no page is served. */
  openLogin(role: Role): OpenedLogin | Promise<OpenedLogin>;
  /** Reads the configuration file again and applies the difference, as SIGHUP does. */
  reload(): ReloadResult | Promise<ReloadResult>;
  /** Begins an orderly stop, as SIGTERM does. */
  stop(): void | Promise<void>;
}
