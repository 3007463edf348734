/** The Opener of the addon: it opens what came, delivers it in order, and writes what TypeScript is to know into tables of columns. */
import type { InnerLimitParts } from './data-api.ts';
import type { NativePort } from './port.ts';

export interface Opener {
  /** Splits up to `maxRecords` records of input `input` into runs; returns how many runs. */
  look(input: number, maxRecords: number): number;
  /** Opens the runs of the last look, publishes, releases; returns packets delivered. */
  open(input: number, count: number, nowUs: number): number;
  /**
   * Writes a REPORT on `slot` into `reports`, as a frameOut record for the peer's two best paths, and takes the slot off `unreported`.
   * Returns the length of the frame; 0 = nothing to report, -28 = the ring is full.
   */
  report(slot: number, nowUs: number): number;
  /** Fills the rows of `gaps`, at most `gaps.max`; with more, others at each call. Returns how many. */
  gaps(): number;
  /**
   * Waits no longer for the first gap of `slot`, and delivers what waited for that alone; a slot that `isReady` only goes on delivering.
   * Returns 0, or -28 when the output is full: call again.
   */
  giveUp(slot: number, nowUs: number): number;
  /** Forgets what is kept of the keys in `slot` if it is not ready any more; -1 = in any slot. */
  sweep(slot: number): void;
}

export interface OpenerParts extends InnerLimitParts {
  readonly received: readonly NativePort[];
  readonly plain: NativePort;
  readonly events: NativePort;
  readonly reports: NativePort;
  /** Control frames about paths, for the sealer to read. */
  readonly heard: NativePort;
  readonly sessions: Uint8Array;
  readonly paths: Uint8Array;
  readonly allowedIps: Uint8Array;
  readonly joinUdp: boolean;
  readonly runs: Uint8Array;
  readonly result: Uint8Array;
  /** i32: how many key slots have data that no report told of yet, then which; room for every slot. Written by the addon only. */
  readonly unreported: Uint8Array;
  /** Packets of peers with at least so many paths, which also say that they use them, are put in order; 0 = of none. */
  readonly orderFromPaths: number;
  /** One path is enough where the peer says that it repairs what its only path loses. */
  readonly awaitsRepairs: boolean;
  /** f64: number of gaps, always true; then `gaps.max` rows, filled by `gaps()`. */
  readonly gaps: Uint8Array;
  /** f64: number of rows, then `lateness.max` of them; TypeScript sets the number to 0 when it has read them. */
  readonly lateness: Uint8Array;
  /** Longest sealed packet that parity can bring back. */
  readonly maxFecBytes: number;
}
