/**
 * Which stamps of a peer's initiations are replays (TAI64N, WireGuard whitepaper 5.1): those not after the last that was answered. A
 * stamp from the far future would lock its owner out until that day comes: a device without a clock makes one, or a corrupted file. So
 * two marks are kept, each 12 bytes, zeros = none:
 *
 * | stamp                                    | is fresh when                | then                                      |
 * | ---------------------------------------- | ---------------------------- | ----------------------------------------- |
 * | beyond now + 1 day ("far")               | after `far`                  | `far` = it, `last` = now unless it is later |
 * | up to now + 1 day, and not after `far`   | after `last`, and ≤ now + 5 min: what is later was made by the wrong clock | `last` = it |
 * | up to now + 1 day, and after `far`       | after `last`                 | `last` = it                               |
 *
 * A host whose own clock stands before this program was written cannot call anything far.
 */
import { tai64nBytes, tai64nEmit, tai64nIsAfter, tai64nUnixUs } from '../../crypto/tai64n.ts';

export interface StampMarks {
  readonly last: Uint8Array;
  readonly far: Uint8Array;
}

/** `copy`: one of those that were answered, come again by another way. `behind`: not after what was answered. */
export type StampVerdict = 'fresh' | 'copy' | 'behind';

const dayUs = 86_400_000_000;
const slackUs = 300_000_000;
/** 2026-01-01. */
const plausibleUs = 1_767_225_600_000_000;

/** Whether a stamp is from a clock that is wrong, or ours is. */
export function stampIsFar(stampUs: number, unixUs: number): boolean {
  return unixUs >= plausibleUs && stampUs > unixUs + dayUs;
}

/** `unixUs`: CLOCK_REALTIME microseconds. */
export function stampJudge({ last, far }: StampMarks, stamp: Uint8Array, unixUs: number): StampVerdict {
  if (isSame(stamp, last) || isSame(stamp, far)) return 'copy';
  const stampUs = tai64nUnixUs(stamp, 0);
  const isAfterFar = tai64nIsAfter(stamp, far);
  if (stampIsFar(stampUs, unixUs)) return isAfterFar ? 'fresh' : 'behind';
  if (!isAfterFar && stampUs > unixUs + slackUs) return 'behind';
  return tai64nIsAfter(stamp, last) ? 'fresh' : 'behind';
}

/** Takes in a fresh stamp that was answered. */
export function stampAccept({ last, far }: StampMarks, stamp: Uint8Array, unixUs: number): void {
  if (!stampIsFar(tai64nUnixUs(stamp, 0), unixUs)) {
    last.set(stamp);
    return;
  }
  far.set(stamp);
  const now = new Uint8Array(tai64nBytes);
  tai64nEmit(now, 0, unixUs);
  if (tai64nIsAfter(now, last)) last.set(now);
}

function isSame(one: Uint8Array, other: Uint8Array): boolean {
  return one.every((byte, index) => byte === other[index]);
}
