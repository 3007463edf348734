/**
 * A delay that varies: a stationary normal process around its mean. Independent values, so many standard deviations of time apart, are
 * joined by sine and cosine, so that the deviation is the same at every instant and packets hardly ever catch up with those before
 * (as `test/netns/emulator/link-model.h` does it); or each packet has its own.
 */

export interface JitterOptions {
  /** Standard deviation. */
  readonly sigmaUs: number;
  /** Sigmas of time between two independent values; 0 = each packet has its own. */
  readonly periods: number;
  readonly random: () => number;
}

export class Jitter {
  readonly #options: JitterOptions;
  #atUs = 0;
  #from = 0;
  #to = 0;

  constructor(options: JitterOptions) {
    this.#options = options;
  }

  /** What is added to the mean at `us`, which never goes back, microseconds. */
  addedUs(us: number): number {
    const { sigmaUs, periods } = this.#options;
    if (sigmaUs === 0) return 0;
    if (periods === 0) return sigmaUs * this.#normal();
    const periodUs = sigmaUs * periods;
    while (us >= this.#atUs + periodUs) {
      this.#atUs = Math.max(this.#atUs + periodUs, us - 2 * periodUs);
      this.#from = this.#to;
      this.#to = this.#normal();
    }
    const angle = (Math.min(1, (us - this.#atUs) / periodUs) * Math.PI) / 2;
    return sigmaUs * (Math.cos(angle) * this.#from + Math.sin(angle) * this.#to);
  }

  /** Box and Muller 1958. */
  #normal(): number {
    const { random } = this.#options;
    return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  }
}
