/**
 * What answers may hold at one time: requests that are being answered, and bytes that nobody has read yet. Whoever does not read an answer
 * within a minute or two is cut off.
 */
import type { FastifyReply } from 'fastify';
import { problem, sendProblem } from './problem.ts';

/** Each may ask the main thread; more than so many at a time would only wait there. */
const mostRequests = 64;
/** A list of 10,000 clients has some megabytes. */
const mostUnreadBytes = 64 << 20;
const readWithinMs = 90_000;

export class Load {
  #requests = 0;
  #unreadBytes = 0;

  /** Answers whom there is no room for; undefined = there is, until the answer is read or the connection is gone. */
  take(reply: FastifyReply): FastifyReply | undefined {
    if (this.#requests >= mostRequests) return sendBusy(reply, 'So many requests are being answered');
    this.#requests += 1;
    reply.raw.once('close', () => {
      this.#requests -= 1;
    });
    return undefined;
  }

  /** Passes the payload on, or throws it away for an answer that says that there is no room. */
  watch(reply: FastifyReply, payload: unknown): unknown {
    if (typeof payload !== 'string') return payload;
    const bytes = Buffer.byteLength(payload);
    if (this.#unreadBytes + bytes > mostUnreadBytes) {
      reply.code(503).headers({ 'retry-after': '5', 'content-type': 'application/problem+json' });
      return JSON.stringify(problem(503, 'busy', 'So much of other answers is unread', 'try again'));
    }
    this.#unreadBytes += bytes;
    const timer = setTimeout(() => reply.raw.destroy(), readWithinMs);
    reply.raw.once('close', () => {
      clearTimeout(timer);
      this.#unreadBytes -= bytes;
    });
    return payload;
  }
}

function sendBusy(reply: FastifyReply, message: string): FastifyReply {
  return sendProblem(reply.header('retry-after', '1'), problem(503, 'busy', message, 'try again'));
}
