/** What operators may cost the control-server: those who do not read, who ask much at once, and who leave connections behind. */
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { maxConnections } from '../../src/actors/control/operator-connections.ts';
import { ask } from '../../src/cli/control-client.ts';
import { overConnections } from '../../src/cli/lasting-connection.ts';
import type { EventRecord } from '../../src/control/events.ts';
import { startFakeInstance } from '../support/fake-instance.ts';

async function start(t: Test) {
  const folder = mkdtempSync(path.join(tmpdir(), 'hw-'));
  const instance = await startFakeInstance(folder, 'home');
  t.teardown(() => {
    instance.actor.close();
    rmSync(folder, { recursive: true, force: true });
  });
  return { ...instance, choice: { name: 'home', runDirectory: folder } };
}

async function open(t: Test, socketPath: string): Promise<Socket> {
  const socket = connect(socketPath).on('error', () => undefined);
  t.teardown(() => socket.destroy());
  await once(socket, 'connect');
  return socket;
}

const eventsFrom = (first: number, count: number): EventRecord[] =>
  Array.from({ length: count }, (_, index) => {
    const reason = 'x'.repeat(1000);
    return { id: first + index, timeMs: 0, source: 'sealer', kind: 'exit', reason };
  });

t.test('a caller that asks and does not read is answered as fast as it reads', async (t) => {
  const { supervisor, socketPath } = await start(t);
  let asked = 0;
  supervisor.actors = () => {
    asked += 1;
    return supervisor.rows;
  };
  const socket = await open(t, socketPath);
  const count = 600;
  socket.pause();
  socket.write(Array.from({ length: count }, (_, id) => `{"id":${id + 1},"method":"top"}\n`).join(''));
  for (let before = -1; before !== asked; await sleep(300)) before = asked;
  t.ok(asked > 0 && asked < count / 3, `${asked} of ${count} answers were made`);
  let next = 1;
  for await (const line of createInterface({ input: socket })) {
    if (JSON.parse(line).id !== next) t.fail(`${line} is not the answer to ${next}`);
    next += 1;
    if (next > count) break;
  }
  t.equal(asked, count);
});

t.test('a follower that does not read is told how many events were left out', async (t) => {
  const { supervisor, socketPath } = await start(t);
  supervisor.log = eventsFrom(1, 1000);
  const socket = await open(t, socketPath);
  socket.pause();
  socket.write('{"id":1,"method":"follow","params":{}}\n');
  // The first answer is longer than what a socket holds, so that no second is made.
  await sleep(300);
  for (let id = 1001; id < 5000; id += 1000) supervisor.log = eventsFrom(id, 1000);
  await sleep(300);
  supervisor.log = eventsFrom(6001, 10);
  const ids: number[] = [];
  const gaps: number[] = [];
  for await (const line of createInterface({ input: socket })) {
    for (const event of JSON.parse(line).result as EventRecord[]) {
      if (event.kind === 'left-out') gaps.push(event.count);
      else ids.push(event.id);
    }
    if (ids.at(-1) === 6010) break;
  }
  t.strictSame(gaps, [5000]);
  t.equal(ids.length, 1010);
});

t.test('a second follow of one connection is refused', async (t) => {
  const { supervisor, socketPath } = await start(t);
  supervisor.log = eventsFrom(1, 1);
  const socket = await open(t, socketPath);
  const lines = createInterface({ input: socket })[Symbol.asyncIterator]();
  const follow = (id: number) => socket.write(`{"id":${id},"method":"follow","params":{}}\n`);
  follow(1);
  t.match(JSON.parse((await lines.next()).value), { id: 1, result: [{ id: 1 }] });
  follow(2);
  t.match(JSON.parse((await lines.next()).value), { id: 2, error: { code: 'FOLLOWING' } });
});

t.test('idle connections make room; a house full of followers says so', async (t) => {
  const { supervisor, socketPath, choice } = await start(t);
  const idle: Socket[] = [];
  for (let count = 0; count < maxConnections; count += 1) idle.push(await open(t, socketPath));
  t.match(await ask(choice, 'status'), { name: 'home' });
  for (const socket of idle) socket.destroy();
  supervisor.log = eventsFrom(1, 1);
  for (let count = 0; count < maxConnections; count += 1) {
    const follower = await open(t, socketPath);
    follower.write('{"id":1,"method":"follow"}\n');
    await once(follower, 'data');
  }
  await t.rejects(ask(choice, 'status'), { code: 'FULL', message: /64 operators are being answered already/ });
});

t.test('who watches goes on over a restart of the control-server', async (t) => {
  const { actor, choice } = await start(t);
  let opened = 0;
  const status = await overConnections(choice, async (connection) => {
    opened += 1;
    if (opened > 1) return connection.request('status');
    actor.close();
    setTimeout(async () => {
      const again = await startFakeInstance(choice.runDirectory, 'home');
      t.teardown(() => again.actor.close());
    }, 300);
    return connection.follow({}, () => undefined);
  });
  t.match(status, { name: 'home' });
  t.equal(opened, 2);
});

t.test(
  'what thousands of peers are called is fetched when it may have changed, and not for each question',
  async (t) => {
    const { supervisor, choice } = await start(t);
    await ask(choice, 'status');
    await ask(choice, 'peers');
    t.equal(supervisor.namesAsked, 1);
    supervisor.peers = supervisor.peers.slice(0, 1);
    supervisor.peersVersion += 1;
    t.equal((await ask(choice, 'status')).peers, 1);
    t.strictSame(
      (await ask(choice, 'peers')).map(({ name }) => name),
      ['hub'],
    );
    t.equal(supervisor.namesAsked, 2);
  },
);
