/**
 * That a disk refuses a file, said once. A full disk takes one write and refuses the next, as others on it come and go and as SQLite finds room
 * within its files: it is over when nothing was refused for a while, and for longer each time that it comes back.
 */

/** Who had the trouble that lately has the same one. */
const againWithinMs = 3_600_000;
const longestMs = 600_000;

export class DiskTrouble {
  readonly #leastMs: number;
  readonly #tell: (reason: string | undefined) => void;
  #reason: string | undefined;
  /** Until it is over, once something was written. */
  #quietMs: number;
  #overAtMs = Number.NEGATIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;

  /** `tell`: hears why, and undefined when it is over. `leastMs`: longer than from one write to the next. */
  constructor(leastMs: number, tell: (reason: string | undefined) => void) {
    this.#leastMs = leastMs;
    this.#quietMs = leastMs;
    this.#tell = tell;
  }

  /** What was told; undefined = nothing is wrong. */
  get reason(): string | undefined {
    return this.#reason;
  }

  /** Something could not be written. Another reason while it lasts is the same trouble. */
  refuse(reason: string): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#reason !== undefined) return;
    const isBack = performance.now() - this.#overAtMs < againWithinMs;
    this.#quietMs = isBack ? Math.min(longestMs, 2 * this.#quietMs) : this.#leastMs;
    this.#reason = reason;
    this.#tell(reason);
  }

  /** Something was written. */
  take(): void {
    if (this.#reason === undefined || this.#timer !== undefined) return;
    this.#timer = setTimeout(() => this.#end(), this.#quietMs).unref();
  }

  close(): void {
    clearTimeout(this.#timer);
  }

  #end(): void {
    this.#timer = undefined;
    this.#reason = undefined;
    this.#overAtMs = performance.now();
    this.#tell(undefined);
  }
}
