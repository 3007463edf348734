/** Connections that leave by one link: the next address when one keeps silent, and no descriptor left behind. */
import { once } from 'node:events';
import { closeSync, existsSync, openSync } from 'node:fs';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { HawserError } from '../../src/base/errors.ts';
import type { Resolution } from '../../src/io/resolver.ts';
import { Dialler, type DialSockets } from '../../src/io/tls/dial.ts';
import { loadAddon } from '../../src/native/addon.ts';

const addon = loadAddon();
const answerMs = 150;
const tuning = { notSentBytes: 16_384, deadMs: 5_000 };

/** Sockets of the kernel, but for addresses that answer nothing. */
class Sockets {
  readonly tried: string[] = [];
  readonly opened: number[] = [];
  readonly silent = new Set<string>();
  looks = 0;
  readonly #lost = new Set<number>();
  readonly api: DialSockets = {
    ...addon,
    openMarkedTcp: (family, fwmark, interfaceName) => {
      const fd = addon.openMarkedTcp(family, fwmark, interfaceName);
      this.opened.push(fd);
      return fd;
    },
    connectUdp: (fd, address, port, scopeId) => {
      const text = address.join('.');
      this.tried.push(text);
      this.#lost.delete(fd);
      if (!this.silent.has(text)) return addon.connectUdp(fd, address, port, scopeId);
      this.#lost.add(fd);
      return -115;
    },
    tcpConnected: (fd, roundTripUs) => {
      this.looks += 1;
      return this.#lost.has(fd) ? 0 : addon.tcpConnected(fd, roundTripUs);
    },
  };
}

/** 127.0.0.2 and so on. */
function addressesOf(...last: number[]): Resolution {
  const addresses = last.map((one) => ({
    family: 4 as const,
    address: `127.0.0.${one}`,
    addressHex: `7f0000${one.toString(16).padStart(2, '0')}`,
  }));
  return { addresses, source: 'dns', expiresAtMs: 0, isStale: false };
}

/** Asks a proxy that answers a call with `answer` for a connection; '' = it listens no more. What the call is rejected with. */
async function refusalOf(t: Test, answer: string): Promise<{ fault: string; remedy: string }> {
  const server: Server = createServer((socket) => socket.on('error', () => undefined).end(`${answer}\r\n\r\n`));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  if (answer === '') server.close();
  else t.teardown(() => server.close());
  const proxy = { host: '127.0.0.1', port, user: '' };
  const way = { fwmark: 0, interfaceName: '', proxy, password: () => '', answerMs };
  const dialler = new Dialler(loadAddon(), { resolve: async () => addressesOf() }, way, tuning);
  try {
    (await dialler.dial({ host: 'hub.example.net', port: 443 }, new AbortController().signal)).destroy();
  } catch (error) {
    if (error instanceof HawserError) return { fault: error.fault.replace(`:${port}`, ':PORT'), remedy: error.remedy };
    throw error;
  }
  return { fault: '', remedy: '' };
}

async function bench(t: Test, ...last: number[]) {
  const server: Server = createServer((socket) => socket.on('error', () => undefined).unref());
  server.listen(0, '0.0.0.0');
  await once(server, 'listening');
  t.teardown(() => server.close());
  const { port } = server.address() as AddressInfo;
  const sockets = new Sockets();
  const way = { fwmark: 0, interfaceName: '', proxy: undefined, password: () => '', answerMs };
  const resolver = { resolve: async () => addressesOf(...last) };
  const dialler = new Dialler(sockets.api, resolver, way, tuning);
  const dial = async (signal = new AbortController().signal): Promise<void> => {
    sockets.tried.length = 0;
    (await dialler.dial({ host: 'hub.example.net', port }, signal)).destroy();
  };
  return { sockets, dialler, dial };
}

function isOpen(fd: number): boolean {
  return existsSync(`/proc/self/fd/${fd}`);
}

t.test('a silent address costs its own time alone, and is the last that the next call tries', async (t) => {
  const { sockets, dial } = await bench(t, 2, 3, 4);
  sockets.silent.add('127.0.0.2').add('127.0.0.3');
  await dial();
  t.same(sockets.tried, ['127.0.0.2', '127.0.0.3', '127.0.0.4']);
  t.ok(sockets.looks < 40, `${sockets.looks} looks, seldomer and seldomer`);
  await dial();
  t.same(sockets.tried, ['127.0.0.4'], 'it begins with the one that worked');
  sockets.silent.clear();
  sockets.silent.add('127.0.0.4');
  await dial();
  t.same(sockets.tried, ['127.0.0.4', '127.0.0.2']);
});

t.test('a call that is given up leaves the silent addresses behind for the next', async (t) => {
  const { sockets, dial } = await bench(t, 2, 3);
  sockets.silent.add('127.0.0.2');
  const abort = new AbortController();
  setTimeout(() => abort.abort(), 20);
  await t.rejects(dial(abort.signal), { code: 'DIAL' });
  t.same(sockets.tried, ['127.0.0.2']);
  await dial();
  t.same(sockets.tried, ['127.0.0.3']);
  await t.rejects(dial(AbortSignal.abort()), { code: 'DIAL' });
  t.same(sockets.tried, [], 'nothing is begun');
});

t.test(
  'close() closes the descriptors under way at once, and leaves alone whoever has their numbers then',
  async (t) => {
    const { sockets, dialler, dial } = await bench(t, 2, 3);
    sockets.silent.add('127.0.0.2').add('127.0.0.3');
    const calls = [dial(), dial()].map((one) => one.catch((error: Error) => error.message));
    await sleep(1);
    t.same(sockets.opened.map(isOpen), [true, true]);
    dialler.close();
    t.same(sockets.opened.map(isOpen), [false, false], 'before anything else runs');
    const others = [openSync('/dev/null', 'r'), openSync('/dev/null', 'r')];
    t.teardown(() => {
      for (const fd of others) closeSync(fd);
    });
    t.same(await Promise.all(calls), ['no answer to the connection', 'no answer to the connection']);
    t.same(others.map(isOpen), [true, true]);
    await t.rejects(dial(), { code: 'DIAL' });
    t.equal(sockets.opened.length, 2);
  },
);

t.test('who is refused by a proxy is told by whom, why, and what to do about it', async (t) => {
  for (const [answer, fault, remedy] of [
    ['HTTP/1.0 200 Connection established', /^$/, /^$/],
    ['HTTP/1.0 401 Unauthorized', /^the proxy answers 401 to CONNECT hub\.example\.net:443$/, /tls\.proxyPasswordFile/],
    [
      'HTTP/1.1 407 Proxy Authentication Required',
      /answers 407/,
      /user in `tls\.proxy`, and at `tls\.proxyPasswordFile/,
    ],
    ['HTTP/1.1 403 Forbidden', /answers 403/, /lets nobody connect to that host or port, or not this machine/],
    ['HTTP/1.1 405 Method Not Allowed', /answers 405/, /no proxy that knows CONNECT/],
    ['HTTP/1.0 500 Unable to connect', /answers 500/, /whether the peer runs/],
    ['HTTP/1.1 503 Service Unavailable', /answers 503/, /whether the proxy may look up its name/],
    ['SSH-2.0-OpenSSH_9.2', /answers no HTTP/, /^$/],
    [
      '',
      /^the proxy 127\.0\.0\.1:PORT is not reached: cannot connect: ECONNREFUSED$/,
      /look at `tls\.proxy`, and whether/,
    ],
  ] as const)
    t.match(await refusalOf(t, answer), { fault, remedy }, answer);
});
