/**
 * Many who read from a daemon's HTTP API, in a process of their own: `PORT TOKEN STREAMS REQUESTS DEAD`. STREAMS read events and rates as they come; so many REQUESTS
 * a second are asked; DEAD asked for a stream, or for long answers one behind the other, and read nothing. Says `ready` in a line, goes on until its
 * input ends, and says what it saw as JSON.
 */
import { once } from 'node:events';
import { Agent, get, type IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';

/** Of one run. */
export interface ReadersSaw {
  readonly answers: number;
  /** Answered, but not by 200, or not at all. */
  readonly refused: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Of the streams: the fewest messages that one of them got. */
  readonly fewestMessages: number;
}

const [port = 0, token = '', streams = 0, perSecond = 0, dead = 0] = process.argv
  .slice(2)
  .map((word, at) => (at === 1 ? word : Number(word))) as [number, string, number, number, number];
const routes = ['status', 'peers', 'paths', 'links', 'health', 'actors', 'rings', 'events', 'explain', 'top', 'me'];
/** Answers behind each other on one connection that nobody reads. */
const deadRequests = 20;
const tickMs = 50;

const headers = { authorization: `Bearer ${token}`, host: `127.0.0.1:${port}` };
const agent = new Agent({ keepAlive: true, maxSockets: 32 });
const tookMs: number[] = [];
let refused = 0;

function ask(route: string): void {
  const beganMs = performance.now();
  const asked = get({ port, path: `/api/v1/${route}`, headers, agent }, (response: IncomingMessage) => {
    response.resume().once('end', () => {
      if (response.statusCode === 200) tookMs.push(performance.now() - beganMs);
      else refused += 1;
    });
  });
  asked.on('error', () => {
    refused += 1;
  });
}

async function openStream(route: string): Promise<() => number> {
  const asked = get({ port, path: `/api/v1/${route}`, headers, agent: false });
  const [response] = (await once(asked, 'response')) as [IncomingMessage];
  if (response.statusCode !== 200) throw new Error(`${route}: ${response.statusCode}`);
  let messages = 0;
  response.setEncoding('utf8').on('data', (text: string) => {
    messages += text.split('\n\n').length - 1;
  });
  // It is cut off when the process ends.
  response.on('error', () => undefined);
  return () => messages;
}

async function openDead(at: number): Promise<void> {
  const socket = connect(port, '127.0.0.1').on('error', () => undefined);
  await once(socket, 'connect');
  socket.pause();
  const text = (route: string): string =>
    `GET /api/v1/${route} HTTP/1.1\r\nHost: ${headers.host}\r\nAuthorization: ${headers.authorization}\r\n\r\n`;
  socket.write(at % 2 === 0 ? text('rates') : text('actors').repeat(deadRequests));
}

const readers = await Promise.all(
  Array.from({ length: streams }, (_, at) => openStream(at % 2 === 0 ? 'rates' : 'follow')),
);
for (let at = 0; at < dead; at += 1) await openDead(at);
process.stdout.write('ready\n');
let isOver = false;
process.stdin.resume().once('end', () => {
  isOver = true;
});
const beganMs = performance.now();
for (let sent = 0; !isOver; await sleep(tickMs))
  for (const due = ((performance.now() - beganMs) / 1000) * perSecond; sent < due; sent += 1)
    ask(routes[sent % routes.length] ?? '');
tookMs.sort((a, b) => a - b);
const at = (share: number): number => tookMs[Math.floor(share * tookMs.length)] ?? Number.NaN;
const saw: ReadersSaw = {
  answers: tookMs.length,
  refused,
  p50Ms: at(0.5),
  p99Ms: at(0.99),
  fewestMessages: Math.min(...readers.filter((_, index) => index % 2 === 0).map((count) => count())),
};
process.stdout.write(`${JSON.stringify(saw)}\n`, () => process.exit(0));
