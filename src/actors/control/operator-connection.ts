/**
 * One operator's connection to the control socket: requests are answered one after another, and what the caller does not read is
 * waited for, so that a connection holds one answer at most. Beside them one `follow` may run.
 */
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { HawserError, messageOf } from '../../base/errors.ts';
import type { EventRecord } from '../../control/events.ts';
import { type OperationName, operations } from '../../control/operations.ts';
import { type Failure, maxRequestBytes, type Response } from '../../control/protocol.ts';
import { parseRequest, type Request } from '../../control/request.ts';

/** Does what the caller asks for; `params` as `checkParams` returned them. */
export type Perform = (method: OperationName, params: unknown) => Promise<unknown>;

export class OperatorConnection {
  /** When it was last asked something or last took an answer; performance.now(). */
  quietSinceMs = performance.now();
  readonly #socket: Socket;
  readonly #perform: Perform;
  #isAnswering = false;
  #isFollowing = false;

  constructor(socket: Socket, perform: Perform) {
    this.#socket = socket;
    this.#perform = perform;
    socket.setEncoding('utf8');
    // A caller that went away (EPIPE, ECONNRESET) is not an error of ours.
    socket.on('error', () => socket.destroy());
    void this.#serve();
  }

  /** Nobody would miss it: nothing is asked, or the caller has not read for long what it asked for. */
  isIdle(nowMs: number, stalledAfterMs: number): boolean {
    const isStalled = this.#socket.writableNeedDrain && nowMs - this.quietSinceMs > stalledAfterMs;
    return isStalled || (!this.#isAnswering && !this.#isFollowing);
  }

  close(): void {
    this.#socket.destroy();
  }

  /** Reading stops while an answer is made or waits to be read: the iterator asks the socket for more only then. */
  async #serve(): Promise<void> {
    let text = '';
    try {
      for await (const chunk of this.#socket as AsyncIterable<string>) {
        const lines = (text + chunk).split('\n');
        text = lines.pop() ?? '';
        for (const line of lines) await this.#take(line);
        if (text.length > maxRequestBytes) break;
      }
    } catch {
      // The caller went away in the middle: there is nobody to tell.
    }
    this.#socket.destroy();
  }

  async #take(line: string): Promise<void> {
    this.quietSinceMs = performance.now();
    const request = parseRequest(line);
    if (!('method' in request)) return this.#send(request);
    if (follows(request) && !this.#isFollowing) {
      this.#isFollowing = true;
      void this.#follow(request);
      return;
    }
    this.#isAnswering = true;
    try {
      await this.#send(await this.#respond(request));
    } finally {
      this.#isAnswering = false;
    }
  }

  async #respond(request: Request): Promise<Response> {
    try {
      if (follows(request)) throw new HawserError('FOLLOWING', 'This connection follows the events already');
      return { id: request.id, result: (await this.#perform(request.method, request.params)) ?? null };
    } catch (error) {
      return failureOf(request, error);
    }
  }

  /** Tells the caller of each event from `since` on, as they happen, until it hangs up. */
  async #follow(request: Request): Promise<void> {
    let { since } = request.params as { readonly since: number };
    try {
      while (this.#socket.writable) {
        const events = (await this.#perform(request.method, { since })) as readonly EventRecord[];
        const [first] = events;
        if (first === undefined) continue;
        const newestId = events.at(-1)?.id ?? since;
        const left = since > 0 && first.id > since ? newestId - since - events.length : 0;
        since = newestId;
        await this.#send({ id: request.id, result: left === 0 ? events : [leftOut(left, first), ...events] });
      }
    } catch (error) {
      if (this.#socket.writable) await this.#send(failureOf(request, error)).catch(() => undefined);
    } finally {
      this.#isFollowing = false;
    }
  }

  /** Resolves once the caller has read enough; rejects when it went away. */
  async #send(response: Response): Promise<void> {
    const socket = this.#socket;
    if (!socket.writable) return;
    // An answer and a `follow` may wait for the same 'drain'.
    if (!socket.write(`${JSON.stringify(response)}\n`)) {
      await Promise.race([once(socket, 'drain'), once(socket, 'close')]);
    }
    this.quietSinceMs = performance.now();
  }
}

function follows({ method }: Request): boolean {
  return operations[method].effect === 'follows';
}

/** In place of what was forgotten before the caller read it. */
function leftOut(count: number, next: EventRecord): EventRecord {
  return { id: next.id - 1, timeMs: next.timeMs, source: 'control-server', kind: 'left-out', count };
}

function failureOf(request: Request, error: unknown): Response {
  const code: unknown = error instanceof Error ? Reflect.get(error, 'code') : undefined;
  const failure: Failure = { code: typeof code === 'string' ? code : 'FAILED', message: messageOf(error) };
  return { id: request.id, error: failure };
}
