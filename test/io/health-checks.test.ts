/** Each kind of check against a server that answers rightly and one that lies, over loopback, without root where that is possible. */
import { execFileSync, spawnSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { readFileSync } from 'node:fs';
import { createServer as createHttp, type RequestListener } from 'node:http';
import { createServer as createHttps } from 'node:https';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import path from 'node:path';
import t, { type Test } from 'tap';
import { candidateOf } from '../../src/actors/health/candidates.ts';
import { parseConfig } from '../../src/config/parse.ts';
import { matchesWithin } from '../../src/io/bounded-pattern.ts';
import { LinkProbe } from '../../src/io/link-probe.ts';
import { loadAddon } from '../../src/native/addon.ts';
import { generateKeys } from '../support/keys.ts';

const loopback = Uint8Array.from([127, 0, 0, 1]);
const asked: string[] = [];
const probe = new LinkProbe(loadAddon(), { fwmark: 0, interfaceName: '' }, async (host) => {
  asked.push(host);
  return host === 'nowhere.test' ? undefined : loopback;
});
t.teardown(() => probe.close());
const isRoot = process.getuid?.() === 0;

/** As the file has it, through schema and parser. */
function checkOf(check: Record<string, unknown>) {
  const peers = [{ name: 'hub', publicKey: generateKeys().publicKey }];
  const links = [{ name: 'lte', interface: 'lo', health: { checks: [check] } }];
  const text = JSON.stringify({
    identity: { privateKeyFile: 'a.key' },
    tunnel: { addresses: ['10.9.0.2/24'] },
    peers,
    links,
  });
  const { config, problems } = parseConfig(text, '/etc/hawser/home.yaml');
  const [one] = config?.links[0]?.health.checks ?? [];
  if (one === undefined || one.type === 'plugin') throw new Error(JSON.stringify(problems));
  return one;
}

async function ask(check: Record<string, unknown>) {
  const one = checkOf({ timeout: '1s', ...check });
  const { port, question } = candidateOf(one);
  return await probe.ask({ address: loopback, port, question, timeoutMs: one.timeoutMs });
}

async function listen(t: Test, server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => server.close());
  return (server.address() as AddressInfo).port;
}

t.test('an http check knows a captive portal by its status, its redirect and its page', async (t) => {
  const answer: RequestListener = (request, response) => {
    const { url = '', method, headers } = request;
    if (url === '/portal') response.writeHead(302, { Location: 'http://portal.test/login' }).end();
    else if (url === '/page') response.writeHead(200).end('<html>Please log in</html>');
    else if (url === '/moved') response.writeHead(301, { Location: '/alive' }).end();
    else if (url === '/circle') response.writeHead(302, { Location: '/circle' }).end();
    else if (url === '/far') response.writeHead(302, { Location: 'http://nowhere.test/' }).end();
    else if (url === '/silent') return;
    else if (url === '/echo') response.writeHead(200).end(`${method} ${headers['x-probe'] ?? ''}`);
    else if (url === '/empty') response.writeHead(204).end();
    else response.writeHead(200).end('status: ok');
  };
  const port = await listen(t, createHttp(answer));
  const http = (place: string, more: Record<string, unknown> = {}) =>
    ask({ type: 'http', url: `http://probe.test:${port}${place}`, ...more });
  const right = await http('/alive', { contains: 'status: ok', matches: 'status: (ok|fine)$' });
  t.match(right, { answered: true, detail: 'status 200' });
  t.ok(right.rttUs > 0 && right.rttUs < 1e6, 'of the handshake alone');
  t.match(await http('/empty', { status: 204 }), { answered: true });
  t.match(await http('/portal', { status: 204 }), {
    answered: false,
    detail: 'status 302 to http://portal.test/login, expected 204: a captive portal?',
  });
  t.match(await http('/page', { contains: 'status: ok' }), {
    answered: false,
    detail: /the body does not hold "status: ok"/,
  });
  t.match(await http('/page', { matches: '^status' }), { answered: false, detail: /does not match \^status/ });
  t.match(await http('/page', { status: ['204', '300-399'] }), { detail: 'status 200, expected 204, 300-399' });
  t.match(await http('/moved'), { answered: false, detail: /status 301/ }, 'redirects are refused by default');
  t.match(await http('/moved', { redirects: 'follow', contains: 'ok' }), { answered: true });
  t.match(await http('/circle', { redirects: 'follow' }), { answered: false, detail: /status 302/ }, 'five at most');
  t.match(await http('/far', { redirects: 'follow' }), { answered: false, detail: /nowhere\.test, whose name/ });
  t.ok(asked.includes('nowhere.test'), 'names of redirects are asked for by the link');
  t.match(await http('/echo', { method: 'POST', headers: { 'X-Probe': 'a' }, contains: 'POST a' }), { answered: true });
  t.match(await http('/silent', { timeout: '200ms' }), { answered: false, detail: 'no answer' });
  t.match(await http('/alive', { matches: '^(s+)+$' }), { answered: false });
});

const hasOpenssl = spawnSync('openssl', ['version']).error === undefined;
const tls = hasOpenssl ? {} : { skip: 'needs openssl' };

t.test(
  'an http check verifies certificates: public ones, those of an authority of one’s own, or none',
  tls,
  async (t) => {
    const folder = t.testdir();
    const [key, certificate] = ['key.pem', 'cert.pem'].map((name) => path.join(folder, name)) as [string, string];
    const request = 'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=probe.test';
    const names = ['-addext', 'subjectAltName=DNS:probe.test'];
    execFileSync('openssl', [...request.split(' '), ...names, '-keyout', key, '-out', certificate], {
      stdio: 'ignore',
    });
    const options = { key: readFileSync(key), cert: readFileSync(certificate) };
    const port = await listen(
      t,
      createHttps(options, (_request, response) => void response.writeHead(204).end()),
    );
    const https = (host: string, more: Record<string, unknown> = {}) =>
      ask({ type: 'http', url: `https://${host}:${port}/`, ...more });
    t.match(await https('probe.test'), { answered: false, detail: /self.signed/ });
    t.match(await https('probe.test', { ca: certificate }), { answered: true });
    t.match(await https('other.test', { ca: certificate }), { answered: false, detail: /other\.test/ });
    t.match(await https('other.test', { verify: false }), { answered: true });
    t.match(await https('probe.test', { ca: path.join(folder, 'none.pem') }), { answered: false, detail: /ENOENT/ });
  },
);

/** Answers every question with these records: type, data. */
function dnsAnswer(query: Buffer, records: readonly (readonly [number, Buffer])[], code = 0): Buffer {
  const header = Buffer.from(query.subarray(0, 12));
  header.writeUInt16BE(0x8180 | code, 2);
  header.writeUInt16BE(records.length, 6);
  header.fill(0, 8);
  const rest = records.map(([type, data]) => {
    const head = Buffer.from('c00c000000010000003c0000', 'hex');
    head.writeUInt16BE(type, 2);
    head.writeUInt16BE(data.length, 10);
    return Buffer.concat([head, data]);
  });
  return Buffer.concat([header, query.subarray(12), ...rest]);
}

const dnsName = (name: string): Buffer =>
  Buffer.concat([
    ...name.split('.').map((label) => Buffer.from([label.length, ...Buffer.from(label)])),
    Buffer.from([0]),
  ]);

t.test('a dns check knows a record from one that somebody put in its place', async (t) => {
  const records: Record<string, readonly [number, Buffer]> = {
    A: [1, Buffer.from([192, 0, 2, 1])],
    NS: [2, dnsName('ns.example.net')],
    CNAME: [5, dnsName('host.example.net')],
    MX: [15, Buffer.concat([Buffer.from([0, 10]), dnsName('mail.example.net')])],
    TXT: [16, Buffer.concat([Buffer.from([3]), Buffer.from('abc'), Buffer.from([2]), Buffer.from('de')])],
    AAAA: [28, Buffer.from('20010db8000000000000000000000001', 'hex')],
  };
  const socket = createSocket('udp4');
  t.teardown(() => socket.close());
  let code = 0;
  socket.on('message', (query, { port }) => {
    const type = query.readUInt16BE(query.length - 4);
    const found = Object.values(records).filter(([known]) => known === type);
    socket.send(dnsAnswer(query, code === 0 ? found : [], code), port);
  });
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
  const server = `127.0.0.1:${socket.address().port}`;
  const dns = (record: string, answer?: unknown) =>
    ask({ type: 'dns', server, query: 'Example.net', record, ...(answer === undefined ? {} : { answer }) });
  for (const [record, right, wrong] of [
    ['A', '192.0.2.1', '192.0.2.2'],
    ['AAAA', '2001:db8:0::1', '2001:db8::2'],
    ['NS', 'NS.example.net.', 'ns.example.org'],
    ['CNAME', 'host.example.net', 'host.example.com'],
    ['MX', 'mail.example.net', 'mail2.example.net'],
    ['MX', '10 mail.example.net', '20 mail.example.net'],
    ['TXT', 'abcde', 'ABCDE'],
  ] as const) {
    t.match(await dns(record), { answered: true }, `${record}: any will do`);
    t.match(await dns(record, right), { answered: true }, `${record} ${right}`);
    t.match(await dns(record, [wrong, 'else']), { answered: false, detail: /does somebody redirect names\?$/ });
  }
  t.match(await dns('A', '192.0.2.2'), { detail: /^answer 192\.0\.2\.1, expected 192\.0\.2\.2/ });
  delete records.A;
  t.match(await dns('A'), { answered: false, detail: 'no A record' });
  code = 3;
  t.match(await dns('MX'), { answered: false, detail: 'no such name' });
});

t.test('a tcp check listens to what the server says', async (t) => {
  const sockets = new Set<Socket>();
  t.teardown(() => sockets.forEach((socket) => void socket.destroy()));
  const serve = (greet: string, reply: string) =>
    createServer((socket) => {
      sockets.add(socket);
      socket.on('error', () => socket.destroy());
      if (greet !== '') socket.write(greet);
      socket.on('data', () => socket.write(reply));
    });
  const mail = await listen(t, serve('220 mail.test ready\r\n', '250 hello\r\n'));
  const liar = await listen(t, serve('HTTP/1.1 302 Found\r\n', ''));
  const tcp = (port: number, more: Record<string, unknown> = {}) =>
    ask({ type: 'tcp', target: `127.0.0.1:${port}`, ...more });
  t.match(await tcp(mail), { answered: true, detail: 'connected' });
  t.match(await tcp(mail, { expect: '^220 ' }), { answered: true, detail: '220 mail.test ready' });
  t.match(await tcp(mail, { send: 'EHLO x\r\n', expect: '\\n250 ' }), { answered: true });
  t.match(await tcp(liar, { expect: '^220 ' }), {
    answered: false,
    detail: '"HTTP/1.1 302 Found" was said, expected ^220 ',
  });
  const pasted = 'yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk=';
  const hidden = await tcp(liar, { expect: pasted });
  t.notMatch(hidden.detail, pasted.slice(8, 16), 'a key that was pasted there does not come out again');
  const dead = createServer();
  const closed = await listen(t, dead);
  await new Promise((resolve) => dead.close(resolve));
  t.match(await tcp(closed), { answered: false, detail: 'ECONNREFUSED' }, 'a service that is gone is not there');
});

t.test(
  'an icmp check sends as many and as large echoes as it is told',
  { skip: !isRoot && 'needs root' },
  async (t) => {
    t.match(await ask({ type: 'icmp', target: '127.0.0.1', size: 1400 }), { answered: true, detail: 'echo' });
    t.match(await ask({ type: 'icmp', target: '127.0.0.1', count: 5 }), { answered: true, detail: '5 of 5 echoes' });
  },
);

t.test('matchesWithin() gives up on an expression that goes back and forth for ever', async (t) => {
  t.equal(matchesWithin('^a+$', 'aaa'), true);
  t.equal(matchesWithin('^a+$', 'aab'), false);
  t.equal(matchesWithin('^(a+)+$', `${'a'.repeat(64)}!`), undefined);
});
