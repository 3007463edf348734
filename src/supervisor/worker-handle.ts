/** One worker thread as the supervisor holds it: posts with the doorbell, notes its last words, tells when it has exited. */
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
import type { BellRinger } from '../rings/doorbell.ts';
import { Doorbell } from '../rings/doorbell.ts';
import { doorbell } from '../rings/layout.ts';

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
  #bell: { spec: DoorbellSpec; ring: Doorbell; mail: Int32Array } | undefined;
  #error: ErrorReport | undefined;
  #actorId: string | undefined;

  constructor(roles: readonly Role[], modules: ModuleUrls, ringer: BellRinger) {
    const setup: WorkerSetup = { roles, modules };
    this.#ringer = ringer;
    this.#worker = new Worker(entry, { workerData: setup });
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

  #receive(message: FromWorker): void {
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
