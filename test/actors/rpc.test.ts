import { MessageChannel, Worker } from 'node:worker_threads';
import t from 'tap';
import { RpcClient, serveRpc } from '../../src/actors/kit/rpc.ts';
import { HawserError } from '../../src/base/errors.ts';

interface Api {
  add(a: number, b: number): number;
  memory(): SharedArrayBuffer;
  fail(): void;
  never(): Promise<void>;
}

class ServedApi implements Api {
  readonly #shared = new SharedArrayBuffer(8);
  add(a: number, b: number): number {
    return a + b;
  }
  memory(): SharedArrayBuffer {
    return this.#shared;
  }
  fail(): void {
    throw new HawserError('NO_SUCH_ACTOR', 'No actor "x" runs here', 'hawser actors');
  }
  never(): Promise<void> {
    return new Promise(() => undefined);
  }
}

function connect(deadlineMs: number): { client: RpcClient<Api>; served: ServedApi; kill: () => void } {
  const { port1, port2 } = new MessageChannel();
  const served = new ServedApi();
  serveRpc(port1, served);
  return { client: new RpcClient<Api>(port2, deadlineMs), served, kill: () => port1.close() };
}

t.test('request() answers, and hands shared memory over as shared', async (t) => {
  const { client, served } = connect(1000);
  t.teardown(() => client.close());
  t.equal(await client.request('add', 2, 3), 5);
  const memory = await client.request('memory');
  new Int32Array(memory)[1] = 77;
  t.equal(new Int32Array(served.memory())[1], 77);
});

t.test('request() rejects with the name and code of what the other side threw', async (t) => {
  const { client } = connect(1000);
  t.teardown(() => client.close());
  await t.rejects(client.request('fail'), {
    name: 'HawserError',
    code: 'NO_SUCH_ACTOR',
    message: 'No actor "x" runs here (hawser actors)',
  });
});

t.test('request() refuses a method that comes from Object.prototype', async (t) => {
  const { client } = connect(1000);
  t.teardown(() => client.close());
  const untyped = client as RpcClient<{ toString(): string; add(a: number, b: number): number }>;
  await t.rejects(untyped.request('toString'), { code: 'RPC_METHOD' });
});

t.test('request() rejects at its deadline when no answer comes', async (t) => {
  const { client } = connect(30);
  t.teardown(() => client.close());
  await t.rejects(client.request('never'), { code: 'RPC_DEADLINE' });
});

t.test('request() rejects what is pending when the other thread ends, and all later calls', async (t) => {
  const { client, kill } = connect(60_000);
  const pending = client.request('never');
  setTimeout(kill, 10);
  await t.rejects(pending, { code: 'RPC_CLOSED' });
  await t.rejects(client.request('add', 1, 1), { code: 'RPC_CLOSED' });
});

t.test('request() rejects what is pending when the worker that serves is terminated', async (t) => {
  const { port1, port2 } = new MessageChannel();
  const code = `const { workerData } = require('node:worker_threads'); workerData.on('message', () => {});`;
  const worker = new Worker(code, { eval: true, workerData: port1, transferList: [port1] });
  const client = new RpcClient<Api>(port2, 60_000);
  const pending = client.request('add', 1, 2);
  await new Promise((resolve) => worker.once('online', resolve));
  await Promise.all([t.rejects(pending, { code: 'RPC_CLOSED' }), worker.terminate()]);
});
