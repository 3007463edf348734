/** Smallest value of a sliding time window, in a few buckets: no allocation, and exact to one bucket's length at the far edge. */

const bucketCount = 8;

export class WindowedMinimum {
  readonly #values = new Float64Array(bucketCount).fill(Number.POSITIVE_INFINITY);
  readonly #numbers = new Float64Array(bucketCount).fill(-1);
  readonly #bucketUs: number;

  constructor(windowUs: number) {
    this.#bucketUs = windowUs / bucketCount;
  }

  add(value: number, nowUs: number): void {
    const number = Math.floor(nowUs / this.#bucketUs);
    const index = number % bucketCount;
    if (this.#numbers[index] !== number || value < (this.#values[index] ?? 0)) this.#values[index] = value;
    this.#numbers[index] = number;
  }

  /** Infinity when the window holds nothing. */
  least(nowUs: number): number {
    const oldest = Math.floor(nowUs / this.#bucketUs) - bucketCount;
    let least = Number.POSITIVE_INFINITY;
    for (let index = 0; index < bucketCount; index += 1) {
      const value = this.#values[index] ?? least;
      if ((this.#numbers[index] ?? -1) > oldest && value < least) least = value;
    }
    return least;
  }

  reset(): void {
    this.#values.fill(Number.POSITIVE_INFINITY);
    this.#numbers.fill(-1);
  }
}
