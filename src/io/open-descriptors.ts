/**
 * Raw descriptors that are open while something is under way. Whoever opens one closes it when that is over; who ends before closes all at
 * once, for a thread that stops runs no `finally` any more, and its descriptors are the process's. A number that was closed may be
 * another's already: look whether it is still `has` after each wait.
 */
import { closeSync } from 'node:fs';

export class OpenDescriptors {
  readonly #open = new Set<number>();

  add(fd: number): number {
    this.#open.add(fd);
    return fd;
  }

  has(fd: number): boolean {
    return this.#open.has(fd);
  }

  /** Somebody else closes it from now on. */
  release(fd: number): void {
    this.#open.delete(fd);
  }

  /** Unless it was closed or released. */
  close(fd: number): void {
    if (this.#open.delete(fd)) closeSync(fd);
  }

  closeAll(): void {
    for (const fd of this.#open) closeSync(fd);
    this.#open.clear();
  }
}
