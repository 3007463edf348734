/** What a TCP server says, held against what is expected of it. */
import type { Socket } from 'node:net';
import { messageOf } from '../base/errors.ts';
import { matchesWithin } from './bounded-pattern.ts';
import type { WebBounds } from './web-probe.ts';

/** What came of one question. */
export interface ProbeAnswer {
  readonly answered: boolean;
  /** What was answered, or why that is no answer. */
  readonly detail: string;
}

/** What is read of what a server says. */
const mostTextBytes = 65_536;

/** Says what is to be said and reads until it matches, the server ends, or time is up. Ends the socket. */
export async function converse(
  socket: Socket,
  { send, expect }: { readonly send: string | undefined; readonly expect: string | undefined },
  { untilMs, signal }: WebBounds,
): Promise<ProbeAnswer> {
  const end = (): void => void socket.destroy();
  const timer = setTimeout(end, Math.max(1, untilMs - performance.now()));
  signal.addEventListener('abort', end);
  let text = '';
  try {
    if (send !== undefined) socket.write(send);
    if (expect === undefined) return { answered: true, detail: 'connected' };
    for await (const chunk of socket) {
      text = (text + String(chunk)).slice(0, mostTextBytes);
      const isMatch = matchesWithin(expect, text);
      if (isMatch === undefined) return { answered: false, detail: `the expression ${expect} takes too long` };
      if (isMatch) return { answered: true, detail: firstLine(text) };
    }
  } catch (error) {
    if (text === '') return { answered: false, detail: messageOf(error) };
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', end);
    socket.destroy();
  }
  const said = text === '' ? 'nothing was said' : `"${firstLine(text)}" was said`;
  return { answered: false, detail: `${said}, expected ${expect}` };
}

function firstLine(text: string): string {
  return (text.split(/[\r\n]/, 1)[0] ?? '').replace(/[^ -~]/g, '?').slice(0, 80);
}
