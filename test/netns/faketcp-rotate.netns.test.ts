/** FakeTCP's connections that are replaced by others from another port, and what is said by each first: two real daemons and an onlooker. */
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import type { PathStatus } from '../../src/control/network-rows.ts';
import { capture } from '../support/capture.ts';
import { Daemon } from '../support/daemon.ts';
import { echoFlows, pingUdp } from '../support/flows.ts';
import { generateKeys } from '../support/keys.ts';
import { Lab, skipReason } from '../support/netns.ts';
import { buildWire, inside, outside, port } from '../support/pair.ts';
import { echoUdp, ping, probe } from '../support/traffic.ts';

const skip = skipReason() || (spawnSync('tcpdump', ['--version']).error === undefined ? false : 'tcpdump is missing');
const options = skip === false ? {} : { skip };
t.setTimeout(120_000);
const echoPort = 7001;
/** The shortest that may be configured. */
const rotateSeconds = 10;
/** An inner packet that fits without timestamps (1500 less 20 + 20 + 32), and not with them (12 more). */
const innerBytes = 1420;
const greeting = Buffer.from('GET / HTTP/1.1\r\nHost: example.net\r\n\r\n');

/** `a` calls `b` by FakeTCP alone. */
function build(lab: Lab, faketcp: Readonly<Record<string, unknown>>) {
  const { a, b, ports } = buildWire(lab);
  const [keysA, keysB] = [generateKeys(), generateKeys()];
  const endpoints = [`faketcp://${outside.b4}:${port}`];
  return {
    ports,
    hosts: { a, b },
    a: new Daemon(lab, a, {
      keys: keysA,
      addresses: [`${inside.a4}/24`],
      peers: [{ name: 'b', publicKey: keysB.publicKey, allowedIPs: [`${inside.b4}/32`], endpoints, keepalive: '1s' }],
      more: { faketcp },
    }),
    b: new Daemon(lab, b, {
      keys: keysB,
      addresses: [`${inside.b4}/24`],
      port,
      peers: [{ name: 'a', publicKey: keysA.publicKey, allowedIPs: [`${inside.a4}/32`] }],
      more: { listen: { udp: port, faketcp: port } },
    }),
  };
}

t.test("a rotation loses nothing, and each connection begins with the packet of one's own", options, async (t) => {
  const lab = new Lab();
  t.teardown(() => lab.close());
  const handshakePacket = path.join(lab.folder, 'hello.bin');
  writeFileSync(handshakePacket, greeting);
  const pair = build(lab, { rotate: `${rotateSeconds}s`, handshakePacket });
  const onlooker = await capture(lab, pair.ports[1], 'tcp');
  await pair.b.start();
  await pair.a.start();
  t.ok((await ping(pair.hosts.a, inside.b4, { count: 10, intervalMs: 100 })).received > 0, pair.a.log());
  await echoUdp(pair.hosts.b, echoPort);
  const portOf = async () => (await pair.b.peers())[0]?.endpoint;
  const before = await portOf();
  // More than one life of a connection, so that it is replaced under way.
  const seen = await probe(pair.hosts.a, inside.b4, echoPort, { intervalMs: 5, seconds: rotateSeconds + 4 });
  t.equal(seen.received, seen.sent, `${seen.sent} datagrams, longest silence ${seen.maxGapMs} ms`);
  t.match(await portOf(), /^faketcp:\/\/10\.77\.0\.1:\d+$/);
  t.not(await portOf(), before, 'from another port');
  const payloads = (await onlooker.stop()).filter(({ length }) => length > 0);
  const greetings = payloads.filter((bytes) => bytes.equals(greeting));
  const opened = (await pair.a.actors()).map(({ counters }) => counters.faketcp_stack_opened_connections ?? 0);
  t.ok(greetings.length >= 2, `${greetings.length} first words`);
  t.equal(
    greetings.length,
    opened.reduce((sum, count) => sum + count, 0),
    'one for each connection',
  );
  t.ok(payloads[0]?.equals(greeting), 'before anything else');
});

for (const [style, isTold] of [
  ['linux', true],
  ['phantun', false],
] as const) {
  const what = isTold ? 'with timestamps 1420 bytes do not fit, and the sender is told' : 'without them they do';
  t.test(`what path sizes reckon with: ${what}`, options, async (t) => {
    const lab = new Lab();
    t.teardown(() => lab.close());
    const pair = build(lab, { style });
    await pair.b.start();
    await pair.a.start();
    t.ok((await ping(pair.hosts.a, inside.b4, { count: 10, intervalMs: 100 })).received > 0, pair.a.log());
    const sizes = async () => {
      const shown = await Promise.all([pair.a, pair.b].map((one) => one.ask<readonly PathStatus[]>('paths')));
      return shown.map(([only]) => only?.mtu);
    };
    for (let tries = 0; tries < 100 && (await sizes()).join() !== '1500,1500'; tries += 1) await sleep(100);
    t.same(await sizes(), [1500, 1500]);
    const shown = await Promise.all([pair.a, pair.b].map((one) => one.ask<readonly PathStatus[]>('paths')));
    t.same(
      shown.flat().map(({ refusedBytes }) => refusedBytes),
      [0, 0],
      'no probe was longer than the interface takes',
    );
    const echo = await echoFlows(pair.hosts.b, echoPort);
    await pingUdp(pair.hosts.a, inside.b4, echoPort, { intervalMs: 20, count: 20, bytes: innerBytes - 28 });
    echo.kill();
    t.equal(/\bmtu 1416\b/.test(pair.hosts.a.ip(`route get ${inside.b4}`)), isTold);
  });
}
