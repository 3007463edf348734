/**
 * One reader of server-sent events (WHATWG HTML section 9.2). Nothing is sent to it before it has read what was sent before: what it costs
 * is one event and a socket's buffer, however slowly it reads; one that has read nothing for long is cut off.
 */
import type { ServerResponse } from 'node:http';
import type { Principal } from './principal.ts';

const heads = {
  'content-type': 'text/event-stream; charset=utf-8',
  'cache-control': 'no-store',
  // nginx would collect them.
  'x-accel-buffering': 'no',
};
/** A connection over which nothing goes is closed by somebody on the way. */
const pingMs = 15_000;

export class StreamReader {
  readonly principal: Principal;
  /** performance.now() of when the socket's buffer stood, and stands since; undefined = it takes more. */
  stalledMs: number | undefined;
  readonly #response: ServerResponse;
  #wroteMs: number;

  constructor(response: ServerResponse, principal: Principal, more: Readonly<Record<string, string>>, nowMs: number) {
    this.#response = response;
    this.principal = principal;
    this.#wroteMs = nowMs;
    response.writeHead(200, { ...more, ...heads });
    // A browser that lost its connection asks again so much later.
    this.write('retry: 1000\n\n', nowMs);
    response.on('drain', () => {
      this.stalledMs = undefined;
      this.onDrain();
    });
  }

  /** What was written before has been read. */
  onDrain: () => void = () => undefined;

  onClose(act: () => void): void {
    this.#response.on('close', act);
  }

  get isReady(): boolean {
    return this.stalledMs === undefined && !this.#response.destroyed && !this.#response.writableEnded;
  }

  /** While `isReady`. */
  write(text: string, nowMs: number): void {
    this.#wroteMs = nowMs;
    if (!this.#response.write(text)) this.stalledMs ??= nowMs;
  }

  /** So that nobody on the way takes the connection for dead. */
  ping(nowMs: number): void {
    if (this.isReady && nowMs - this.#wroteMs > pingMs) this.write(': ping\n\n', nowMs);
  }

  end(): void {
    this.#response.end();
    this.#response.destroy();
  }
}
