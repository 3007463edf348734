/**
 * By which path a lost packet arrives soonest. All that came after it is held for it at the other end, so a burst of losses must not
 * queue up on the nearest path when a farther one would be quicker: what is owed on each path counts.
 */

import { activeTier, isCandidate, rttOf } from '../schedule/candidates.ts';
import type { PathView } from '../schedule/scheduler.ts';

/** Repairs go before all that is new, and may overdraw a path's credit by so much: what its buffer does not hold is lost once more. */
const reserveUs = 4_000;
const leastReserveBytes = 1_500;
const mostReserveBytes = 16 * 1024;
/** What is lost again goes out again when a report has told of it. */
const reportUs = 10_000;
/** Round trips that a repair costs which is lost: its own, and that whoever waits for it may have given it up by then. */
const lostRounds = 4;
/** Of a path whose rate is not known yet: 10 Mbit/s. */
const unknownBytesPerUs = 1.25;

/** Bytes of repairs that may leave by it now. */
export function repairRoomBytes(path: PathView): number {
  if (path.isShallow) return path.allowedBytes;
  const reserve = (path.rateBytesPerUs || unknownBytesPerUs) * reserveUs;
  return path.allowedBytes + Math.min(mostReserveBytes, Math.max(leastReserveBytes, reserve));
}

/**
 * Index of the path by which `bytes` would arrive first; -1 = it has no room now. Then the repair waits for it: credit comes back within
 * milliseconds, and a farther path that has room at once would hold up all that came after the gap for longer.
 */
export function chooseForRepair(paths: readonly PathView[], count: number, bytes: number): number {
  const tier = activeTier(paths, count);
  let best = -1;
  let bestUs = Number.POSITIVE_INFINITY;
  for (let index = 0; index < count; index += 1) {
    const path = paths[index] as PathView;
    if (!isCandidate(path, tier)) continue;
    const owedBytes = Math.max(0, bytes - path.allowedBytes);
    const arrivalUs = repairDelayUs(path) + owedBytes / (path.rateBytesPerUs || unknownBytesPerUs);
    if (arrivalUs >= bestUs) continue;
    bestUs = arrivalUs;
    best = index;
  }
  return best >= 0 && repairRoomBytes(paths[best] as PathView) > 0 ? best : -1;
}

/**
 * One way, what it varies by, and rounds more when it is lost; not the half second that a loss costs a call (`delayUs`), or a search that
 * overflows makes a near path seem far.
 */
function repairDelayUs(path: PathView): number {
  const rttUs = rttOf(path);
  return rttUs / 2 + path.jitterUs + path.loss * (lostRounds * rttUs + reportUs);
}
