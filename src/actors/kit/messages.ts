/** What crosses between the supervisor and a worker thread, besides the RPC of `rpc.ts`. Plain objects, by structured clone. */
import type { MessagePort } from 'node:worker_threads';
import type { ActorEvent, ActorSpec, Command, Role } from './contract.ts';

/** Where a role's module lies, for roles that the registry does not know: tests host their own actors. */
export type ModuleUrls = Readonly<Record<string, string>>;

/** A thread's doorbell, as its own loop needs it. */
export interface DoorbellSpec {
  readonly memory: SharedArrayBuffer;
  readonly fd: number;
}

export type ToWorker =
  /** Become the thread that runs these actors, in this order. Answered by `started` once all have started. Sent once. */
  | {
      readonly kind: 'host';
      readonly specs: readonly ActorSpec[];
      readonly doorbell: DoorbellSpec;
      /** Actor id → its end of an RPC channel to the supervisor. */
      readonly supervisor: Readonly<Record<string, MessagePort>>;
    }
  | { readonly kind: 'command'; readonly actorId: string; readonly command: Command }
  /** The actor throws in its next turn. */
  | { readonly kind: 'kill'; readonly actorId: string }
  /** The actor never returns from its next turn. */
  | { readonly kind: 'hang'; readonly actorId: string }
  /** Close all actors, last first, and end the thread. */
  | { readonly kind: 'stop' };

export interface ErrorReport {
  readonly name: string;
  readonly message: string;
  readonly code: string | undefined;
  readonly stack: string;
}

export type FromWorker =
  /** First words. The id is the kernel's, as in /proc/self/task; undefined where there is no /proc. */
  | { readonly kind: 'born'; readonly kernelThreadId: number | undefined }
  | { readonly kind: 'ready' }
  | { readonly kind: 'started' }
  | { readonly kind: 'event'; readonly actorId: string; readonly event: ActorEvent }
  /** Last words: the thread ends after it. `actorId` is undefined when no actor's turn was to blame. */
  | { readonly kind: 'failed'; readonly actorId: string | undefined; readonly error: ErrorReport }
  | { readonly kind: 'closed' };

export interface WorkerSetup {
  readonly roles: readonly Role[];
  readonly modules: ModuleUrls;
}

export function reportOf(error: unknown): ErrorReport {
  if (!(error instanceof Error)) return { name: 'Error', message: String(error), code: undefined, stack: '' };
  const code: unknown = Reflect.get(error, 'code');
  return {
    name: error.name,
    message: error.message,
    code: typeof code === 'string' ? code : undefined,
    stack: error.stack ?? '',
  };
}
