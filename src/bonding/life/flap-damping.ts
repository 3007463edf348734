/**
 * Flap damping: a path that dies, or becomes bad, soon after each return is held down for longer and longer (the idea of RFC 2439,
 * simplified).
 */

/** A path is out for a minute at most after it answers again, or for as long as the configuration says. */
const mostHoldUs = 60_000_000;
/** Dead again within so many hold-downs of its return: it flaps. */
const shortLife = 4;
/** A life this long halves the hold-down, and each further one again. */
const forgiveUs = 60_000_000;

export class FlapDamping {
  readonly #failbackUs: number;
  #holdUs: number;
  #returnedUs = Number.NEGATIVE_INFINITY;

  constructor(failbackUs: number) {
    this.#failbackUs = failbackUs;
    this.#holdUs = failbackUs;
  }

  /** How long the path must go on answering before it is used again. */
  get holdUs(): number {
    return this.#holdUs;
  }

  /** Longer than a path that simply died once. */
  get isDamped(): boolean {
    return this.#holdUs > this.#failbackUs;
  }

  /** It carries data again after a hold-down. */
  handleReturn(nowUs: number): void {
    this.#returnedUs = nowUs;
  }

  /** The first death of all is not held against it. */
  handleDeath(nowUs: number): void {
    if (this.#returnedUs < 0) return;
    const livedUs = nowUs - this.#returnedUs;
    this.#returnedUs = Number.NEGATIVE_INFINITY;
    if (livedUs < Math.min(forgiveUs, shortLife * this.#holdUs))
      this.#holdUs = Math.max(this.#failbackUs, Math.min(mostHoldUs, this.#holdUs * 2));
    else this.#holdUs = Math.max(this.#failbackUs, this.#holdUs / 2 ** Math.floor(livedUs / forgiveUs));
  }
}
