import type { PathRow } from './path-row.ts';

/**
 * The bond's port to the record of what is under way to its peer. Whoever keeps the record (the addon in the daemon) knows every packet,
 * by which path it left and what became of it; the bond only asks, and says when something counts as lost.
 */
export interface FlightRecord {
  /**
   * Rows of `feedback` columns, one for each of the peer's paths by its number: what the last report or `expire` found out. Whoever
   * reads it may correct it.
   */
  readonly feedback: Float64Array;
  /** By path: a packet is lost when another that left by the same path so many microseconds later has arrived. Read with each report. */
  readonly lossDelaysUs: Float64Array;
  /** By path: what left by it before this time is lost, 0 = no limit. Read by `expire`. */
  readonly expireBeforeUs: Float64Array;
  /** Declares lost what is overdue, and surveys what is in flight; returns packets that wait to be sent again. */
  expire(nowUs: number): number;
  /** What left by this path with more sealed bytes than `longest` will not arrive, which is no loss of the path's: it may go out again. */
  loseLonger(path: number, longest: number): void;
  /** Sealed bytes of the longest packet in the oldest run that waits to be sent again; 0 = none waits. */
  longestWaiting(): number;
  /** Those that wait and have more sealed bytes than `longest` are not sent again. */
  giveUpLonger(longest: number): void;
  /**
   * Sends waiting packets of at most `longest` sealed bytes by this path, oldest first, at most `mostBytes` (at least one packet); adds to
   * the path's `resentPackets` of `feedback` and returns bytes.
   */
  resend(path: PathName, mostBytes: number, longest: number, nowUs: number): number;
  /**
   * The same for those that have more sealed bytes than `longest`: what they bore leaves in pieces of at most that, under counters of their
   * own. The peer must join them.
   */
  resendCut(path: PathName, mostBytes: number, longest: number, nowUs: number): number;
}

/** A path by its row of the path table and by its number within its peer. */
export type PathName = Pick<PathRow, 'row' | 'number'>;

/** What a peer says has arrived: a REPORT frame in the daemon. */
export interface PeerReport {
  /** Reads it into the flight record; returns packets that wait to be sent again, -1 = malformed. */
  acknowledge(nowUs: number): number;
}
