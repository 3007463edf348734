/** Tokens that come back at a steady rate, up to a burst; kept as the time by which all that were taken will be back. */
export class TokenBucket {
  readonly #costUs: number;
  readonly #burstUs: number;
  #backUs = Number.NEGATIVE_INFINITY;

  constructor({ perSecond, burst }: { readonly perSecond: number; readonly burst: number }) {
    this.#costUs = 1_000_000 / perSecond;
    this.#burstUs = burst * this.#costUs;
  }

  /** Takes one if more than `reserve` are there. */
  take(nowUs: number, reserve = 0): boolean {
    if (!this.has(nowUs, reserve)) return false;
    this.#backUs = Math.max(this.#backUs, nowUs - this.#burstUs) + this.#costUs;
    return true;
  }

  /** One that was taken was not needed. */
  giveBack(): void {
    this.#backUs -= this.#costUs;
  }

  has(nowUs: number, reserve = 0): boolean {
    return nowUs >= this.wakeUs(reserve);
  }

  /** From when on one can be taken. */
  wakeUs(reserve = 0): number {
    return this.#backUs + this.#costUs * (1 + reserve);
  }
}
