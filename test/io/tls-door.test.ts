/** The TLS port of a hub on the loopback: peers get a WebSocket, everybody else the web site, byte for byte. */
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect as connectTls, createServer as createTlsServer } from 'node:tls';
import t from 'tap';
import { generateKeyPair } from '../../src/crypto/x25519.ts';
import { callHub, type PacketSocket } from '../../src/io/tls/call-hub.ts';
import { ownCertificate } from '../../src/io/tls/own-certificate.ts';
import { loadAddon } from '../../src/native/addon.ts';
import { call, fetched, folder, identity, openDoor, portOf, visitor } from '../support/front-door.ts';

/** Of a descriptor of this process, by what proc(5) says of it. */
function remotePortOf(fd: number): number {
  const inode = /\d+/.exec(readlinkSync(`/proc/self/fd/${fd}`))?.[0];
  const rows = readFileSync('/proc/net/tcp', 'utf8').split('\n');
  const row = rows.map((line) => line.trim().split(/\s+/)).find((columns) => columns[9] === inode);
  return Number.parseInt(row?.[2]?.split(':')[1] ?? '', 16);
}

t.test('a peer and the hub know each other, and messages pass both ways', async (t) => {
  const { port, peers, counted } = await openDoor(t, undefined);
  t.match(await fetched(port, '/'), { status: 404 });
  const { web, stream } = await call(port);
  t.teardown(() => web.terminate());
  t.equal(peers.length, 1);
  // What the kernel is told is told of the peer's connection, and of no visitor's.
  t.same(counted.tuned.map(remotePortOf), [stream.localPort]);
  t.equal(loadAddon().tuneTcp(counted.tuned[0] ?? -1, 16_384, 5000), 0);
  const [there, back] = [once(peers[0]?.web as typeof web, 'message'), once(web, 'message')];
  const bytes = Buffer.alloc(40_000, 'packets');
  web.send(Buffer.from(bytes), { binary: true, compress: false }, () => undefined);
  peers[0]?.web.send(Buffer.from('answer'), { binary: true, compress: false }, () => undefined);
  t.same((await there)[0], bytes);
  t.same((await back)[0], Buffer.from('answer'));
});

t.test('neither side answers pings, and a call that was given up before it began ends', async (t) => {
  const { port, peers } = await openDoor(t, undefined);
  const { web, stream } = await call(port);
  t.teardown(() => web.terminate());
  const there = peers[0] as PacketSocket;
  const pongs: string[] = [];
  web.on('pong', () => pongs.push('from the hub'));
  there.web.on('pong', () => pongs.push('from the caller'));
  // RFC 6455 section 5.5.2: FIN and opcode 9; masked towards the hub.
  stream.write(Buffer.from('898000000000', 'hex'));
  there.stream.write(Buffer.from('8900', 'hex'));
  // What each says after the other's ping comes behind his pong, if there were one.
  for (const [from, to] of [
    [web, there.web],
    [there.web, web],
    [web, there.web],
  ] as const) {
    const heard = once(to, 'message');
    from.send(Buffer.from('word'), { binary: true, compress: false }, () => undefined);
    await heard;
  }
  t.same(pongs, []);
  const silent = createServer();
  const at = await portOf(silent);
  t.teardown(() => silent.close());
  const late = callHub(
    connect(at, '127.0.0.1'),
    { serverName: 'x', port: at, prove: () => undefined },
    AbortSignal.abort(),
  );
  const outcome = await Promise.race([late.catch((error) => error.message), sleep(5000, 'hangs', { ref: false })]);
  t.equal(outcome, 'no answer in time');
});

t.test('who is no peer, and whoever listens in between, sees a web site', async (t) => {
  const site = path.join(folder, 'site');
  mkdirSync(path.join(site, 'sub'), { recursive: true });
  writeFileSync(path.join(site, 'index.html'), '<h1>hello</h1>');
  writeFileSync(path.join(site, 'sub', 'a b.txt'), 'text');
  writeFileSync(path.join(folder, 'secret'), 'no');
  const { port, peers } = await openDoor(t, { folder: site });
  t.match(await fetched(port, '/'), { status: 200, type: 'text/html', body: '<h1>hello</h1>' });
  t.match(await fetched(port, '/sub/a%20b.txt?x'), { status: 200, type: 'text/plain', body: 'text' });
  t.match(await fetched(port, '/sub'), { status: 301 });
  for (const at of ['/sub/', '/none', '/../secret', '/%2e%2e/secret', '/sub/..%2f..%2fsecret', '/index.html/'])
    t.match(await fetched(port, at), { status: 404 }, at);
  t.match(await fetched(port, '/%zz'), { status: 400 });
  const stranger = generateKeyPair();
  await t.rejects(call(port, stranger), { code: 'TLS_STRANGER' });
  // In the middle: what the caller says is said to the hub word for word, by another connection of TLS.
  const middle = createTlsServer(
    { cert: identity.certificate, key: identity.key, ALPNProtocols: ['http/1.1'] },
    (near) => {
      const far = connectTls({ host: '127.0.0.1', port, rejectUnauthorized: false });
      for (const one of [near, far]) one.on('error', () => undefined);
      near.pipe(far).pipe(near);
    },
  );
  const at = await portOf(middle);
  t.teardown(() => middle.close());
  await t.rejects(call(at), { code: 'TLS_STRANGER' });
  t.equal(peers.length, 0);
});

t.test('a web server behind it hears what a visitor says, and he what it says, to the byte', async (t) => {
  const heard: Buffer[] = [];
  const answer = Buffer.concat([Buffer.from('HTTP/1.1 200 OK\r\nX-Odd:  1\r\n\r\n'), Buffer.alloc(300_000, 'body')]);
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('data', (chunk) => heard.push(chunk)).on('end', () => socket.end(answer));
  });
  const behind = await portOf(server);
  t.teardown(() => server.close());
  const { port } = await openDoor(t, { host: '127.0.0.1', port: behind });
  for (const said of ['GET / HTTP/1.0\r\nuPgrade: websocket\r\nCookie: session=abc\r\n\r\n', 'no HTTP at all \0\xff']) {
    heard.length = 0;
    const socket = await visitor(port);
    const chunks: Buffer[] = [];
    socket.on('data', (chunk) => chunks.push(chunk));
    socket.end(Buffer.from(said, 'latin1'));
    await once(socket, 'close');
    t.same(Buffer.concat(heard), Buffer.from(said, 'latin1'));
    t.ok(Buffer.concat(chunks).equals(answer));
  }
});

t.test('a crowd that says nothing keeps nobody out, and what is no TLS ends', async (t) => {
  const { port, peers, counted } = await openDoor(t, undefined);
  const early = await call(port);
  t.teardown(() => early.web.terminate());
  const crowd = Array.from({ length: 200 }, () => connect(port, '127.0.0.1').on('error', () => undefined));
  t.teardown(() => {
    for (const one of crowd) one.destroy();
  });
  await Promise.all(crowd.map((one) => once(one, 'connect')));
  const { web } = await call(port);
  t.teardown(() => web.terminate());
  t.match(await fetched(port, '/'), { status: 404 });
  t.ok(counted.crowd >= 136, '64 of one address may wait');
  t.same(
    peers.map(({ stream }) => stream.destroyed),
    [false, false],
    'peers are not counted among them',
  );
  const garbage = connect(port, '127.0.0.1').on('error', () => undefined);
  garbage.write('GET / HTTP/1.1\r\n\r\n');
  garbage.resume();
  t.ok(await Promise.race([once(garbage, 'close'), sleep(5000, undefined, { ref: false })]), 'it is closed at once');
});

t.test('a certificate that is another one from now on, and one that is kept', async (t) => {
  const { door, port } = await openDoor(t, undefined);
  const seen = async (): Promise<unknown> => {
    const socket = await visitor(port);
    const { subject } = socket.getPeerCertificate();
    socket.destroy();
    return subject.CN;
  };
  t.equal(await seen(), 'hub.example.net');
  door.setIdentity(ownCertificate(folder, 'second', 'other.example.net'));
  t.equal(await seen(), 'other.example.net');
  t.same(ownCertificate(folder, 'first', 'third.example.net'), identity, 'made once');
  t.equal(readFileSync(path.join(folder, 'first.tls.pem'), 'utf8'), identity.certificate);
});

t.test('a certificate of our own says neither when it was made nor by whom', async (t) => {
  const dayMs = 86_400_000;
  const made = Array.from({ length: 8 }, (_, index) => {
    const parsed = new X509Certificate(ownCertificate(folder, `made${index}`, 'hub.example.net').certificate);
    return { parsed, fromMs: Date.parse(parsed.validFrom), toMs: Date.parse(parsed.validTo) };
  });
  for (const { parsed, fromMs, toMs } of made) {
    t.ok(fromMs < Date.now() && fromMs > Date.now() - 366 * dayMs);
    t.equal(toMs - fromMs, 3650 * dayMs);
    t.ok(parsed.verify(parsed.publicKey) && parsed.checkIssued(parsed) && parsed.ca);
  }
  t.equal(new Set(made.map(({ fromMs }) => fromMs % dayMs)).size, made.length, 'each at a time of day of its own');
});
