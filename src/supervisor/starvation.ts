/**
 * Tells a thread that hangs from one that gets no processor, by what the scheduler has noted between two looks:
 *
 * | between the looks the thread | ran | waited, or is ready | verdict |
 * |---|---|---|---|
 * | spins in a loop | more than the allowance | any | hung |
 * | is stuck in a native call (a lock, a silent socket) | hardly | no | hung |
 * | stands behind others in the run queue | hardly | yes | starved |
 *
 * A heartbeat alone cannot tell: both are silent. Cutting a starved thread helps nobody: its successor starves as well, must load
 * first, and the thread that was cut needs the same missing processor to end, which would end the process after
 * `terminateLimitMs`. Time on a processor is what a hung thread cannot hide, so a thread that spins while it is starved is found
 * too, later by as much as it was kept waiting.
 */
import type { ThreadTimes } from '../io/thread-times.ts';

export interface Look {
  readonly atUs: number;
  /** undefined: the thread is gone, or its id was never known. */
  readonly times: ThreadTimes | undefined;
}

/** `allowanceUs`: so much time on a processor would have been enough for what the thread has not done. */
export function isStarved(before: Look, now: Look, allowanceUs: number): boolean {
  if (before.times === undefined) return false;
  // It has ended, and this process had no time yet to hear of it.
  if (now.times === undefined) return true;
  if (now.times.ranUs - before.times.ranUs >= allowanceUs) return false;
  return now.times.isReady || now.times.waitedUs - before.times.waitedUs >= (now.atUs - before.atUs) / 2;
}

/** For messages: how much of the time between two looks the thread was on a processor. */
export function describeRun(before: Look | undefined, now: Look): string {
  if (before?.times === undefined || now.times === undefined) return '';
  const [ranMs, ofMs] = [now.times.ranUs - before.times.ranUs, now.atUs - before.atUs].map((us) =>
    Math.round(us / 1000),
  );
  return `, on a processor for ${ranMs} of the last ${ofMs} ms`;
}
