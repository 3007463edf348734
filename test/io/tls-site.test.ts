/** What visitors of a hub's TLS port can hold of it: one file each, some time, and nothing once they are gone. */
import { mkdirSync, openSync, readdirSync, readlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { connect, Socket } from 'node:net';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { TLSSocket } from 'node:tls';
import t from 'tap';
import { exporterBytes, exporterLabel } from '../../src/crypto/tls-proof.ts';
import { proofText } from '../../src/io/tls/proof-header.ts';
import { customerOf, Visitors } from '../../src/io/tls/visitors.ts';
import { fetched, folder, openDoor, proofOf, visitor } from '../support/front-door.ts';

const site = path.join(folder, 'site');
const big = path.join(site, 'big');
mkdirSync(site);
writeFileSync(big, '');
// No buffer of the kernel takes it.
truncateSync(big, 64 << 20);
for (const name of ['odd', 'even']) writeFileSync(path.join(site, name), `${name}.`);

const patienceMs = 20_000;

async function until(isSo: () => boolean): Promise<boolean> {
  const startMs = performance.now();
  while (performance.now() - startMs < patienceMs) {
    if (isSo()) return true;
    await sleep(20);
  }
  return false;
}

/** How often this process has the big file open. */
function openCount(): number {
  return readdirSync('/proc/self/fd').filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`) === big;
    } catch {
      return false;
    }
  }).length;
}

function asking(at: string): string {
  return `GET ${at} HTTP/1.1\r\nHost: hub\r\n\r\n`;
}

/** All that the hub says until it ends the connection; undefined = it does not. `speak` is called now and then meanwhile. */
async function saidTo(socket: TLSSocket, speak = (): void => undefined): Promise<string | undefined> {
  let said = '';
  socket.setEncoding('latin1').on('data', (chunk) => {
    said += chunk;
  });
  const timer = setInterval(speak, 40);
  const ended = new Promise((resolve) => socket.once('close', () => resolve(true)));
  const hasEnded = await Promise.race([ended, sleep(patienceMs, false, { ref: false })]);
  clearInterval(timer);
  return hasEnded === true ? said : undefined;
}

t.test('who asks for a file 560 times at once and is gone has opened one, and keeps none', async (t) => {
  const { port } = await openDoor(t, { folder: site });
  const connection = connect(port, '127.0.0.1');
  const socket = await visitor(port, connection);
  socket.write(asking('/big').repeat(560));
  t.ok(await until(() => openCount() > 0), 'the file is open');
  await sleep(300);
  t.equal(openCount(), 1);
  connection.resetAndDestroy();
  t.ok(await until(() => openCount() === 0), 'and closed again');
});

t.test('what is asked for together is answered in order, and not without end', async (t) => {
  const { port } = await openDoor(t, { folder: site });
  const last = 'GET /none HTTP/1.1\r\nHost: hub\r\nConnection: close\r\n\r\n';
  const socket = await visitor(port);
  socket.write(`${`${asking('/odd')}${asking('/even')}`.repeat(280)}${last}`);
  const said = (await saidTo(socket)) ?? '';
  t.equal(said.match(/HTTP\/1\.1 200 OK/g)?.length, 560);
  t.equal(said.match(/(odd|even)\.(?=HTTP)/g)?.join(''), 'odd.even.'.repeat(280));
  t.match(said, /HTTP\/1\.1 404 Not Found/);
  const startMs = performance.now();
  for (const count of [1500, 5000]) {
    const greedy = await visitor(port);
    greedy.write(asking('/odd').repeat(count));
    const answers = (await saidTo(greedy))?.match(/HTTP\/1\.1 200 OK/g) ?? [];
    t.ok(answers.length <= 1000);
    if (count === 1500) t.equal(answers.length, 1000);
  }
  t.ok(performance.now() - startMs < 12_000, 'they are ended before they would be idle');
  t.match(await fetched(port, '/odd'), { status: 200 });
});

t.test('a visitor is waited for, but not for ever', async (t) => {
  // Node adds a second to what it says of `keepAliveMs`.
  const waits = { handshakeMs: 10_000, firstWordMs: 10_000, headMs: 1500, keepAliveMs: 400, idleMs: 2000 };
  const { port } = await openDoor(t, { folder: site }, waits);
  const [slow, later, silent] = await Promise.all([visitor(port), visitor(port), visitor(port)]);
  slow.write('GET / HTTP/1.1\r\nX: ');
  later.write(`${asking('/odd')}GET / HTTP/1.1\r\nX: `);
  silent.write(asking('/odd'));
  const said = [saidTo(slow, () => slow.write('x')), saidTo(later, () => later.write('x')), saidTo(silent)];
  const [toSlow, toLater, toSilent] = await Promise.all(said);
  t.match(toSlow, /^HTTP\/1\.1 408 /, 'a head comes byte by byte');
  t.match(toLater, /200 OK.*odd\.HTTP\/1\.1 408 /s, 'or the second one');
  t.match(toSilent, /200 OK.*odd\.$/s, 'nothing more is said');
  const deaf = await visitor(port);
  deaf.write(asking('/big'));
  t.ok(await until(() => openCount() > 0));
  t.ok(await until(() => openCount() === 0), 'nothing is taken of the answer');
  deaf.destroy();
});

t.test('a peer that proves itself and then asks for something else is cut off', async (t) => {
  const { port, peers } = await openDoor(t, { folder: site });
  for (const rest of ['', 'Connection: Upgrade\r\n', 'Connection: Upgrade\r\n: :\r\n']) {
    const socket = await visitor(port);
    const proof = proofOf(socket.exportKeyingMaterial(exporterBytes, exporterLabel, Buffer.alloc(0)));
    t.not(proof, undefined);
    const cookie = proofText(proof?.bytes ?? new Uint8Array(0));
    socket.write(`GET / HTTP/1.1\r\nHost: hub\r\nUpgrade: websocket\r\nCookie: ${cookie}\r\n${rest}\r\n`);
    const startMs = performance.now();
    t.notMatch(await saidTo(socket), /200 OK/);
    t.ok(performance.now() - startMs < 8000, 'before it is waited for no longer');
  }
  t.equal(peers.length, 0);
});

t.test('listen() says why it cannot', async (t) => {
  const { door } = await openDoor(t, undefined);
  const error = await door.listen(openSync('/dev/null', 'r')).catch((error: unknown) => error);
  t.match(error, { code: 'TLS_LISTEN', message: /EINVAL.* \(ss -ltnp/ });
});

t.test('customerOf() is a whole /64 of IPv6, however it is written, and one address of IPv4', async (t) => {
  t.equal(customerOf('2001:db8::1'), customerOf('2001:db8::ffff:1:2:3'));
  t.equal(customerOf('2001:db8::1'), customerOf('2001:0db8:0:0:1::'));
  t.equal(customerOf('::1'), customerOf('::2:3:4:5'));
  t.not(customerOf('2001:db8::1'), customerOf('2001:db8:0:1::1'));
  t.not(customerOf('2001:db8:1::'), customerOf('2001:db8:0:1::'));
  t.equal(customerOf('fe80::1%eth0'), customerOf('fe80::2'));
  t.equal(customerOf('::ffff:192.0.2.1'), customerOf('192.0.2.1'));
  t.not(customerOf('::ffff:192.0.2.1'), customerOf('::ffff:192.0.2.2'));
});

t.test('Visitors knows connections of one source to two addresses of the hub apart', async (t) => {
  let crowdCount = 0;
  const visitors = new Visitors(() => {
    crowdCount += 1;
  });
  const connection = (remotePort: number, localAddress: string): Socket =>
    Object.defineProperties(new Socket(), {
      remoteAddress: { value: '192.0.2.1' },
      remotePort: { value: remotePort },
      localAddress: { value: localAddress },
      localPort: { value: 443 },
    });
  const all = Array.from({ length: 32 }, (_, index) => [
    connection(1000 + index, '203.0.113.1'),
    connection(1000 + index, '203.0.113.2'),
  ]).flat();
  for (const one of all) visitors.add(one);
  t.equal(crowdCount, 0);
  visitors.add(connection(2000, '203.0.113.1'));
  t.equal(crowdCount, 1);
  t.same(
    all.map(({ destroyed }) => destroyed),
    all.map((_, index) => index === 0),
  );
  visitors.close();
  t.ok(all.every(({ destroyed }) => destroyed));
});
