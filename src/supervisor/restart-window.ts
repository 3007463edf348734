/** OTP's restart intensity: more than `count` restarts within `periodMs` mean that restarting does not help. */

export interface Intensity {
  readonly count: number;
  readonly periodMs: number;
}

export class RestartWindow {
  readonly #intensity: Intensity;
  #restartsMs: number[] = [];

  constructor(intensity: Intensity) {
    this.#intensity = intensity;
  }

  /** Notes a restart at `nowMs`; false when it is one too many. */
  record(nowMs: number): boolean {
    const { count, periodMs } = this.#intensity;
    this.#restartsMs = this.#restartsMs.filter((at) => nowMs - at < periodMs);
    this.#restartsMs.push(nowMs);
    return this.#restartsMs.length <= count;
  }
}

const firstBackoffMs = 100;
const longestBackoffMs = 5000;

/** Pause before the next start after `failures` failed starts in a row: 0, 100, 200, 400 … 5000 ms. */
export function backoffMs(failures: number): number {
  if (failures === 0) return 0;
  return Math.min(longestBackoffMs, firstBackoffMs * 2 ** (failures - 1));
}
