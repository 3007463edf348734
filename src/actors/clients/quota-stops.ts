/**
 * Where a client's devices have to stop: what is left of its quota, divided among its devices and their directions as they have used it of
 * late, so that all of them together come to the quota and no further. Who stops has its share divided anew at the next look. Pure.
 */

/** One direction of one device. */
export interface Meter {
  /** Inner bytes ever, as its row counts them. */
  readonly bytes: number;
  /** Of late, in any unit. */
  readonly weight: number;
}

/** Nobody gets less while anything is left: the packet that reaches an end still passes, so nobody stands still, and each is over by one at most. */
const leastBytes = 1;
/** Who has used nothing of late gets this part of an equal share, to begin with. */
const idleShare = 1 / 16;

/** For each meter the count of bytes at which it ends, never 0. `leftBytes` 0 or less: here and now. */
export function stopsOf(meters: readonly Meter[], leftBytes: number): number[] {
  const count = meters.length;
  const total = meters.reduce((sum, { weight }) => sum + weight, 0);
  const base = total === 0 ? 1 : (total / count) * idleShare;
  return meters.map(({ bytes, weight }) => {
    const share = (weight + base) / (total + base * count);
    const allowed = Math.max(leftBytes * share, Math.min(leftBytes, leastBytes));
    return Math.max(1, bytes + Math.max(0, Math.floor(allowed)));
  });
}
