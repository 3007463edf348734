/** What a plugin's process uses of a processor, over half a minute, held against what it may. Pure. */
import type { ProcessUse } from '../../io/process-facts.ts';

const windowMs = 30_000;
/** What is shown is of the last seconds. */
const shownMs = 5000;

interface Reading {
  readonly atMs: number;
  readonly ranMs: number;
}

export class Usage {
  readonly #mostPercent: number;
  #readings: Reading[] = [];
  residentBytes = 0;
  percent = 0;

  constructor(mostPercent: number) {
    this.#mostPercent = mostPercent;
  }

  /** About once a second. Returns why it may not go on; undefined = it may. */
  take({ ranMs, residentBytes }: ProcessUse, nowMs: number): string | undefined {
    this.residentBytes = residentBytes;
    this.#readings = [...this.#readings.filter(({ atMs }) => nowMs - atMs <= windowMs), { atMs: nowMs, ranMs }];
    this.percent = this.#over(shownMs, nowMs, ranMs) ?? 0;
    const [first] = this.#readings;
    // The window is not over: what a start costs is no sign.
    if (first === undefined || nowMs - first.atMs < 0.9 * windowMs) return undefined;
    const used = this.#over(windowMs, nowMs, ranMs) ?? 0;
    if (used <= this.#mostPercent) return undefined;
    return `it uses too much: ${Math.round(used)} % of a processor over ${windowMs / 1000} s, and may use ${this.#mostPercent}`;
  }

  #over(spanMs: number, nowMs: number, ranMs: number): number | undefined {
    const first = this.#readings.find(({ atMs }) => nowMs - atMs <= spanMs);
    if (first === undefined || nowMs <= first.atMs) return undefined;
    return (100 * (ranMs - first.ranMs)) / (nowMs - first.atMs);
  }
}
