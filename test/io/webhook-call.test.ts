/** Calls to a real receiver on loopback: what it gets, and what is not called, not followed, not waited for. */
import { writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import t from 'tap';
import type { ResolvedAddress } from '../../src/io/resolver.ts';
import { ownCertificate } from '../../src/io/tls/own-certificate.ts';
import { callWebhook } from '../../src/io/webhook-call.ts';

async function serve(answer: (request: IncomingMessage, response: ServerResponse) => void): Promise<Server> {
  const server = createServer(answer);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
}

function resolverOf(...addresses: string[]) {
  const asked: string[] = [];
  return {
    asked,
    resolve: async (host: string) => {
      asked.push(host);
      const found = addresses.map((address): ResolvedAddress => ({ family: 4, address, addressHex: '' }));
      return { addresses: found, source: 'dns' as const, expiresAtMs: 0, isStale: false };
    },
  };
}

const never = new AbortController().signal;
const call = { headers: { 'x-test': '1' }, body: '{"a":1}', allowPrivate: true };

t.test('a request arrives at the address that was looked at, whatever its name is elsewhere', async (t) => {
  const seen: string[] = [];
  const server = await serve(async (request, response) => {
    let body = '';
    for await (const part of request) body += String(part);
    seen.push(`${request.method} ${request.url} ${request.headers.host} ${request.headers['x-test']} ${body}`);
    response.writeHead(204).end();
  });
  t.teardown(() => server.close());
  const { port } = server.address() as AddressInfo;
  const resolver = resolverOf('127.0.0.1');
  const url = new URL(`http://hook.invalid:${port}/in?x=1`);
  t.strictSame(await callWebhook(resolver, { ...call, url }, never), { status: 204, retryAfterS: undefined });
  t.strictSame(seen, [`POST /in?x=1 hook.invalid:${port} 1 {"a":1}`]);
  t.strictSame(resolver.asked, ['hook.invalid']);
});

t.test('what has no public address is not called unless that is allowed', async (t) => {
  let calls = 0;
  const server = await serve((_request, response) => {
    calls += 1;
    response.writeHead(200).end();
  });
  t.teardown(() => server.close());
  const { port } = server.address() as AddressInfo;
  const strict = { ...call, allowPrivate: false };
  for (const host of ['hook.invalid', '127.0.0.1', '[::1]', '[::ffff:127.0.0.1]', '2130706433', '0x7f.1'])
    await t.rejects(
      callWebhook(resolverOf('127.0.0.1'), { ...strict, url: new URL(`https://${host}:${port}/`) }, never),
      {
        code: 'REFUSED_ADDRESS',
      },
    );
  await t.rejects(callWebhook(resolverOf('8.8.8.8'), { ...call, url: new URL('http://hook.invalid/') }, never), {
    message: /http can be read/,
  });
  t.equal(calls, 0);
});

t.test('a redirect is an answer, and is not followed; Retry-After is told', async (t) => {
  let calls = 0;
  const server = await serve((_request, response) => {
    calls += 1;
    response.writeHead(307, { location: '/elsewhere', 'retry-after': '120' }).end();
  });
  t.teardown(() => server.close());
  const { port } = server.address() as AddressInfo;
  const url = new URL(`http://127.0.0.1:${port}/`);
  t.strictSame(await callWebhook(resolverOf(), { ...call, url }, never), { status: 307, retryAfterS: 120 });
  t.equal(calls, 1);
});

t.test(
  'an endless body is not read, a receiver that says nothing ends with who asked, a certificate must be right',
  async (t) => {
    const server = await serve((request, response) => {
      if (request.url === '/silent') return;
      response.writeHead(200);
      const more = setInterval(() => response.write('x'.repeat(65_536)), 1);
      response.on('close', () => clearInterval(more));
    });
    t.teardown(() => {
      server.closeAllConnections();
      server.close();
    });
    const { port } = server.address() as AddressInfo;
    const urlOf = (path: string, scheme = 'http'): URL => new URL(`${scheme}://127.0.0.1:${port}${path}`);
    t.equal((await callWebhook(resolverOf(), { ...call, url: urlOf('/endless') }, never)).status, 200);
    const owner = new AbortController();
    const asked = callWebhook(resolverOf(), { ...call, url: urlOf('/silent') }, owner.signal);
    setTimeout(() => owner.abort(), 50);
    await t.rejects(asked);
    await t.rejects(callWebhook(resolverOf(), { ...call, url: urlOf('/', 'https') }, never), { code: 'FAILED' });
  },
);

t.test('by https a certificate must be of an authority that is known, and for the name', async (t) => {
  const folder = t.testdir();
  const { certificate, key } = ownCertificate(folder, 'right', 'hook.invalid');
  const other = ownCertificate(folder, 'other', 'hook.invalid');
  const bodies: string[] = [];
  const server = createTlsServer({ cert: certificate, key }, async (request, response) => {
    let body = '';
    for await (const part of request) body += String(part);
    bodies.push(body);
    response.writeHead(204).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => server.close());
  const { port } = server.address() as AddressInfo;
  const caFile = path.join(folder, 'authority.pem');
  const write = (pem: string) => writeFileSync(caFile, pem.slice(pem.indexOf('-----BEGIN CERTIFICATE')));
  write(certificate);
  const to = (host: string, authority: string | undefined) =>
    callWebhook(
      resolverOf('127.0.0.1'),
      { ...call, url: new URL(`https://${host}:${port}/`), caFile: authority },
      never,
    );
  t.match(await to('hook.invalid', caFile), { status: 204 });
  await t.rejects(to('hook.invalid', undefined), { code: 'FAILED', message: /self-signed certificate/ });
  await t.rejects(to('elsewhere.invalid', caFile), {
    code: 'FAILED',
    message: /does not match certificate's altnames/,
  });
  write(other.certificate);
  await t.rejects(to('hook.invalid', caFile), { code: 'FAILED' }, 'of another authority');
  await t.rejects(to('hook.invalid', path.join(folder, 'none.pem')), {
    code: 'FAILED',
    message: /Cannot read the authority/,
  });
  t.strictSame(bodies, [call.body], 'whoever is not who he should be gets nothing');
});
