/**
 * The life of one supervised thread: launch, started, exit, replaced, ended. A replacement is launched only by the exit of its
 * predecessor, so two never write the same memory; a thread that does not exit is fatal.
 */

import { MessageChannel, type MessagePort } from 'node:worker_threads';
import type { FromWorker, ToWorker } from '../actors/kit/messages.ts';
import type { ChildSpec } from '../actors/kit/topology.ts';
import { assert } from '../base/assert.ts';
import { HawserError } from '../base/errors.ts';
import type { InstanceEvent } from '../control/events.ts';
import type { ActorRow, ActorState } from '../control/supervisor-api.ts';
import type { SupervisorHooks, SupervisorOptions } from './options.ts';
import { backoffMs, RestartWindow } from './restart-window.ts';
import type { WorkerExit, WorkerHandle } from './worker-handle.ts';
import type { WorkerPool } from './worker-pool.ts';

/** What a child asks of its supervisor. */
export interface ChildHost {
  readonly options: SupervisorOptions;
  readonly hooks: SupervisorHooks;
  readonly pool: WorkerPool;
  note(source: string, event: InstanceEvent): void;
  onStarted(child: Child): void;
  onGone(child: Child, exit: WorkerExit): void;
  onMessage(message: FromWorker): void;
}

export class Child {
  spec: ChildSpec;
  state: ActorState = 'stopped';
  /** Of the present instance; undefined between two. */
  worker: WorkerHandle | undefined;
  readonly #host: ChildHost;
  readonly #window: RestartWindow;
  readonly #waiting: { resolve(): void; reject(error: Error): void }[] = [];
  #launches = 0;
  /** Deaths, and what an operator asked for; what a reload renews is none. */
  #restarts = 0;
  #failedStarts = 0;
  #lastExit: string | undefined;
  #startedAtMs = 0;
  /** By a clock that nobody sets. */
  #startedMs = 0;
  #hasStarted = false;
  /** Why the supervisor cuts the present instance. */
  #cutReason: string | undefined;
  #timer: NodeJS.Timeout | undefined;
  /** Said, and not mended since. */
  #isGivenUp = false;
  #isHeld = false;
  #isClosed = false;
  #renewal: Promise<void> | undefined;

  constructor(spec: ChildSpec, host: ChildHost) {
    this.spec = spec;
    this.#host = host;
    this.#window = new RestartWindow(host.options.intensity);
  }

  /** Launches the first instance, unless a reload was faster. */
  begin(): void {
    if (this.#launches === 0) this.launch();
  }

  /** Starts the first or the next instance; the one before has exited. Does nothing while the child is held or closed. */
  launch(): void {
    if (this.#isHeld || this.#isClosed) return;
    assert(this.worker === undefined, `${this.spec.id} would have two threads`);
    const { pool, options } = this.#host;
    this.state = this.#launches === 0 ? 'starting' : 'restarting';
    this.#launches += 1;
    this.#hasStarted = false;
    this.#cutReason = undefined;
    const roles = this.spec.actors.map((actor) => actor.role);
    const worker = this.spec.isBeside ? pool.make(roles) : pool.take(roles);
    this.worker = worker;
    worker.onMessage = (message) => this.#receive(message);
    void worker.exited.then((exit) => this.#onExit(exit));
    worker.host({ specs: this.spec.actors, doorbell: this.spec.doorbell, supervisor: this.#openRpc() });
    void this.#awaitStart(worker, options.startLimitMs);
  }

  async #awaitStart(worker: WorkerHandle, limitMs: number): Promise<void> {
    const isOver = (): boolean => this.worker !== worker || this.#hasStarted || this.state === 'stopping';
    const hasStarted = await worker.startsWithin(limitMs, isOver, () =>
      this.#host.note(this.spec.id, { kind: 'starved', reason: 'it starts, and waits for a processor' }),
    );
    if (!hasStarted && !isOver()) this.cut(`did not start within ${limitMs} ms`);
  }

  /** Resolves when the present or the next instance has started; rejects when the child is given up. */
  started(): Promise<void> {
    if (this.state === 'running') return Promise.resolve();
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
  }

  post(message: ToWorker): void {
    this.worker?.post(message);
  }

  /** Cuts the thread at once; its exit is handled like any other death. */
  cut(reason: string, state: ActorState = this.state): void {
    const worker = this.worker;
    if (worker === undefined || this.#cutReason !== undefined) return;
    this.#cutReason = reason;
    this.state = state;
    this.#host.note(this.spec.id, { kind: 'cut', reason });
    worker.terminate();
    void this.#awaitExit(worker, reason);
  }

  async #awaitExit(worker: WorkerHandle, reason: string): Promise<void> {
    const { id } = this.spec;
    const startMs = performance.now();
    const hasExited = await worker.exitsWithin(this.#host.options.terminateLimitMs, () =>
      this.#host.note(id, { kind: 'starved', reason: 'cut, and waits for a processor to end' }),
    );
    if (hasExited) return;
    const tookMs = Math.round(performance.now() - startMs);
    this.#host.hooks.onFatal(`The thread ${id} (${reason}) did not exit within ${tookMs} ms of being cut`, false);
  }

  /** Orderly end for good. */
  async close(reason: string): Promise<void> {
    this.#isClosed = true;
    await this.#end(reason);
  }

  /** Orderly end; nothing starts it again but `release`: a reload changes what it is lent meanwhile. */
  async hold(reason: string): Promise<void> {
    this.#isHeld = true;
    await this.#end(reason);
  }

  /** A new instance after `hold`, by the new specification. Resolves once it has started. */
  async release(spec: ChildSpec): Promise<void> {
    this.#isHeld = false;
    this.spec = spec;
    this.#failedStarts = 0;
    this.#isGivenUp = false;
    this.launch();
    await this.started();
  }

  /** Orderly end and a new instance. Who asks while that is under way waits for the same one. */
  renew(reason: string): Promise<void> {
    this.#renewal ??= this.#renew(reason).finally(() => {
      this.#renewal = undefined;
    });
    return this.#renewal;
  }

  async #renew(reason: string): Promise<void> {
    if (this.#isHeld || this.#isClosed) {
      throw new HawserError('BUSY', `${this.spec.id} is being changed by a reload or a stop`, 'try again');
    }
    await this.#end(reason);
    this.#restarts += 1;
    this.launch();
    if (this.worker !== undefined) await this.started();
  }

  /** Asks the present instance to stop, cuts it after `shutdownMs`. Resolves after the thread's exit. */
  async #end(reason: string): Promise<void> {
    clearTimeout(this.#timer);
    const worker = this.worker;
    this.state = worker === undefined ? 'stopped' : 'stopping';
    this.#lastExit = reason;
    if (worker === undefined) return;
    worker.post({ kind: 'stop' });
    const { shutdownMs } = this.spec;
    const timer = setTimeout(() => this.cut(`did not stop within ${shutdownMs} ms`), shutdownMs);
    await worker.exited;
    clearTimeout(timer);
  }

  get isRestarted(): boolean {
    return this.#launches > 1;
  }

  rows(): ActorRow[] {
    return this.spec.actors.map((actor) => ({
      id: actor.id,
      role: actor.role,
      state: this.state,
      threadId: this.worker?.threadId,
      kernelThreadId: this.worker?.kernelThreadId,
      restarts: this.#restarts,
      lastExit: this.#lastExit,
      startedAtMs: this.#startedAtMs,
    }));
  }

  describe(): { readonly thread?: number; readonly restarts?: number } {
    const thread = this.worker?.threadId;
    return {
      ...(thread === undefined ? {} : { thread }),
      ...(this.#restarts === 0 ? {} : { restarts: this.#restarts }),
    };
  }

  #openRpc(): Record<string, MessagePort> {
    const ports: Record<string, MessagePort> = {};
    for (const actor of this.spec.actors) {
      if (!this.#host.hooks.servedRoles.includes(actor.role)) continue;
      const { port1, port2 } = new MessageChannel();
      this.#host.hooks.serve(port1);
      ports[actor.id] = port2;
    }
    return ports;
  }

  #receive(message: FromWorker): void {
    if (message.kind !== 'started') {
      this.#host.onMessage(message);
      return;
    }
    clearTimeout(this.#timer);
    this.#hasStarted = true;
    this.#startedMs = performance.now();
    this.#startedAtMs = Date.now();
    if (this.state !== 'stopping') this.state = 'running';
    this.#host.onStarted(this);
    for (const one of this.#waiting.splice(0)) one.resolve();
  }

  #onExit(exit: WorkerExit): void {
    clearTimeout(this.#timer);
    this.worker = undefined;
    if (this.#wasSteady()) {
      this.#failedStarts = 0;
      this.#isGivenUp = false;
    } else if (this.state !== 'stopping') this.#failedStarts += 1;
    this.#host.onGone(this, exit);
    if (this.state === 'stopping') {
      this.state = 'stopped';
      this.#host.note(this.spec.id, { kind: 'stopped', reason: this.#lastExit ?? '' });
      return;
    }
    const reason = describeExit(exit, this.#cutReason);
    this.#lastExit = reason;
    this.#host.note(this.spec.id, { kind: 'exit', reason });
    const clean = exit.error === undefined && exit.code === 0 && this.#cutReason === undefined;
    const { restart } = this.spec;
    if (restart === 'temporary' || (restart === 'transient' && clean)) this.state = 'stopped';
    else this.#replace(reason);
    this.#host.hooks.onEnded();
  }

  /** Its start has helped. What no packet needs may take its time to die of what breaks it, and is not begun for ever without a pause. */
  #wasSteady(): boolean {
    const leastMs = this.spec.isBeside ? this.#host.options.besideSteadyMs : 0;
    return this.#hasStarted && performance.now() - this.#startedMs >= leastMs;
  }

  /** The next instance: at once after a death, after a growing pause after failed starts, not at all when it does not help. */
  #replace(reason: string): void {
    const { intensity, failedStartLimit } = this.#host.options;
    const { id } = this.spec;
    if (this.#failedStarts >= failedStartLimit) {
      this.#giveUp(`${id} failed to start ${this.#failedStarts} times in a row; the last time: ${reason}`);
    } else if (!this.#window.record(performance.now())) {
      const { count, periodMs } = intensity;
      this.#giveUp(`${id} died more than ${count} times within ${periodMs / 1000} s; the last time: ${reason}`);
    } else {
      this.#restarts += 1;
      this.state = 'restarting';
      const pauseMs = backoffMs(this.#failedStarts);
      if (pauseMs === 0) this.launch();
      else this.#timer = setTimeout(() => this.launch(), pauseMs);
    }
  }

  #giveUp(reason: string): void {
    this.state = 'failed';
    if (!this.#isGivenUp) this.#host.note(this.spec.id, { kind: 'given-up', reason });
    this.#isGivenUp = true;
    for (const one of this.#waiting.splice(0)) one.reject(new Error(reason));
    if (!this.spec.isBeside) this.#host.hooks.onFatal(reason, true);
    else {
      for (const { id } of this.spec.actors) this.#host.hooks.onGivenUp(id);
      this.#timer = setTimeout(() => this.launch(), this.#host.options.besideRetryMs).unref();
    }
  }
}

/** Why a worker ended, in words. */
function describeExit(exit: WorkerExit, cutReason: string | undefined): string {
  if (cutReason !== undefined) return cutReason;
  if (exit.error === undefined) return `ended with code ${exit.code}`;
  const where = exit.actorId === undefined ? '' : `${exit.actorId}: `;
  return `${where}${exit.error.name}: ${exit.error.message}`;
}

/** Left to right, but never before what a child depends on. Throws when children depend on each other in a circle. */
export function startOrder(specs: readonly ChildSpec[]): ChildSpec[] {
  const ordered: ChildSpec[] = [];
  const left = new Set(specs);
  while (left.size > 0) {
    const names = new Set([...left].map((spec) => spec.id));
    const next = [...left].find((spec) => !spec.dependsOn.some((id) => names.has(id)));
    if (next === undefined) throw new Error(`These threads wait for each other: ${[...names].join(', ')}`);
    left.delete(next);
    ordered.push(next);
  }
  return ordered;
}
