/** AmneziaWG's obfuscation between two daemons: real packets, what an onlooker sees of them, reloads, and who wears another one. */
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { parse, stringify } from 'yaml';
import type { Explanation } from '../../src/control/explain.ts';
import type { PathStatus } from '../../src/control/network-rows.ts';
import { capture } from '../support/capture.ts';
import { type Daemon, sameMomentMs } from '../support/daemon.ts';
import { skipReason } from '../support/netns.ts';
import { buildPair, inside } from '../support/pair.ts';
import { ping, pull, push, serveTcp } from '../support/traffic.ts';

const skip = skipReason() || (spawnSync('tcpdump', ['--version']).error === undefined ? false : 'tcpdump is missing');
const options = skip === false ? {} : { skip };
t.setTimeout(120_000);

const worn = {
  ...{ jc: 4, jmin: 40, jmax: 70, s1: 15, s2: 33, s3: 7, s4: 16 },
  ...{ h1: '100-200', h2: '300-400', h3: 500, h4: '1000-2147483647' },
  i1: '<b 0xc0ffee><r 16><rd 4><rc 4><t>',
};

t.test('two daemons speak through all of it, and nobody sees WireGuard', options, async (t) => {
  const pair = buildPair({ more: { obfuscation: worn } });
  t.teardown(() => pair.lab.close());
  const onlooker = await capture(pair.lab, pair.ports[1]);
  await pair.b.start();
  await pair.a.start();
  const result = await ping(pair.hosts.a, inside.b4, { count: 10, intervalMs: 100 });
  t.ok(result.received >= 8, `${result.received} of 10 pings`);
  await serveTcp(pair.hosts.b, 7000);
  t.match(await pull(pair.hosts.a, inside.b4, 7000, 20e6), { isIntact: true });
  const [peer] = await pair.a.peers();
  t.match(peer, { state: 'connected', isHawser: true });
  // What stands before each packet is counted: probes of 1500 bytes are 1500 bytes long on the wire, and pass.
  for (const one of [pair.a, pair.b]) t.equal(await sizeOf(one), 1500);
  const seen = await onlooker.stop();
  t.ok(seen.length > 100, `${seen.length} packets`);
  const plain = seen.filter((bytes) => bytes.length >= 4 && bytes.readUInt32LE(0) >= 1 && bytes.readUInt32LE(0) <= 4);
  t.equal(plain.length, 0, "none begins with one of WireGuard's types");
  t.equal(seen[0]?.subarray(0, 3).toString('hex'), 'c0ffee', 'the signature comes first');
  t.match(seen[0]?.subarray(19, 27).toString('latin1'), /^\d{4}[A-Za-z]{4}$/);
  const junk = seen.slice(1, 5);
  t.ok(
    junk.every(({ length }) => length >= 40 && length <= 70),
    `junk of ${junk.map(({ length }) => length)} bytes`,
  );
  t.equal(seen[5]?.length, 148 + worn.s1);
  t.ok(seen.some(({ length }) => length === 92 + worn.s2));
});

/** How long packets its only path takes, once the search has found that it is 1500 or has had time to find out. */
async function sizeOf(daemon: Daemon): Promise<number | undefined> {
  const sizeNow = async () => (await daemon.ask<readonly PathStatus[]>('paths'))[0]?.mtu;
  for (let tries = 0; tries < 50 && (await sizeNow()) !== 1500; tries += 1) await sleep(100);
  return sizeNow();
}

/** The file says so from now on, and the daemon reads it. */
async function wear(daemon: Daemon, obfuscation: unknown): Promise<void> {
  const config = parse(readFileSync(daemon.configPath, 'utf8'));
  writeFileSync(daemon.configPath, stringify({ ...config, obfuscation }));
  await daemon.ask('reload');
}

t.test(
  'a reload to other values keeps the session; who differs gets no answer, and explain says why',
  options,
  async (t) => {
    const pair = buildPair({ more: { obfuscation: worn, runtime: { placement: 'dedicated' } } });
    t.teardown(() => pair.lab.close());
    await pair.b.start();
    await pair.a.start();
    const comes = async () => (await ping(pair.hosts.a, inside.b4, { count: 20, intervalMs: 100 })).received;
    t.ok((await comes()) > 10);
    const handshakeAtMs = await pair.a.handshakeAtMs();
    const startOf = async (role: string) => (await pair.a.actors()).find((one) => one.role === role)?.startedAtMs;
    const [sealer, manager, link] = await Promise.all(['sealer', 'session-manager', 'wan-link'].map(startOf));
    // Longer than what a veth of 1,500 bytes takes with the tunnel's 1,420.
    for (const one of [pair.a, pair.b]) await wear(one, { ...worn, s4: 100, h4: 7, h1: 9 });
    t.ok((await comes()) > 10);
    t.ok(Math.abs((await pair.a.handshakeAtMs()) - handshakeAtMs) < sameMomentMs, 'no new handshake');
    t.equal(await startOf('sealer'), sealer, 'the sealer runs on');
    t.equal(await startOf('session-manager'), manager, 'and so does the session-manager');
    t.not(await startOf('wan-link'), link, 'the carrier is another one');
    await serveTcp(pair.hosts.b, 7000);
    t.match(await pull(pair.hosts.a, inside.b4, 7000, 5e6), { isIntact: true });
    t.match(await push(pair.hosts.a, inside.b4, 7000, 5e6), { isIntact: true });
    await wear(pair.a, 'off');
    let told = '';
    for (let tries = 0; tries < 60 && !/obfuscation/.test(told); tries += 1) {
      await pair.a.ask('peer.rekey', { name: 'b' }).catch(() => undefined);
      await ping(pair.hosts.a, inside.b4, { count: 2, intervalMs: 200 });
      told = (await pair.b.ask<readonly Explanation[]>('explain')).map(({ text }) => text).join();
    }
    t.match(told, /Peer a calls with another obfuscation than is configured for it here, or with none/);
  },
);
