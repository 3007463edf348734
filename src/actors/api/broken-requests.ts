/**
 * Answers, in our words, what Node refuses before it is a request: headers that are too long, or late, and what is no HTTP. The connection ends,
 * whether or not the other side ends its half.
 */
import { type ServerResponse, STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import { type Problem, problem } from './problem.ts';

/** Who has the answer has ended by then. A connection that is cut at once, with bytes in it that nobody reads, may take the answer with it. */
const lingerMs = 1000;

/** `mostBytes`: of a request's line and headers. */
export function answerBroken(error: Error, socket: Socket, mostBytes: number): void {
  const code: unknown = Reflect.get(error, 'code');
  if (code === 'ECONNRESET' || !isReadyForAnswer(socket)) return void socket.destroy();
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
  const timer = setTimeout(() => socket.destroy(), lingerMs).unref();
  socket.once('close', () => clearTimeout(timer));
}

/** Somebody is there to read it: TLS is agreed on, and no other answer is under way. */
function isReadyForAnswer(socket: Socket): boolean {
  // Node's own, of a TLSSocket and of a connection of http.Server: its default handler looks at the second one too.
  const isConnecting: unknown = Reflect.get(socket, 'secureConnecting');
  const underWay = Reflect.get(socket, '_httpMessage') as ServerResponse | null | undefined;
  return socket.writable && isConnecting !== true && underWay?.headersSent !== true;
}

function problemOf(code: unknown, mostBytes: number): Problem {
  if (code === 'HPE_HEADER_OVERFLOW') {
    const remedy = 'ask for less at once; cookies of other services by the same name count too';
    return problem(431, 'headers', `The address and the headers of a request have ${mostBytes} bytes at most`, remedy);
  }
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return problem(408, 'slow', 'The request did not come within its time');
  return problem(400, 'request', 'This is no request of HTTP', 'https:// if `api.tls` is set, http:// if it is not');
}
