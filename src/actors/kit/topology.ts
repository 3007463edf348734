/** The shape of a topology: plain data, made by `topology/plan.ts`, built and run by the supervisor, printed by the CLI. */

import type { Family } from '../../base/family.ts';
import type { TransportName } from '../../contract/link-tables.ts';
import type { ActorSpec, Role } from './contract.ts';

export interface RingEndPlan {
  readonly actor: string;
  readonly port: string;
}

export interface RingPlan {
  /** `tun-reader.outbound -> sealer.plain` */
  readonly name: string;
  readonly from: RingEndPlan;
  readonly to: RingEndPlan;
  /** Capacity, a power of two. */
  readonly bytes: number;
}

/** Tables in shared memory that can be lent; an actor's own counters block always is. */
export type TableName =
  | 'sealedLog'
  | 'sessions'
  | 'peers'
  | 'paths'
  | 'links'
  | 'carriers'
  | 'checks'
  | 'allowedIps'
  | 'stash'
  // Of a second and further shard (`ofShard`).
  | ShardTableName;

export type ShardTableName = `sealedLog-${number}` | `stash-${number}`;

/** Tables that belong to one actor, and outlive it. */
export type OwnTableName = 'flows';

export interface ActorPlan {
  readonly id: string;
  readonly role: Role;
  /** Which pair of sealer and opener it belongs to, where there are several; undefined = the first, or all. */
  readonly shard?: number;
  readonly settings: Readonly<Record<string, unknown>>;
  /** Settings that are known only once a resource is open: setting → [resource, fact]. */
  readonly learns: Readonly<Record<string, readonly [resource: string, fact: string]>>;
  readonly tables: readonly TableName[];
  readonly ownTables: readonly OwnTableName[];
  /** It is started with `settings.peers`, and told of every change of them. */
  readonly hearsOfPeers: boolean;
  /** Name the actor knows it by → name of the resource. */
  readonly fds: Readonly<Record<string, string>>;
  readonly wakeOn: readonly string[];
}

export interface ThreadPlan {
  readonly id: string;
  /** In the order of their first turns. */
  readonly actors: readonly string[];
}

/** Which actors share a thread. */
export interface Placement {
  readonly kind: 'dedicated' | 'compact';
  /** Processors that it was chosen by; undefined = the configuration says it. */
  readonly cores?: number | undefined;
}

/** A file descriptor that the supervisor opens, lends and closes. */
export type ResourcePlan =
  | { readonly name: string; readonly kind: 'tun'; readonly interface: string }
  | {
      readonly name: string;
      readonly kind: 'udp';
      /** Name of the link that it is for: opened anew when the link's interface is another. */
      readonly link: string;
      /** Row of the carrier table, where what the socket can do is written. */
      readonly carrier: number;
      readonly transport: TransportName;
      readonly family: Family;
      /** 0 = any free one, the same for all sockets of the transport. */
      readonly port: number;
      /** undefined = the kernel's routing chooses. */
      readonly interface: string | undefined;
      readonly mark: number;
    }
  | {
      readonly name: string;
      /** TCP segments for a few ports, beside the kernel's own TCP. */
      readonly kind: 'packets';
      readonly link: string;
      readonly carrier: number;
      readonly family: Family;
      /** 0 = nobody calls there. */
      readonly listenPort: number;
      /** So many ports to call from. */
      readonly callPorts: number;
      readonly interface: string | undefined;
      readonly mark: number;
    }
  | {
      readonly name: string;
      /** Connections of the kernel's own TCP are taken there. */
      readonly kind: 'tcp';
      readonly link: string;
      readonly carrier: number;
      readonly family: 4 | 6;
      readonly port: number;
      readonly interface: string | undefined;
      readonly mark: number;
    };

export interface LinkRow {
  readonly row: number;
  readonly name: string;
}

/** Who sends and receives for one link by one transport. */
export interface CarrierRow {
  /** Of the carrier table. */
  readonly row: number;
  /** `carrierName`: of its ports at other actors. */
  readonly name: string;
  readonly link: string;
  readonly transport: TransportName;
  /** Id of its actor. */
  readonly actor: string;
}

export interface MemoryPlan {
  /** Pairs of sealer and opener: each has a sealed log and a stash, and peers belong to one by their row. */
  readonly shards: number;
  readonly sealedLogBytes: number;
  readonly windowBits: number;
  /** Peers that there shall be room for, if the kernel gives so much address space; and for how many there must be. */
  readonly peerRows: number;
  readonly leastPeerRows: number;
  readonly linkRows: number;
  /** Nodes of the trie that there must be room for, in each of its areas. */
  readonly allowedIpsNodes: number;
}

export interface Topology {
  readonly placement: Placement;
  readonly threads: readonly ThreadPlan[];
  readonly actors: readonly ActorPlan[];
  readonly rings: readonly RingPlan[];
  readonly resources: readonly ResourcePlan[];
  readonly memory: MemoryPlan;
  readonly links: readonly LinkRow[];
}

/** What a reload does, in this order: end `stop` and `renew`, close, remove, open, add, start `renew` and `start`. */
export interface TopologyDiff {
  readonly stop: readonly string[];
  readonly renew: readonly string[];
  readonly start: readonly string[];
  readonly closeResources: readonly string[];
  readonly openResources: readonly string[];
  readonly removeRings: readonly string[];
  readonly addRings: readonly string[];
}

/** One thread as the supervisor runs it; in OTP's words a child specification. */
export interface ChildSpec {
  readonly id: string;
  /** permanent: always restarted; transient: only after an error; temporary: never. */
  readonly restart: 'permanent' | 'transient' | 'temporary';
  /** Time for an orderly stop before the thread is cut. */
  readonly shutdownMs: number;
  /** Children that must have started before this one. */
  readonly dependsOn: readonly string[];
  /** No packet needs it: an instance is ready without it, and goes on when it cannot be kept. */
  readonly isBeside: boolean;
  /** Silence after which the thread counts as hung. */
  readonly hangLimitMs: number;
  readonly actors: readonly ActorSpec[];
  readonly doorbell: { readonly memory: SharedArrayBuffer; readonly fd: number };
}
