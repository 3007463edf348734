/** One worker thread as the supervisor holds it: posts with the doorbell, notes its last words, tells when it has exited. */
import { setImmediate as eventLoopTurn, setTimeout as sleep } from 'node:timers/promises';
import { type MessagePort, Worker } from 'node:worker_threads';
import type { ActorSpec, Role } from '../actors/kit/contract.ts';
import type {
  DoorbellSpec,
  ErrorReport,
  FromWorker,
  ModuleUrls,
  ToWorker,
  WorkerSetup,
} from '../actors/kit/messages.ts';
import { doorbell } from '../contract/rings.ts';
import { readThreadTimes, type ThreadTimes } from '../io/thread-times.ts';
import type { BellRinger } from '../rings/doorbell.ts';
import { Doorbell } from '../rings/doorbell.ts';
import { isStarved, type Look } from './starvation.ts';

/** How often the limit of a start or an exit is extended for a thread that is starved: finite, since nothing may wait for ever. */
const mostLimits = 5;
/** Ending a thread takes 10 to 50 ms of CPU; one that used this part of its limit and is still there will not end. */
const exitAllowedPart = 1 / 5;
/** A start takes a second or two of CPU at most. */
const startAllowedPart = 1 / 5;
/**
 * Room for what a thread makes and soon forgets: V8 would let it grow to 48 MB, and most of that would stay. Who carries packets makes
 * next to nothing, and a look through little is short.
 */
const youngMegabytes = 3;
/** Of a thread that has not said yet which one it is. */
const unborn: ThreadTimes = { ranUs: 0, waitedUs: 0, isReady: false };
const entry = new URL('../actors/kit/worker.js', import.meta.url);

export interface WorkerExit {
  readonly code: number;
  /** Its error, when it said one; `actorId` is the actor in whose turn it was thrown. */
  readonly error: ErrorReport | undefined;
  readonly actorId: string | undefined;
}

export interface Hosting {
  readonly specs: readonly ActorSpec[];
  readonly doorbell: DoorbellSpec;
  readonly supervisor: Readonly<Record<string, MessagePort>>;
}

export class WorkerHandle {
  readonly threadId: number;
  /** Settles when the thread is gone; never rejects. */
  readonly exited: Promise<WorkerExit>;
  /** The addon and the modules are loaded. */
  isReady = false;
  hasExited = false;
  onMessage: (message: FromWorker) => void = () => undefined;
  readonly #worker: Worker;
  readonly #ringer: BellRinger;
  #kernelThreadId: number | undefined;
  #bell: { spec: DoorbellSpec; ring: Doorbell; mail: Int32Array } | undefined;
  #error: ErrorReport | undefined;
  #actorId: string | undefined;

  constructor(roles: readonly Role[], modules: ModuleUrls, ringer: BellRinger) {
    const setup: WorkerSetup = { roles, modules };
    this.#ringer = ringer;
    // Node would warn of each descriptor that the addon opened and `fs` closed.
    const resourceLimits = { maxYoungGenerationSizeMb: youngMegabytes };
    this.#worker = new Worker(entry, { workerData: setup, trackUnmanagedFds: false, resourceLimits });
    this.threadId = this.#worker.threadId;
    this.#worker.on('message', (message: FromWorker) => this.#receive(message));
    // Only what the worker's own handlers could not catch arrives here, such as a failed import of its entry.
    this.#worker.on('error', (error: unknown) => this.#noteUncaught(error));
    this.exited = new Promise((resolve) => {
      this.#worker.once('exit', (code) => {
        this.hasExited = true;
        resolve({ code, error: this.#error, actorId: this.#actorId });
      });
    });
  }

  /** Makes the thread run these actors; once. */
  host(hosting: Hosting): void {
    const spec = hosting.doorbell;
    this.#bell = {
      spec,
      ring: new Doorbell(spec.memory, spec.fd, this.#ringer),
      mail: new Int32Array(spec.memory, doorbell.mailAt, 1),
    };
    this.#worker.postMessage({ kind: 'host', ...hosting } satisfies ToWorker, Object.values(hosting.supervisor));
  }

  post(message: ToWorker): void {
    this.#worker.postMessage(message);
    if (this.#bell === undefined) return;
    Atomics.add(this.#bell.mail, 0, 1);
    this.#bell.ring.wake();
  }

  /** Cuts the thread wherever its JavaScript is. A native wait cannot be cut, so it is ended by the doorbell first. */
  terminate(): void {
    if (this.#bell !== undefined) this.#ringer.ring(this.#bell.spec.fd);
    void this.#worker.terminate();
  }

  get kernelThreadId(): number | undefined {
    return this.#kernelThreadId;
  }

  /** What the scheduler knows of the thread; undefined before its first words and after its end. */
  readTimes(): ThreadTimes | undefined {
    return this.#kernelThreadId === undefined ? undefined : readThreadTimes(this.#kernelThreadId);
  }

  /**
   * After `host`: whether `hasStarted` says so by `limitMs`, or a few times that while the thread gets no processor, which `onStarved` is told of once. Its
   * successor would starve as well, and load once more.
   */
  async startsWithin(limitMs: number, hasStarted: () => boolean, onStarved: () => void): Promise<boolean> {
    for (let round = 1; round <= mostLimits; round += 1) {
      const first = this.#look(unborn);
      await Promise.race([this.exited, sleep(limitMs, undefined, { ref: false })]);
      await eventLoopTurn();
      if (hasStarted() || this.hasExited) return true;
      if (!isStarved(first, this.#look(), limitMs * 1000 * startAllowedPart)) return false;
      if (round === 1) onStarved();
    }
    return false;
  }

  /**
   * After `terminate`: whether the thread has exited by `limitMs`, or a few times that while it gets no processor, which
   * `onStarved` is told of once.
   */
  async exitsWithin(limitMs: number, onStarved: () => void): Promise<boolean> {
    const first = this.#look();
    for (let round = 1; round <= mostLimits; round += 1) {
      await Promise.race([this.exited, sleep(limitMs, undefined, { ref: false })]);
      // This thread may have been starved as well: it reads what has arrived before it judges by the clock.
      await eventLoopTurn();
      if (this.hasExited) return true;
      if (!isStarved(first, this.#look(), limitMs * 1000 * exitAllowedPart)) return false;
      if (round === 1) onStarved();
    }
    return false;
  }

  #look(otherwise?: ThreadTimes): Look {
    return { atUs: performance.now() * 1000, times: this.readTimes() ?? otherwise };
  }

  #receive(message: FromWorker): void {
    if (message.kind === 'born') this.#kernelThreadId = message.kernelThreadId;
    if (message.kind === 'ready') this.isReady = true;
    if (message.kind === 'failed') {
      this.#error = message.error;
      this.#actorId = message.actorId;
    }
    this.onMessage(message);
  }

  #noteUncaught(error: unknown): void {
    const thrown = error instanceof Error ? error : new Error(String(error));
    this.#error ??= { name: thrown.name, message: thrown.message, code: undefined, stack: thrown.stack ?? '' };
  }
}
