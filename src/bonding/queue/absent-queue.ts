/**
 * How long bulk may wait while a part of the rope is gone. A flow that is cut to what the survivors carry takes many seconds to grow
 * again once the rope is whole (cubic adds half a packet a round trip there, RFC 9438 4.3), so for as long as that may be soon it keeps
 * the window that the whole rope needs; the queue that this makes is its own, for flows do not wait for each other's.
 */

/** What is asked of each path. */
export interface HopedPath {
  readonly isUsable: boolean;
  /** It shall carry data when it lives: another one of its link does not carry instead, and no operator took it out. */
  readonly isWanted: boolean;
  /** It answers, and carries data when it has done so for its stability time. */
  readonly isReturning: boolean;
  /** When it could last be used, microseconds; -Infinity = never. */
  readonly usableUs: number;
  readonly rateBytesPerUs: number;
  readonly minRttUs: number;
}

/** What has not come back within this will not soon. */
const patienceUs = 20_000_000;
/** What a window that is cut to 0.7 (RFC 9438 4.6) must have waiting to fill the rope still, in round trips. */
const leastShare = 1 / 0.7 - 1;
const mostUs = 300_000;

/**
 * Microseconds; 0 = nothing is hoped for, or no survivor is known. `wholeUs`: how long bulk might wait while the rope was whole, so that no
 * sender is told off for what it was allowed.
 */
export function absentQueueUs(paths: readonly HopedPath[], wholeUs: number, nowUs: number): number {
  let rate = 0;
  let rttUs = 0;
  let hopedRate = 0;
  let hopedRttUs = 0;
  for (const path of paths) {
    const isRecent = path.isReturning || nowUs - path.usableUs < patienceUs;
    if (!path.isUsable && !(path.isWanted && isRecent)) continue;
    hopedRate += path.rateBytesPerUs;
    hopedRttUs = Math.max(hopedRttUs, path.minRttUs);
    if (!path.isUsable) continue;
    rate += path.rateBytesPerUs;
    rttUs = Math.max(rttUs, path.minRttUs);
  }
  if (rate === 0 || hopedRate <= rate) return 0;
  const windowUs = hopedRttUs + Math.max(wholeUs, hopedRttUs * leastShare);
  return Math.max(0, Math.min(mostUs, (hopedRate * windowUs) / rate - rttUs));
}
