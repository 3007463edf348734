/** How long bulk may wait in the sealer before CoDel (RFC 8289) calls it a standing queue. */

/** What is asked of each path that carries data. */
export interface QueuedPath {
  /** Smoothed, 0 = unknown. */
  readonly rttUs: number;
  /** Standard deviation. */
  readonly jitterUs: number;
  readonly isStarting: boolean;
  /** Share of its packets, over thousands of them. */
  readonly lastingLoss: number;
  /** What comes after a loss waits so long at the other end until the repair is there; 0 = nobody repairs it, and nobody waits. */
  readonly repairUs: number;
}

/**
 * A cubic flow falls to 0.7 of its window (RFC 9438, 4.6) and keeps the paths busy meanwhile only by a queue of 0.43 round trips;
 * flows do not wait for each other's, so it costs nobody else.
 */
const queueShare = 0.4;
/** Who is put in order waits for the latest of many. */
const orderSigmas = 3;
const mostUs = 60_000;
/** While a rate is still being found the queue is ours, not the flow's. */
const startUs = 60_000;

/**
 * While a repair is waited for nothing is acknowledged: the queue must last for that, and for what the flow falls to behind its longer
 * round trip. Measured in the simulator: 0.94 of a link that loses 1 %; 0.87 with half of it, 0.75 with none.
 */
const repairShare = 2;
const mostRepairUs = 250_000;
/** Rarer losses are felt by fewer round trips. */
const frequentLoss = 0.001;

/** `targetUs` so far, or what this path in use asks for if that is longer. */
export function queueTargetWith(targetUs: number, path: QueuedPath): number {
  const ownUs = path.isStarting ? startUs : Math.min(mostUs, (path.rttUs + orderSigmas * path.jitterUs) * queueShare);
  const heldUs = Math.min(mostRepairUs, path.repairUs * repairShare * Math.min(1, path.lastingLoss / frequentLoss));
  return Math.max(targetUs, ownUs + heldUs);
}
