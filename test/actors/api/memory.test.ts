/** What the API holds for those who do not read: bounded, whoever many they are. Counted where the bytes wait, not by the size of the process. */
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { maxReaders } from '../../../src/actors/api/event-streams.ts';
import { startFakeApi } from '../../support/fake-api.ts';

t.setTimeout(120_000);
/** `mostUnreadBytes` of load.ts, and heads. */
const mostAnswers = (64 << 20) + (1 << 20);
const reasonBytes = 4000;
/** Of a reader: an event, which says its reason twice, and what Node takes before it says that it is enough. */
const mostReader = 16_384 + 2 * reasonBytes + 500;

/** Bytes that wait in this process for whoever reads from its servers. */
function watchHeld(t: Test): () => number {
  const sockets = new Set<Socket>();
  const responses = new Set<ServerResponse>();
  const onSocket = (message: unknown): void => {
    const { socket } = message as { readonly socket: Socket };
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  };
  const onRequest = (message: unknown): void => {
    const { response } = message as { readonly response: ServerResponse };
    responses.add(response);
    response.once('close', () => responses.delete(response));
  };
  subscribe('net.server.socket', onSocket);
  subscribe('http.server.request.start', onRequest);
  t.teardown(() => {
    unsubscribe('net.server.socket', onSocket);
    unsubscribe('http.server.request.start', onRequest);
  });
  const sum = (all: Iterable<{ readonly writableLength: number }>): number =>
    [...all].reduce((total, one) => total + one.writableLength, 0);
  // An answer behind another one on the same connection has no socket yet.
  return () => sum(sockets) + sum([...responses].filter(({ socket }) => socket === null));
}

/** One who sends `requests` and reads nothing. */
async function openDead(t: Test, port: number, requests: string): Promise<Socket> {
  const socket = connect(port, '127.0.0.1').on('error', () => undefined);
  t.teardown(() => socket.destroy());
  await once(socket, 'connect');
  socket.pause();
  socket.write(requests);
  return socket;
}

const requestOf = (route: string, token: string): string =>
  `GET /api/v1/${route} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer ${token}\r\n\r\n`;

async function mostOf(held: () => number, forMs: number): Promise<number> {
  let most = 0;
  for (const untilMs = performance.now() + forMs; performance.now() < untilMs; await sleep(20))
    most = Math.max(most, held());
  return most;
}

t.test('readers of events and rates that read nothing hold an event each', async (t) => {
  const held = watchHeld(t);
  const { port, tokens, supervisor } = await startFakeApi(t);
  const reason = 'x'.repeat(reasonBytes);
  const add = (count: number): void => {
    const from = supervisor.log.length;
    supervisor.log = [
      ...supervisor.log,
      ...Array.from(
        { length: count },
        (_, index) => ({ id: from + index + 1, timeMs: 0, source: 'a', kind: 'exit', reason }) as const,
      ),
    ];
  };
  add(1);
  for (let count = 0; count < maxReaders; count += 1)
    await openDead(t, port, requestOf(count % 8 === 7 ? 'rates' : 'follow', tokens.viewer));
  let most = 0;
  for (let round = 0; round < 20; round += 1) {
    add(100);
    most = Math.max(most, await mostOf(held, 60));
  }
  t.comment(`${maxReaders} readers hold ${most} bytes at most`);
  t.ok(most > 100_000, 'what is held is counted');
  t.ok(most <= maxReaders * mostReader, `${most} bytes`);
});

t.test('answers that nobody reads are bounded together, also those asked for on one connection', async (t) => {
  const held = watchHeld(t);
  const { port, tokens, supervisor } = await startFakeApi(t);
  const failure = {
    firstMs: 0,
    lastMs: 0,
    count: 1,
    source: 'sealer',
    name: 'Error',
    code: undefined,
    message: '',
    stack: '',
  };
  // 6 MB: more than the kernel takes for a connection.
  supervisor.failures = Array.from({ length: 600 }, () => ({ ...failure, stack: 'y'.repeat(10_000) }));
  const request = requestOf('errors', tokens.admin);
  for (let count = 0; count < 40; count += 1) await openDead(t, port, request);
  await openDead(t, port, request.repeat(30));
  const most = await mostOf(held, 4000);
  t.comment(`${Math.round(most / 1e6)} MB at most`);
  t.ok(most > 20 << 20, 'what is held is counted');
  t.ok(most <= mostAnswers, `${most} bytes`);
});
