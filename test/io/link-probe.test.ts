import { createSocket } from 'node:dgram';
import { existsSync } from 'node:fs';
import { createServer as createHttpServer } from 'node:http';
import { type AddressInfo, createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { candidatesOf } from '../../src/actors/health/candidates.ts';
import { LastAddresses } from '../../src/actors/health/last-addresses.ts';
import { implicitLink } from '../../src/config/build-links.ts';
import type { LinkHealthConfig } from '../../src/config/config.ts';
import { parseTarget } from '../../src/config/probe-target.ts';
import { LinkProbe, type ProbeRequest } from '../../src/io/link-probe.ts';
import { loadAddon } from '../../src/native/addon.ts';
import { answerOf } from '../support/dns-server.ts';

const addon = loadAddon();
/** Every name leads to this host. */
const find = async () => loopback;
const probe = new LinkProbe(addon, { fwmark: 0, interfaceName: '' }, find);
t.teardown(() => probe.close());
const loopback = Uint8Array.from([127, 0, 0, 1]);
const loopback6 = Uint8Array.from([...new Uint8Array(15), 1]);
const isRoot = process.getuid?.() === 0;

function health(method: LinkHealthConfig['method'], ...targets: string[]): LinkHealthConfig {
  const parsed = targets.map(parseTarget).filter((target) => target !== undefined);
  return { ...implicitLink.health, method, targets: parsed };
}

/** The one candidate of `target`, as a request. */
function requestFor(target: string, address = loopback): ProbeRequest {
  const [one] = candidatesOf(health('auto', target));
  if (one === undefined) throw new Error(`no candidate for ${target}`);
  return { ...one, address, timeoutMs: 2000 };
}

async function ask(target: string, address = loopback, timeoutMs = 2000) {
  return await probe.ask({ ...requestFor(target, address), timeoutMs });
}

t.test('LinkProbe.ask() gets an echo from both families', { skip: !isRoot && 'needs root' }, async (t) => {
  for (const address of [loopback, loopback6]) {
    const { answered, rttUs, detail } = await ask('icmp://localhost', address);
    t.match({ answered, detail }, { answered: true, detail: 'echo' });
    t.ok(rttUs > 0 && rttUs < 1e6, `${rttUs} us`);
  }
  const many = await Promise.all(Array.from({ length: 20 }, () => ask('icmp://localhost')));
  t.ok(
    many.every((one) => one.answered),
    'each finds its own reply among those of the others',
  );
});

t.test('LinkProbe.ask() asks DNS, and believes only the answer to its question', async (t) => {
  const socket = createSocket('udp4');
  t.teardown(() => socket.close());
  let isLying = false;
  socket.on('message', (query, { port }) => {
    const reply = answerOf({ 'example.net': { a: ['192.0.2.1'] } }, query);
    if (reply === undefined) return;
    if (isLying) reply.writeUInt16BE(reply.readUInt16BE(0) ^ 1, 0);
    socket.send(reply, port);
  });
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
  const { port } = socket.address();
  t.match(await ask(`dns://127.0.0.1:${port}/example.net`), { answered: true, detail: 'code 0' });
  t.match(await ask(`dns://127.0.0.1:${port}`), { answered: true, detail: 'code 3' }, 'any code is an answer');
  isLying = true;
  t.match(await ask(`dns://127.0.0.1:${port}`, loopback, 100), { answered: false, detail: 'no answer' });
});

t.test('LinkProbe.ask() connects, and a refusal is an answer too', async (t) => {
  const server = createServer((socket) => socket.on('error', () => socket.destroy()));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const open = await ask(`tcp://127.0.0.1:${port}`);
  t.match(open, { answered: true, detail: 'connected' });
  t.ok(open.rttUs > 0 && open.rttUs < 1e6, `${open.rttUs} us`);
  await new Promise((resolve) => server.close(resolve));
  t.match(await ask(`tcp://127.0.0.1:${port}`), { answered: true, detail: 'refused' });
});

t.test('LinkProbe.ask() speaks HTTP and judges the status', async (t) => {
  const server = createHttpServer((request, response) => {
    if (request.url === '/silent') return;
    response.writeHead(request.url === '/broken' ? 503 : 204, { 'x-host': request.headers.host ?? '' }).end();
  });
  t.teardown(() => server.closeAllConnections());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => server.close());
  const base = `http://localhost:${(server.address() as AddressInfo).port}`;
  const good = await ask(`${base}/alive`);
  t.match(good, { answered: true, detail: 'status 204' });
  t.ok(good.rttUs > 0 && good.rttUs < 1e6, 'of the handshake alone');
  t.match(await ask(`${base}/broken`), { answered: false, rttUs: 0, detail: /^status 503, expected/ });
  t.match(await ask(`${base}/silent`, loopback, 100), { answered: false, detail: 'no answer' });
  const https = `https://localhost:${(server.address() as AddressInfo).port}/`;
  t.match(await ask(https), { answered: false }, 'what speaks no TLS is no answer');
});

t.test('LinkProbe.ask() says at once what the kernel says at once, and close() ends the rest', async (t) => {
  const nowhere = new LinkProbe(addon, { fwmark: 0, interfaceName: 'hw-nowhere0' }, find);
  t.match(await nowhere.ask(requestFor('tcp://192.0.2.1:1')), { answered: false, detail: /hw-nowhere0/ });
  const socket = createSocket('udp4');
  t.teardown(() => socket.close());
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
  const waiting = nowhereToGo(`dns://127.0.0.1:${socket.address().port}`);
  t.match(await waiting, { answered: false, detail: 'closed' });
});

async function nowhereToGo(target: string) {
  let opened = -1;
  const openMarkedUdp: typeof addon.openMarkedUdp = (...args) => {
    opened = addon.openMarkedUdp(...args);
    return opened;
  };
  const closing = new LinkProbe({ ...addon, openMarkedUdp }, { fwmark: 0, interfaceName: '' }, find);
  const asking = closing.ask({ ...requestFor(target), timeoutMs: 60_000 });
  await sleep(20);
  const isOpen = (): boolean => existsSync(`/proc/self/fd/${opened}`);
  t.ok(isOpen());
  closing.close();
  t.notOk(isOpen(), 'its socket is closed at once');
  return await asking;
}

t.test('candidatesOf() pairs methods with the targets that fit them', async (t) => {
  const pairs = (...args: Parameters<typeof health>) =>
    candidatesOf(health(...args)).map(({ method, host, port, question }) => {
      const what = 'web' in question ? question.web.url : 'name' in question ? question.name : '';
      return `${method} ${host} ${port} ${what}`.trimEnd();
    });
  t.strictSame(pairs('auto', '192.0.2.1'), [
    'icmp 192.0.2.1 0',
    'dns 192.0.2.1 53 localhost',
    'tcp 192.0.2.1 443',
    'https 192.0.2.1 443 https://192.0.2.1:443/',
    'http 192.0.2.1 80 http://192.0.2.1:80/',
  ]);
  t.strictSame(pairs('auto', 'a.example:25', 'dns://192.0.2.53/b.example'), [
    'dns 192.0.2.53 53 b.example',
    'tcp a.example 25',
  ]);
  t.strictSame(pairs('http', 'a.example:8080', 'http://[2001:db8::1]/x'), [
    'http a.example 8080 http://a.example:8080/',
    'http 2001:db8::1 80 http://[2001:db8::1]:80/x',
  ]);
  t.strictSame(pairs('off'), []);
});

t.test('LastAddresses.find() keeps what it knew while the resolver is silent', async (t) => {
  let answer: () => Promise<{ addresses: { addressHex: string }[] }> = () => new Promise(() => undefined);
  const names = new LastAddresses({ resolve: () => answer() as never });
  t.strictSame(
    Buffer.from((await names.find('192.0.2.1', 10)) ?? []).toString('hex'),
    'c0000201',
    'literals need none',
  );
  t.equal(await names.find('a.example', 10), undefined);
  const other = new LastAddresses({ resolve: () => answer() as never });
  answer = async () => ({ addresses: [{ addressHex: 'c0000202' }] });
  t.ok(await other.find('a.example', 1000));
  answer = () => Promise.reject(new Error('no server'));
  t.ok(await other.find('a.example', 1000));
  t.ok(await other.find('a.example', 1000), 'also after a failure');
});
