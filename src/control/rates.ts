/** Rates from counters that only go up: remembers two samples of each, so that a single question gets an answer over 1 to 2 s. */

const sampleEveryUs = 1_000_000;

export type Counts = ReadonlyMap<string, number>;

export class Rates {
  #older: { readonly atUs: number; readonly counts: Counts } | undefined;
  #newer: { readonly atUs: number; readonly counts: Counts } | undefined;

  /** Keeps `counts` when the last sample is a second old; called often. */
  sample(nowUs: number, read: () => Counts): void {
    if (this.#newer !== undefined && nowUs - this.#newer.atUs < sampleEveryUs) return;
    this.#older = this.#newer;
    this.#newer = { atUs: nowUs, counts: read() };
  }

  /** How much `key` grew in a second; 0 before there is a sample, and when it was reset. */
  perSecond(key: string, value: number, nowUs: number): number {
    const base = this.#older ?? this.#newer;
    const before = base?.counts.get(key);
    if (base === undefined || before === undefined || nowUs <= base.atUs || value < before) return 0;
    return ((value - before) * 1e6) / (nowUs - base.atUs);
  }
}
