/** Answers, in our words, what Node refuses before it is a request: headers that are too long, or late, and what is no HTTP. The connection ends. */
import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import { type Problem, problem } from './problem.ts';

/** `mostBytes`: of a request's line and headers. */
export function answerBroken(error: Error, socket: Socket, mostBytes: number): void {
  const code: unknown = Reflect.get(error, 'code');
  // Nobody is there to read it.
  if (code === 'ECONNRESET' || !socket.writable) return void socket.destroy();
  const what = problemOf(code, mostBytes);
  const body = JSON.stringify(what);
  const head = [
    `HTTP/1.1 ${what.status} ${STATUS_CODES[what.status]}`,
    'content-type: application/problem+json',
    `content-length: ${Buffer.byteLength(body)}`,
    'cache-control: no-store',
    'x-content-type-options: nosniff',
    'connection: close',
  ];
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`);
}

function problemOf(code: unknown, mostBytes: number): Problem {
  if (code === 'HPE_HEADER_OVERFLOW') {
    const remedy = 'ask for less at once; cookies of other services by the same name count too';
    return problem(431, 'headers', `The address and the headers of a request have ${mostBytes} bytes at most`, remedy);
  }
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return problem(408, 'slow', 'The request did not come within its time');
  return problem(400, 'request', 'This is no request of HTTP', 'https:// if `api.tls` is set, http:// if it is not');
}
