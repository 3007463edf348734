/** What the configuration says of a bond. */
import type { ParallelMode } from './life/election.ts';
import type { FecMode } from './repair/fec-policy.ts';
import type { SchedulerMode } from './schedule/scheduler.ts';

export interface BondSettings {
  /** By class (`trafficClass`). */
  readonly modes: readonly SchedulerMode[];
  /** By class: lost packets go out again even when there is only one path. */
  readonly protects: readonly boolean[];
  /** What the only path has lost goes out again by it. */
  readonly repairsAlone: boolean;
  readonly failbackMs: number;
  /** What becomes of several transports by one link. */
  readonly parallel: ParallelMode;
  readonly fec: FecMode;
  /** Of the longest sealed packet that the tunnel makes, parity included. */
  readonly sealedBytes: number;
  /** The tunnel's MTU. */
  readonly mtu: number;
}

/** What the peer has said of itself in this session. */
export interface PeerWord {
  /** It reads reports and may be reached by many paths; else it is a stock WireGuard. */
  readonly reports: boolean;
  /** It waits for what its only path has lost, and puts it in order. */
  readonly repairs: boolean;
  /** It rebuilds packets from parity. */
  readonly parity: boolean;
  /** It joins the pieces of packets that are too long for their path. */
  readonly pieces: boolean;
}
