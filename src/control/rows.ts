/** The rows that commands print and the HTTP API will serve: units in the names, ages instead of the daemon's clock. */
import type { peerRefusal } from '../contract/peer-tables.ts';
import type { ConfigTrial } from './config-calls.ts';
import type { LinkStatus, PathStatus } from './network-rows.ts';
import type { ActorState } from './supervisor-api.ts';

/** undefined as an age means "never". */
export interface PeerStatus {
  readonly name: string;
  readonly publicKey: string;
  /**
   * `connected` = a key slot to send with that has not expired, and something to send by; `cut off` = keys, and nothing that is sent
   * arrives by any path; `waiting` = data waits for a handshake; `idle` = neither keys nor data.
   */
  readonly state: 'connected' | 'cut off' | 'waiting' | 'idle';
  /** Since it was cut off; undefined = it is not. */
  readonly cutOffAgeMs: number | undefined;
  /** The configuration wants it connected without data: it has an endpoint and a keepalive. */
  readonly isWanted: boolean;
  readonly allowedIPs: readonly string[];
  readonly endpoint: string | undefined;
  readonly link: string | undefined;
  readonly transport: string | undefined;
  readonly handshakeAgeMs: number | undefined;
  readonly lastReceivedAgeMs: number | undefined;
  readonly lastSentAgeMs: number | undefined;
  readonly cipher: string | undefined;
  readonly keyAgeMs: number | undefined;
  readonly generation: number | undefined;
  /** It said HELLO: it is a Hawser too; false: it was silent after three of ours; undefined: nobody has asked yet. */
  readonly isHawser: boolean | undefined;
  readonly receivedBytes: number;
  readonly receivedPackets: number;
  readonly sentBytes: number;
  readonly sentPackets: number;
  readonly receivedBps: number;
  readonly sentBps: number;
  readonly queuedPackets: number;
  readonly queuedBytes: number;
  readonly droppedPackets: number;
  /** Why a handshake with it failed last; undefined = none has since one that did not. */
  readonly refusal: PeerRefusal | undefined;
  readonly replayedPackets: number;
  readonly rejectedPackets: number;
  /** Sent again on another path; held until those before them come, not waited for any longer, rebuilt from parity. */
  readonly resentPackets: number;
  readonly heldPackets: number;
  readonly givenUpPackets: number;
  readonly rebuiltPackets: number;
  /** How long a gap is waited for now. */
  readonly reorderDeadlineMs: number | undefined;
  readonly limits: PeerRates;
}

/** What a peer may send and be sent, as this host sees it: bits of inner packets a second, undefined = no limit. */
export interface PeerRates {
  readonly receiveBps: number | undefined;
  readonly sendBps: number | undefined;
  /** The peer has told us what we may send, and that is less than what is configured here. */
  readonly isTold: boolean;
  /** Share of the server's rate while that binds, 1 to 100; 0 = what others leave. */
  readonly priority: number;
  /** Which of the two held something back within the last seconds. */
  readonly reached: readonly ('receive' | 'send')[];
  /** Packets that did not enter because they came too fast. */
  readonly policedPackets: number;
  /** Bytes of inner packets, as quotas count them. */
  readonly receivedBytes: number;
  readonly sentBytes: number;
}

export interface PeerRefusal {
  /** A key of `peerRefusal` (`contract/peer-tables.ts`). */
  readonly reason: Exclude<keyof typeof peerRefusal, 'none'>;
  readonly ageMs: number;
  readonly count: number;
  /** How far its last stamp lay behind those before; undefined for other reasons. */
  readonly behindMs: number | undefined;
}

export interface RingStatus {
  readonly name: string;
  readonly capacityBytes: number;
  readonly usedBytes: number;
  readonly publishedRecords: number;
  /** Claims that were refused because the ring was full. */
  readonly refusedClaims: number;
  /** Consumers that died on the record at the front. */
  readonly crashes: number;
}

export interface ActorStatus {
  readonly id: string;
  readonly role: string;
  readonly state: ActorState;
  readonly threadId: number | undefined;
  readonly kernelThreadId: number | undefined;
  readonly restarts: number;
  readonly lastExit: string | undefined;
  readonly startedAtMs: number;
  /** What its thread does now: starting, running, parked, stopped. */
  readonly activity: string;
  readonly heartbeatAgeMs: number;
  readonly turns: number;
  readonly busyTurns: number;
  /**
   * Share of the time that its thread was on a processor, 0 to 100; of several actors in one thread each is shown its turns that did
   * something, and an equal part of what the thread did besides.
   */
  readonly busyPercent: number;
  /** Share of the time that its thread was ready and got no processor, 0 to 100. */
  readonly starvedPercent: number;
  /** Mean and longest duration of a turn that did something. */
  readonly meanTurnUs: number;
  readonly longestTurnUs: number;
  readonly packets: number;
  readonly bytes: number;
  readonly packetsPerSecond: number;
  readonly bps: number;
  /** What waits in the rings it consumes, and the fullest of them in percent. */
  readonly inputBytes: number;
  readonly inputPercent: number;
  /** The role's own counters (`rings/counter-names.ts`). */
  readonly counters: Readonly<Record<string, number>>;
}

export interface Status {
  readonly name: string;
  readonly version: string;
  readonly pid: number;
  readonly uptimeMs: number;
  readonly configPath: string;
  /** A configuration that is taken back unless somebody confirms it. */
  readonly trial: ConfigTrial | undefined;
  readonly placement: 'dedicated' | 'compact';
  /** Processors that the placement was chosen by; undefined = the configuration says it. */
  readonly placementCores: number | undefined;
  /** Pairs of sealer and opener. */
  readonly shards: number;
  readonly interface: string;
  readonly addresses: readonly string[];
  readonly mtu: number;
  readonly publicKey: string;
  readonly listenPort: number;
  readonly peersConnected: number;
  readonly peersCutOff: number;
  /** Those that the configuration wants connected without data, and are not. */
  readonly peersLost: number;
  /** The first of those that are cut off, and since when. */
  readonly cutOff: readonly { readonly peer: string; readonly ageMs: number | undefined }[];
  readonly peers: number;
  readonly paths: number;
  readonly actorsRunning: number;
  readonly actors: number;
  readonly restarts: number;
  readonly receivedBytes: number;
  readonly sentBytes: number;
  readonly receivedBps: number;
  readonly sentBps: number;
  /** What all peers together may use (`server.total`): bits of inner packets a second, as they see it; undefined = no limit. */
  readonly total: { readonly upBps: number | undefined; readonly downBps: number | undefined };
  readonly links: readonly LinkStatus[];
  /** What a person should look at, in sentences; empty = all is well. */
  readonly warnings: readonly string[];
}

export interface Top {
  readonly status: Status;
  /** All of them, or of thousands those that were asked for, the busiest first; the paths are theirs. */
  readonly peers: readonly PeerStatus[];
  readonly paths: readonly PathStatus[];
  readonly actors: readonly ActorStatus[];
  readonly rings: readonly RingStatus[];
}
