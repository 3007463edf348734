/** The resolver against servers that answer, refuse, fail or keep silent, on sockets without a kernel. */
import { mkdtempSync, openSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import type { DnsSockets, SourceBinder } from '../../src/io/dns-exchange.ts';
import { findInHosts, parseResolvConf } from '../../src/io/name-sources.ts';
import { type Resolution, Resolver, type ResolverOptions } from '../../src/io/resolver.ts';
import { answerOf, type Zone } from '../support/dns-server.ts';

type Server = Zone | 'silent' | 'refusing' | 'failing';

const eagain = -11;
const connectionRefused = -111;
const networkUnreachable = -101;

/** Sockets whose descriptors are real (they get closed) and whose far ends are the servers given by address. */
class FakeSockets implements DnsSockets, SourceBinder {
  readonly servers: Record<string, Server>;
  readonly opened: { family: number; fwmark: number; interfaceName: string }[] = [];
  /** Queries by server. */
  readonly queries: string[] = [];
  hasIpv6Route = true;
  readonly #sockets = new Map<number, { address: string; answers: (Buffer | number)[] }>();

  constructor(servers: Record<string, Server>) {
    this.servers = servers;
  }

  openMarkedUdp(family: 4 | 6, fwmark: number, interfaceName: string): number {
    this.opened.push({ family, fwmark, interfaceName });
    const fd = openSync('/dev/null', 'r');
    this.#sockets.set(fd, { address: '', answers: [] });
    return fd;
  }

  bindSource(): number {
    return 0;
  }

  /** Interfaces without an address. */
  readonly bare = new Set<string>();

  bind(_addon: unknown, _fd: number, interfaceName: string): number {
    return this.bare.has(interfaceName) ? -99 : 0;
  }

  connectUdp(fd: number, address: Uint8Array): number {
    if (address.length === 16 && !this.hasIpv6Route) return networkUnreachable;
    this.#sockets.set(fd, { address: address.length === 4 ? address.join('.') : 'six', answers: [] });
    return 0;
  }

  sendBytes(fd: number, bytes: Uint8Array): number {
    const socket = this.#sockets.get(fd);
    const server = this.servers[socket?.address ?? ''] ?? 'silent';
    this.queries.push(socket?.address ?? '');
    if (server === 'refusing') socket?.answers.push(connectionRefused);
    else if (server === 'failing') socket?.answers.push(this.#answer({ 'hub.example.net': { code: 2 } }, bytes));
    else if (server !== 'silent') socket?.answers.push(this.#answer(server, bytes));
    return bytes.length;
  }

  receiveBytes(fd: number, target: Uint8Array, timeoutMs: number): number {
    if (timeoutMs !== 0) throw new Error('The resolver blocked the thread');
    const next = this.#sockets.get(fd)?.answers.shift() ?? eagain;
    if (typeof next === 'number') return next;
    target.set(next);
    return next.length;
  }

  #answer(zone: Zone, bytes: Uint8Array): Buffer {
    return answerOf(zone, Buffer.from(bytes)) ?? Buffer.alloc(0);
  }
}

interface Scene {
  readonly sockets: FakeSockets;
  readonly resolver: Resolver;
  readonly clock: { nowMs: number };
  setFile(name: 'hosts' | 'resolv', text: string): void;
}

function stage(t: Test, servers: Record<string, Server>, options: Partial<ResolverOptions> = {}): Scene {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'hw-resolver-'));
  const setFile = (name: string, text: string) => writeFileSync(path.join(folder, name), text);
  setFile('hosts', '127.0.0.1 localhost\n');
  const lines = Object.keys(servers).map((address) => `nameserver ${address}`);
  setFile('resolv', `${lines.join('\n')}\noptions timeout:1 attempts:1\n`);
  const sockets = new FakeSockets(servers);
  const clock = { nowMs: 1_000_000 };
  const resolver = new Resolver(sockets, sockets, {
    fwmark: 0x6877,
    hostsFile: path.join(folder, 'hosts'),
    resolvFile: path.join(folder, 'resolv'),
    nowMs: () => clock.nowMs,
    ...options,
  });
  t.teardown(() => {
    resolver.close();
    rmSync(folder, { recursive: true });
  });
  return { sockets, resolver, clock, setFile };
}

const texts = (resolution: Resolution): string[] => resolution.addresses.map(({ address }) => address);
const hub: Zone = { 'hub.example.net': { a: ['192.0.2.9'], aaaa: ['20010db8000000000000000000000009'], ttl: 60 } };

t.test('resolve() asks for both families with the mark and keeps the answer for its time to live', async (t) => {
  const { sockets, resolver, clock } = stage(t, { '192.0.2.53': hub });
  const first = await resolver.resolve('Hub.Example.NET.');
  t.same(texts(first), ['2001:db8::9', '192.0.2.9']);
  t.match(first, { source: 'dns', isStale: false, expiresAtMs: clock.nowMs + 60_000 });
  t.ok(sockets.opened.every(({ fwmark }) => fwmark === 0x6877));
  t.equal(sockets.queries.length, 2);
  clock.nowMs += 59_999;
  await resolver.resolve('hub.example.net');
  t.equal(sockets.queries.length, 2, 'from memory');
  clock.nowMs += 1;
  await resolver.resolve('hub.example.net');
  t.equal(sockets.queries.length, 4, 'asked again');
  await Promise.all([resolver.refresh('hub.example.net'), resolver.refresh('hub.example.net')]);
  t.equal(sockets.queries.length, 6, 'two who ask at once share one question');
});

t.test('setWay() takes another mark and other links, and forgets what failed by the old ones', async (t) => {
  const { sockets, resolver } = stage(t, { '192.0.2.53': 'refusing' }, { interfaces: ['wan0'] });
  await t.rejects(resolver.resolve('hub.example.net'), { code: 'EAI_AGAIN' });
  t.ok(sockets.opened.splice(0).every((one) => one.fwmark === 0x6877 && one.interfaceName !== 'lte0'));
  t.notOk(resolver.setWay({ fwmark: 0x6877, interfaces: ['wan0'] }), 'no change');
  t.ok(resolver.setWay({ fwmark: 0x1234, interfaces: ['lte0', 'wan0'] }));
  sockets.servers['192.0.2.53'] = hub;
  t.same(texts(await resolver.resolve('hub.example.net')), ['2001:db8::9', '192.0.2.9'], 'asked again at once');
  t.ok(sockets.opened.every((one) => one.fwmark === 0x1234));
  t.equal(sockets.opened[0]?.interfaceName, 'lte0');
});

t.test('setWay() does not wait for a question that was asked by the old way', async (t) => {
  const { sockets, resolver } = stage(t, { '192.0.2.53': 'silent' });
  const old = resolver.refresh('hub.example.net').catch(() => undefined);
  resolver.setWay({ fwmark: 1, interfaces: [''] });
  sockets.servers['192.0.2.53'] = hub;
  t.same(texts(await resolver.refresh('hub.example.net')), ['2001:db8::9', '192.0.2.9']);
  resolver.close();
  await old;
});

t.test('resolve() puts addresses that no route leads to last', async (t) => {
  const { sockets, resolver } = stage(t, { '192.0.2.53': hub });
  sockets.hasIpv6Route = false;
  t.same(texts(await resolver.resolve('hub.example.net')), ['192.0.2.9', '2001:db8::9']);
});

t.test('resolve() takes literals and the hosts file before it asks anybody', async (t) => {
  const { sockets, resolver, setFile } = stage(t, { '192.0.2.53': hub });
  t.same(texts(await resolver.resolve('2001:DB8::1')), ['2001:db8::1']);
  setFile('hosts', '# hub\n198.51.100.7\tother Hub.example.net # x\n2001:db8::7 hub.example.net\n');
  t.same(texts(await resolver.resolve('hub.example.net')), ['198.51.100.7', '2001:db8::7']);
  t.equal(sockets.queries.length, 0);
});

t.test('resolve() goes on to the next server when one refuses, fails or keeps silent', async (t) => {
  for (const bad of ['refusing', 'failing'] as const) {
    const { resolver } = stage(t, { '192.0.2.1': bad, '192.0.2.53': hub });
    const startMs = performance.now();
    t.same(texts(await resolver.resolve('hub.example.net')), ['2001:db8::9', '192.0.2.9'], bad);
    t.ok(performance.now() - startMs < 500, 'at once');
  }
  const { resolver } = stage(t, { '192.0.2.1': 'silent', '192.0.2.53': hub });
  const startMs = performance.now();
  t.same(texts(await resolver.resolve('hub.example.net')), ['2001:db8::9', '192.0.2.9']);
  const tookMs = performance.now() - startMs;
  t.ok(tookMs > 900 && tookMs < 2000, `a silent one costs a second: ${tookMs}`);
});

t.test('resolve() does not wait long for a family that keeps silent', async (t) => {
  const { sockets, resolver } = stage(t, { '192.0.2.53': hub });
  const send = sockets.sendBytes.bind(sockets);
  // Type AAAA stands 4 bytes before the end of a query.
  sockets.sendBytes = (fd, bytes) => (bytes[bytes.length - 3] === 28 ? bytes.length : send(fd, bytes));
  const startMs = performance.now();
  t.same(texts(await resolver.resolve('hub.example.net')), ['192.0.2.9']);
  t.ok(performance.now() - startMs < 700);
});

t.test('resolve() leaves by each interface in turn', async (t) => {
  const { sockets, resolver } = stage(t, { '192.0.2.53': 'refusing' }, { interfaces: ['', 'lte0'] });
  await t.rejects(resolver.resolve('hub.example.net'), { code: 'EAI_AGAIN' });
  t.same(
    sockets.opened.map(({ interfaceName }) => interfaceName),
    ['', 'lte0'],
  );
});

t.test('resolve() asks a forwarder on this host directly, without mark and interface', async (t) => {
  for (const server of ['127.0.0.1', '127.9.9.9', '::1']) {
    const { sockets, resolver, setFile } = stage(t, {}, { interfaces: ['wan1', 'wan2'] });
    // The fake calls every IPv6 server `six`.
    sockets.servers[server === '::1' ? 'six' : server] = hub;
    setFile('resolv', `nameserver ${server}\n`);
    const startMs = performance.now();
    t.same(texts(await resolver.resolve('hub.example.net')), ['2001:db8::9', '192.0.2.9'], server);
    t.ok(performance.now() - startMs < 500, 'at once');
    const asked = sockets.opened.slice(0, -2);
    t.ok(asked.length > 0 && asked.every((one) => one.fwmark === 0 && one.interfaceName === ''), JSON.stringify(asked));
  }
});

t.test('resolve() says why only this host was asked: the file names nobody, or is a link to nothing', async (t) => {
  const servers = { '127.0.0.1': 'refusing' } as const;
  const empty = stage(t, servers);
  empty.setFile('resolv', '# no server\n');
  await t.rejects(empty.resolver.resolve('hub.example.net'), {
    message: /: \S+\/resolv names no server, and 127\.0\.0\.1 says ECONNREFUSED \(start what keeps it/,
  });
  const folder = t.testdir({ resolv: t.fixture('symlink', 'systemd/resolve/stub-resolv.conf') });
  const dangling = stage(t, servers, { resolvFile: path.join(folder, 'resolv') });
  await t.rejects(dangling.resolver.resolve('hub.example.net'), {
    message:
      /\/resolv is a link to \S+\/systemd\/resolve\/stub-resolv\.conf: ENOENT, no such file or directory, and 127/,
  });
});

t.test(
  'resolve() asks beside the first link as the host would: the server may be in a network that is no link',
  async (t) => {
    const { sockets, resolver } = stage(t, { '192.168.1.53': hub }, { interfaces: ['wan1', 'wan2'] });
    const open = sockets.openMarkedUdp.bind(sockets);
    const bound = new Set<number>();
    sockets.openMarkedUdp = (family, fwmark, interfaceName) => {
      const fd = open(family, fwmark, interfaceName);
      if (interfaceName !== '') bound.add(fd);
      else bound.delete(fd);
      return fd;
    };
    const receive = sockets.receiveBytes.bind(sockets);
    sockets.receiveBytes = (fd, target, timeoutMs) => (bound.has(fd) ? eagain : receive(fd, target, timeoutMs));
    const startMs = performance.now();
    t.same(texts(await resolver.resolve('hub.example.net')), ['2001:db8::9', '192.0.2.9']);
    t.ok(performance.now() - startMs < 700, 'at once');
    t.ok(
      sockets.opened.every(({ fwmark }) => fwmark === 0x6877),
      'outside the tunnel',
    );
  },
);

t.test('resolve() goes on asking the servers of the start when tunnel.dns has put others in their place', async (t) => {
  const { sockets, resolver, setFile } = stage(t, { '192.0.2.53': hub });
  await resolver.resolve('hub.example.net');
  setFile('resolv', 'nameserver 10.9.0.1\noptions timeout:1 attempts:1\n');
  t.same(texts(await resolver.refresh('hub.example.net')), ['2001:db8::9', '192.0.2.9']);
  t.ok(sockets.queries.includes('10.9.0.1'));
});

t.test('resolve() asks nobody by a link that has no address to ask from', async (t) => {
  const { sockets, resolver } = stage(t, { '192.0.2.53': hub }, { interfaces: ['wan1'] });
  sockets.bare.add('wan1');
  sockets.bare.add('');
  await t.rejects(resolver.resolve('hub.example.net'), { message: /192\.0\.2\.53 says EADDRNOTAVAIL/ });
  t.same(sockets.queries, []);
});

t.test('resolve() says why it cannot, and believes a failure for five seconds', async (t) => {
  const { sockets, resolver, clock } = stage(t, { '192.0.2.53': { ...hub, 'empty.net': {} } });
  await t.rejects(resolver.resolve('nowhere.net'), { code: 'ENOTFOUND', message: /"nowhere\.net": no such name/ });
  const asked = sockets.queries.length;
  await t.rejects(resolver.resolve('nowhere.net'), { code: 'ENOTFOUND' });
  t.equal(sockets.queries.length, asked);
  clock.nowMs += 5_000;
  await t.rejects(resolver.resolve('nowhere.net'), { code: 'ENOTFOUND' });
  t.equal(sockets.queries.length, asked + 2);
  await t.rejects(resolver.resolve('empty.net'), { code: 'ENOTFOUND', message: /it has no address/ });
  await t.rejects(resolver.resolve(`${'a'.repeat(64)}.net`), { code: 'EINVAL' });
  const dead = stage(t, { '192.0.2.53': 'silent' });
  await t.rejects(dead.resolver.resolve('hub.example.net'), { message: /no answer from 192\.0\.2\.53 .*resolv\.conf/ });
});

t.test('resolve() serves the last good answer when the servers fall silent', async (t) => {
  const { sockets, resolver, clock } = stage(t, { '192.0.2.53': hub });
  await resolver.resolve('hub.example.net');
  clock.nowMs += 3600_000;
  sockets.servers['192.0.2.53'] = 'refusing';
  const stale = await resolver.resolve('hub.example.net');
  t.match(stale, { isStale: true });
  t.same(texts(stale), ['2001:db8::9', '192.0.2.9']);
});

t.test('watch() says why a name has no address, and when it has one', async (t) => {
  const { sockets, resolver, clock } = stage(
    t,
    { '192.0.2.53': 'refusing' },
    { watchEveryMs: { least: 20, most: 20 } },
  );
  const troubles: (string | undefined)[] = [];
  const end = resolver.watch(
    'hub.example.net',
    () => undefined,
    (error) => troubles.push(error?.fault),
  );
  await sleep(50);
  t.match(troubles[0], /^Cannot resolve "hub\.example\.net": 192\.0\.2\.53 says ECONNREFUSED$/);
  sockets.servers['192.0.2.53'] = hub;
  clock.nowMs += 5_000;
  await sleep(200);
  t.equal(troubles.at(-1), undefined);
  end();
});

t.test('watch() tells of a first answer and of changes alone; close() ends questions', async (t) => {
  const { sockets, resolver, clock } = stage(t, { '192.0.2.53': hub }, { watchEveryMs: { least: 20, most: 20 } });
  const seen: string[][] = [];
  const end = resolver.watch('hub.example.net', (resolution) => seen.push(texts(resolution)));
  await sleep(50);
  t.same(seen, [['2001:db8::9', '192.0.2.9']]);
  clock.nowMs += 59_990;
  await sleep(100);
  t.equal(sockets.queries.length, 2, 'not before it expires');
  clock.nowMs += 60_000;
  await sleep(100);
  t.ok(sockets.queries.length > 2);
  t.equal(seen.length, 1, 'the same again is no news');
  sockets.servers['192.0.2.53'] = { 'hub.example.net': { a: ['192.0.2.10'], ttl: 5 } };
  clock.nowMs += 60_000;
  await sleep(100);
  t.same(seen.slice(1), [['192.0.2.10']]);
  end();
  const dead = stage(t, { '192.0.2.53': 'silent' });
  const pending = dead.resolver.resolve('hub.example.net');
  const descriptors = readdirSync('/proc/self/fd').length;
  dead.resolver.close();
  t.equal(readdirSync('/proc/self/fd').length, descriptors - 1, 'its socket is closed at once');
  await t.rejects(pending, { code: 'ECANCELED' });
  t.equal(readdirSync('/proc/self/fd').length, descriptors - 1, 'and no other is opened');
});

t.test('parseResolvConf() reads servers, options and scopes', async (t) => {
  const text =
    '; old\n# comment\nsearch lan\nnameserver fe80::1%eth0 # router\nnameserver nonsense\nnameserver 192.0.2.1\n' +
    'nameserver 192.0.2.2\nnameserver 192.0.2.3\noptions rotate timeout:99 attempts:3\n';
  const { servers, timeoutMs, attempts } = parseResolvConf(text, (zone) => (zone === 'eth0' ? 7 : 0));
  t.same(
    servers.map(({ address, scopeId }) => [address, scopeId]),
    [
      ['fe80::1', 7],
      ['192.0.2.1', 0],
      ['192.0.2.2', 0],
    ],
  );
  t.same([timeoutMs, attempts], [30_000, 3]);
  t.same(parseResolvConf('', () => 0).servers[0]?.address, '127.0.0.1');
  t.same(findInHosts('10.0.0.1 a b\n10.0.0.2 B\nx b\n', 'b'), ['10.0.0.1', '10.0.0.2']);
});
