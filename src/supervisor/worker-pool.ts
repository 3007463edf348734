/** Worker threads that are loaded but host nothing yet: those of the first start, then one warm spare for whoever dies next. */
import type { Role } from '../actors/kit/contract.ts';
import type { ModuleUrls } from '../actors/kit/messages.ts';
import type { BellRinger } from '../rings/doorbell.ts';
import { WorkerHandle } from './worker-handle.ts';

interface Idle {
  /** `keyOf` what it has loaded. */
  readonly roles: string;
  readonly worker: WorkerHandle;
}

/** A thread of two links loads what a thread of one does. */
function keyOf(roles: readonly Role[]): string {
  return [...new Set(roles)].sort().join();
}

export class WorkerPool {
  readonly #ringer: BellRinger;
  readonly #modules: ModuleUrls;
  #idle: Idle[] = [];

  constructor(ringer: BellRinger, modules: ModuleUrls) {
    this.#ringer = ringer;
    this.#modules = modules;
  }

  /** Starts a thread that loads these roles now, for a `take` later. */
  prepare(roles: readonly Role[]): void {
    this.#idle.push({ roles: keyOf(roles), worker: new WorkerHandle(roles, this.#modules, this.#ringer) });
  }

  /** The thread prepared for these roles, or any other (it loads what it lacks), a warm one first, or a cold one. */
  take(roles: readonly Role[]): WorkerHandle {
    this.#forgetDead();
    const exact = this.#idle.find((one) => one.roles === keyOf(roles));
    const found = exact ?? this.#idle.find((one) => one.worker.isReady) ?? this.#idle[0];
    if (found === undefined) return this.make(roles);
    this.#idle = this.#idle.filter((one) => one !== found);
    return found.worker;
  }

  /** A cold one, for whom nobody waits: the spare is the packets'. */
  make(roles: readonly Role[]): WorkerHandle {
    return new WorkerHandle(roles, this.#modules, this.#ringer);
  }

  /** For tests: whether the next death is met by a thread that has loaded its modules. */
  get hasWarmSpare(): boolean {
    return this.#idle.some((one) => one.worker.isReady && !one.worker.hasExited);
  }

  /** Leaves one idle thread, which has all these roles or is on its way to. */
  keepSpare(roles: readonly Role[]): void {
    this.#forgetDead();
    const spare = this.#idle.find((one) => one.roles === keyOf(roles));
    for (const one of this.#idle) if (one !== spare) one.worker.terminate();
    this.#idle = spare === undefined ? [] : [spare];
    if (spare === undefined) this.prepare(roles);
  }

  /** Ends all threads that host nothing. */
  async close(): Promise<void> {
    const idle = this.#idle.splice(0);
    for (const one of idle) one.worker.terminate();
    await Promise.all(idle.map((one) => one.worker.exited));
  }

  #forgetDead(): void {
    this.#idle = this.#idle.filter((one) => !one.worker.hasExited);
  }
}
