/**
 * Calls between an evented actor and the supervisor over a MessagePort: comlink behind a wrapper that gives every call a
 * deadline, rejects what is pending when the other side is gone (comlink alone would wait for ever), and carries an error's
 * name and code across. Never for packets.
 */
import type { MessagePort } from 'node:worker_threads';
import { expose, type Remote, wrap } from 'comlink';
import type { ArgsOf, Calls, MethodOf, ResultOf } from '../../base/calls.ts';
import { HawserError, messageOf } from '../../base/errors.ts';

/** What crosses instead of a throw: comlink's own form of an error loses `code`. */
type Outcome =
  | { readonly ok: true; readonly value: unknown }
  | {
      readonly ok: false;
      readonly name: string;
      readonly code: string;
      readonly message: string;
      readonly remedy: string;
    };

type Invoke = (method: string, args: readonly unknown[]) => Promise<Outcome>;

/** An error that the other side threw, with its name, its code and the remedy that its message ends with ('' = it had none). */
export class RemoteError extends Error {
  override readonly name: string;
  readonly code: string;
  readonly remedy: string;

  constructor({ name, code, message, remedy }: Omit<Extract<Outcome, { ok: false }>, 'ok'>) {
    super(message);
    this.name = name;
    this.code = code;
    this.remedy = remedy;
  }
}

/** Answers calls that arrive on `port` with the methods of `api`, until the port closes. */
export function serveRpc(port: MessagePort, api: object): void {
  const invoke: Invoke = async (method, args) => {
    try {
      const value: unknown = await methodOf(api, method).apply(api, [...args]);
      return { ok: true, value };
    } catch (error) {
      return { ok: false, ...describe(error) };
    }
  };
  expose(invoke, endpointOf(port));
}

/** The asking side. `request` rejects with `RPC_DEADLINE`, `RPC_CLOSED`, or the RemoteError of the other side. */
export class RpcClient<Api extends object> implements Calls<Api> {
  readonly #invoke: Remote<Invoke>;
  readonly #port: MessagePort;
  readonly #deadlineMs: number;
  readonly #pending = new Set<(error: Error) => void>();
  #closed = false;

  constructor(port: MessagePort, deadlineMs = 2000) {
    this.#port = port;
    this.#deadlineMs = deadlineMs;
    this.#invoke = wrap<Invoke>(endpointOf(port));
    port.once('close', () => this.#rejectPending());
  }

  async request<M extends MethodOf<Api>>(method: M, ...args: ArgsOf<Api, M>): Promise<ResultOf<Api, M>> {
    const outcome = await this.#bounded(method, args);
    if (!outcome.ok) throw new RemoteError(outcome);
    return outcome.value as ResultOf<Api, M>;
  }

  /** Closes the port; calls that still wait reject with `RPC_CLOSED`. Idempotent. */
  close(): void {
    this.#rejectPending();
    this.#port.close();
  }

  #bounded(method: string, args: readonly unknown[]): Promise<Outcome> {
    if (this.#closed) return Promise.reject(closedError(method));
    return new Promise<Outcome>((resolve, reject) => {
      const settle = (act: () => void): void => {
        clearTimeout(timer);
        this.#pending.delete(onClosed);
        act();
      };
      const onClosed = (error: Error): void => settle(() => reject(error));
      const timer = setTimeout(() => settle(() => reject(lateError(method, this.#deadlineMs))), this.#deadlineMs);
      this.#pending.add(onClosed);
      this.#invoke(method, args).then(
        (outcome) => settle(() => resolve(outcome)),
        (error: unknown) => settle(() => reject(error instanceof Error ? error : new Error(messageOf(error)))),
      );
    });
  }

  #rejectPending(): void {
    this.#closed = true;
    for (const reject of [...this.#pending]) reject(closedError('a pending call'));
  }
}

function closedError(method: string): HawserError {
  return new HawserError('RPC_CLOSED', `Cannot finish ${method}: the other thread has ended`, 'try again');
}

function lateError(method: string, deadlineMs: number): HawserError {
  return new HawserError('RPC_DEADLINE', `${method} was not answered within ${deadlineMs} ms`, 'try again');
}

function methodOf(api: object, method: string): (...args: unknown[]) => unknown {
  const found: unknown = method in Object.prototype ? undefined : Reflect.get(api, method);
  if (typeof found !== 'function') throw new HawserError('RPC_METHOD', `No method ${method} is served here`);
  return found as (...args: unknown[]) => unknown;
}

function describe(error: unknown): Omit<Extract<Outcome, { ok: false }>, 'ok'> {
  if (!(error instanceof Error)) return { name: 'Error', code: '', message: String(error), remedy: '' };
  return { name: error.name, code: wordOf(error, 'code'), message: error.message, remedy: wordOf(error, 'remedy') };
}

function wordOf(error: Error, field: string): string {
  const word: unknown = Reflect.get(error, field);
  return typeof word === 'string' ? word : '';
}

type Listener = (event: { readonly data: unknown }) => void;

/** comlink wants an EventTarget; its own adapter for Node is not importable from its package. */
function endpointOf(port: MessagePort): {
  postMessage(message: unknown): void;
  addEventListener(type: string, listener: Listener): void;
  removeEventListener(type: string, listener: Listener): void;
  start(): void;
} {
  const wrapped = new Map<Listener, (data: unknown) => void>();
  return {
    postMessage: (message) => port.postMessage(message),
    addEventListener(_type, listener) {
      const onMessage = (data: unknown): void => listener({ data });
      wrapped.set(listener, onMessage);
      port.on('message', onMessage);
    },
    removeEventListener(_type, listener) {
      const onMessage = wrapped.get(listener);
      if (onMessage !== undefined) port.off('message', onMessage);
      wrapped.delete(listener);
    },
    start: () => port.start(),
  };
}
