/** Worker threads that are loaded but host nothing yet: those of the first start, then one warm spare for whoever dies next. */
import type { Role } from '../actors/kit/contract.ts';
import type { ModuleUrls } from '../actors/kit/messages.ts';
import type { BellRinger } from '../rings/doorbell.ts';
import { WorkerHandle } from './worker-handle.ts';

export class WorkerPool {
  readonly #ringer: BellRinger;
  readonly #modules: ModuleUrls;
  readonly #prepared: { roles: readonly Role[]; worker: WorkerHandle }[] = [];
  #spare: WorkerHandle | undefined;

  constructor(ringer: BellRinger, modules: ModuleUrls) {
    this.#ringer = ringer;
    this.#modules = modules;
  }

  /** Starts a thread that loads these roles now, for a `take` of the same roles later. */
  prepare(roles: readonly Role[]): void {
    this.#prepared.push({ roles, worker: this.#create(roles) });
  }

  /** The prepared thread of these roles, or the spare if it is warm, or a cold one. */
  take(roles: readonly Role[]): WorkerHandle {
    const index = this.#prepared.findIndex((one) => one.roles.join() === roles.join());
    const prepared = index < 0 ? undefined : this.#prepared.splice(index, 1)[0]?.worker;
    if (prepared !== undefined && !prepared.hasExited) return prepared;
    const spare = this.#spare;
    if (spare?.isReady === true && !spare.hasExited) {
      this.#spare = undefined;
      return spare;
    }
    return this.#create(roles);
  }

  get hasWarmSpare(): boolean {
    return this.#spare?.isReady === true && !this.#spare.hasExited;
  }

  /** Makes sure that a spare with all these roles is there, or on its way. */
  keepSpare(roles: readonly Role[]): void {
    if (this.#spare === undefined || this.#spare.hasExited) this.#spare = this.#create(roles);
  }

  /** Ends all threads that host nothing. */
  async close(): Promise<void> {
    const idle = [...this.#prepared.splice(0).map((one) => one.worker), this.#spare].filter((one) => one !== undefined);
    this.#spare = undefined;
    for (const worker of idle) worker.terminate();
    await Promise.all(idle.map((worker) => worker.exited));
  }

  #create(roles: readonly Role[]): WorkerHandle {
    return new WorkerHandle(roles, this.#modules, this.#ringer);
  }
}
