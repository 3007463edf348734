/** An api-server over the supervisor of `fake-instance.ts`, on a port of loopback, turned by a timer; and how to ask it. */
import { mkdtempSync, rmSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { MessageChannel } from 'node:worker_threads';
import type { Test } from 'tap';
import { type ApiServerSettings, definition } from '../../src/actors/api-server.ts';
import type { ActorEvent } from '../../src/actors/kit/contract.ts';
import { serveRpc } from '../../src/actors/kit/rpc.ts';
import { addToken } from '../../src/control/token-file.ts';
import { loadAddon } from '../../src/native/addon.ts';
import { createFakeAddon } from './fake-addon.ts';
import { fakeContext } from './fake-context.ts';
import { FakeSupervisor } from './fake-instance.ts';

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

export interface Asked {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
  readonly isTls?: boolean;
}

export interface Answered {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly text: string;
  readonly json: unknown;
}

export function ask(port: number, route: string, asked: Asked = {}): Promise<Answered> {
  const { method = 'GET', headers = {}, body, isTls = false } = asked;
  const json: Record<string, string> = body === undefined ? {} : { 'content-type': 'application/json' };
  const begin = isTls ? httpsRequest : httpRequest;
  return new Promise((resolve, reject) => {
    const sent = begin(
      {
        host: '127.0.0.1',
        port,
        path: route,
        method,
        headers: { ...json, ...headers },
        agent: false,
        ...(isTls ? { rejectUnauthorized: false } : {}),
      },
      (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (chunk: string) => {
          text += chunk;
        });
        response.on('error', reject);
        response.on('end', () => {
          const isJson = /json/.test(response.headers['content-type'] ?? '');
          resolve({
            status: response.statusCode ?? 0,
            headers: { ...response.headers },
            text,
            json: isJson ? (JSON.parse(text) as unknown) : undefined,
          });
        });
      },
    );
    sent.on('error', reject);
    sent.end(typeof body === 'string' || body === undefined ? body : JSON.stringify(body));
  });
}

/** With a token of each role. */
export async function startFakeApi(t: Test, change: Partial<ApiServerSettings> = {}) {
  const folder = mkdtempSync(path.join(tmpdir(), 'hw-'));
  const tokensFile = path.join(folder, 'tokens');
  const tokenOf = (role: string): string => addToken(tokensFile, `${role}s`, role, Date.now());
  const tokens = { viewer: tokenOf('viewer'), operator: tokenOf('operator'), admin: tokenOf('admin') };
  const port = await freePort();
  const settings: ApiServerSettings = {
    name: 'home',
    listen: { host: '127.0.0.1', port },
    hosts: [],
    tls: undefined,
    tokensFile,
    metrics: true,
    page: true,
    ...change,
  };
  const supervisor = new FakeSupervisor('home');
  supervisor.api = settings;
  const { openNetlink, sendBytes, receiveBytes, closeFd } = loadAddon();
  const addon = Object.assign(createFakeAddon(100_000_000), { openNetlink, sendBytes, receiveBytes, closeFd });
  const { port1, port2 } = new MessageChannel();
  const emitted: ActorEvent[] = [];
  serveRpc(port1, supervisor);
  const spec = { id: 'api-server', role: 'api-server', settings, ports: {}, fds: {}, wakeOn: [], memory: {} } as const;
  const emit = (event: ActorEvent): void => void emitted.push(event);
  const actor = await definition.start(fakeContext({ spec, addon, supervisor: port2, emit }));
  const timer = setInterval(() => {
    addon.clock.nowUs += 1_100_000;
    actor.work(addon.clock.nowUs);
  }, 20);
  t.teardown(() => {
    clearInterval(timer);
    actor.close();
    port1.close();
    rmSync(folder, { recursive: true, force: true });
  });
  while (!emitted.some(({ kind }) => kind === 'api-on' || kind === 'api-off')) await sleep(5);
  return { supervisor, emitted, port, tokens, tokensFile, folder };
}

export function bearer(token: string): Record<string, string> {
  return { authorization: `Bearer ${token}` };
}
