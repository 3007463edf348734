/** Which path a train leaves by: the one contract of all modes. Numbers in, an index out; nothing is allocated per call. */
import { AdaptiveScheduler } from './adaptive.ts';
import { FailoverScheduler } from './failover.ts';
import { LeastLatencyScheduler } from './least-latency.ts';
import { LeastUsedScheduler } from './least-used.ts';
import { PerFlowScheduler } from './per-flow.ts';
import { RedundantScheduler } from './redundant.ts';
import { RoundRobinScheduler } from './round-robin.ts';
import { WeightedScheduler } from './weighted.ts';

export const schedulerModes = [
  'adaptive',
  'round-robin',
  'weighted',
  'least-used',
  'least-latency',
  'per-flow',
  'failover',
  'redundant',
] as const;

export type SchedulerMode = (typeof schedulerModes)[number];

/** `always` carries what there is; `backup` only while no `always` path is usable; `metered` only while nothing else is. */
export type PathRole = 'always' | 'backup' | 'metered';

/** One path as its owner (the sealer) sees it now. Mutable, one a path, refreshed before each call. */
export interface PathView {
  /** Row of the path table: tells a scheduler that an index is another path than before. */
  row: number;
  isUsable: boolean;
  /** 0 (primary) to 255. */
  priority: number;
  /** 0 = not configured. */
  weight: number;
  role: PathRole;
  /** Credit now: zero or less means that bulk may not leave by it now. */
  allowedBytes: number;
  // 0 = unknown, for all of these
  /** Smoothed, there *and back by this path* (probes): half of it is taken for one way. Reports come back by the nearest path. */
  rttUs: number;
  minRttUs: number;
  jitterUs: number;
  /** Share of packets lost, 0 to 1. */
  loss: number;
  rateBytesPerUs: number;

  inFlightBytes: number;
  /** Running total of what was scheduled on it. */
  sentBytes: number;
  /** Its controller is still looking for the rate: what it has found by now is too low. */
  isStarting: boolean;
  /** Its bottleneck holds a packet or two: what leaves beyond the credit is lost. */
  isShallow: boolean;
  /** Estimated microseconds until it has credit again; 0 = it has. */
  readyInUs: number;
}

/** What wants to leave. */
export interface Demand {
  /** `trafficClass` of contract/records.ts. */
  trafficClass: number;
  /** Hash of the inner 5-tuple. */
  flow: number;
  bytes: number;
  /** Bytes that wait for this peer, this train included. */
  backlogBytes: number;
}

/** One instance a peer (and class mode): schedulers remember what they chose. */
export interface Scheduler {
  /**
   * Index into `paths` (the first `count` are valid, at most 32) to send on now; -1 = wait: nothing usable has credit, or a
   * better path is worth waiting for. Control and latency traffic ignores credit: it is small, and must not wait for bulk.
   */
  choose(paths: readonly PathView[], count: number, demand: Demand, nowUs: number): number;
  /** Further index to send a copy on, given those used so far as a bit mask; -1 = none. Only `redundant` makes copies. */
  copy(paths: readonly PathView[], count: number, demand: Demand, usedMask: number): number;
  /**
   * How long bulk may wait in the sealer before CoDel should call it a standing queue, microseconds. Above CoDel's own target
   * while a slower path is worth recruiting: a flow shows by its queue that its window is large enough for that path.
   */
  readonly queueTargetUs: number;
  /** Why this path, which may be used, was not chosen from of late: of `pathHold`. Left out: a mode says that by its name. */
  holdOf?(path: PathView, place: number, nowUs: number): number;
}

export function createScheduler(mode: SchedulerMode): Scheduler {
  switch (mode) {
    case 'adaptive':
      return new AdaptiveScheduler();
    case 'round-robin':
      return new RoundRobinScheduler();
    case 'weighted':
      return new WeightedScheduler();
    case 'least-used':
      return new LeastUsedScheduler();
    case 'least-latency':
      return new LeastLatencyScheduler();
    case 'per-flow':
      return new PerFlowScheduler();
    case 'failover':
      return new FailoverScheduler();
    case 'redundant':
      return new RedundantScheduler();
  }
}
