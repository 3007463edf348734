/** One end is killed and comes back without keys and without all it had written down: the other calls it, by each transport, without waiting for its next rekey. */
import { rmSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { Daemon } from '../support/daemon.ts';
import { generateKeys } from '../support/keys.ts';
import { type Host, Lab, skipReason } from '../support/netns.ts';
import { buildWire, inside, outside, port } from '../support/pair.ts';
import { ping } from '../support/traffic.ts';

const skip = skipReason();
const options = skip === false ? {} : { skip };
t.setTimeout(300_000);
t.jobs = 2;
/** KEEPALIVE_TIMEOUT + REKEY_TIMEOUT of the WireGuard paper, after which data that is not answered begins a handshake; and a machine that is busy. */
const patienceMs = 20_000;
/** Rare enough that nothing is under way when the other end dies: what is sent later waits, and never leaves. */
const rareMs = 4_000;

/** `listen` of the hub, and what the client calls it by. */
const ways = [
  { name: 'UDP', listen: { udp: port }, endpoint: `${outside.b4}:${port}` },
  { name: 'FakeTCP', listen: { udp: port, faketcp: port }, endpoint: `faketcp://${outside.b4}:${port}` },
  { name: 'TLS', listen: { udp: port, tls: 443 }, endpoint: `tls://${outside.b4}:443` },
] as const;

interface Ends {
  readonly lab: Lab;
  readonly hosts: { readonly a: Host; readonly b: Host };
  /** `a` knows where `b` is, and says nothing by itself. */
  readonly a: Daemon;
  readonly b: Daemon;
}

async function start(t: Test, { listen, endpoint }: (typeof ways)[number]): Promise<Ends> {
  const lab = new Lab();
  t.teardown(() => lab.close());
  const hosts = buildWire(lab);
  const [keysA, keysB] = [generateKeys(), generateKeys()];
  const a = new Daemon(lab, hosts.a, {
    keys: keysA,
    addresses: [`${inside.a4}/24`],
    port,
    peers: [{ name: 'b', publicKey: keysB.publicKey, allowedIPs: [`${inside.b4}/32`], endpoints: [endpoint] }],
  });
  const b = new Daemon(lab, hosts.b, {
    keys: keysB,
    addresses: [`${inside.b4}/24`],
    peers: [{ name: 'a', publicKey: keysA.publicKey, allowedIPs: [`${inside.a4}/32`] }],
    more: { listen },
  });
  await b.start();
  await a.start();
  for (let tries = 0; tries < 30; tries += 1) {
    const { received } = await ping(hosts.a, inside.b4, { count: 5, intervalMs: 200 });
    const [way] = await a.ask<{ readonly condition?: string }[]>('paths');
    if (received === 5 && way?.condition === 'live') return { lab, hosts, a, b };
  }
  throw new Error(`no path that lives:\n${a.log()}\n${b.log()}`);
}

/** Kills it, and starts it as one that knows nothing. */
async function forget(t: Test, { lab }: Ends, daemon: Daemon): Promise<void> {
  t.equal(await daemon.stop('SIGKILL'), 'SIGKILL');
  rmSync(path.join(lab.folder, daemon.name, 'state'), { recursive: true, force: true });
  await daemon.start();
}

/** Milliseconds until a ping from `host` is answered, one sent each `rareMs`; Infinity = not in time. */
async function answeredMs(host: Host, address: string): Promise<number> {
  const startMs = performance.now();
  const child = host.spawn('ping', ['-n', '-i', String(rareMs / 1000), address], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  let text = '';
  child.stdout?.on('data', (bytes: Buffer) => {
    text += bytes.toString();
  });
  while (!text.includes('bytes from') && performance.now() - startMs < patienceMs) await sleep(50);
  child.kill('SIGKILL');
  return text.includes('bytes from') ? performance.now() - startMs : Number.POSITIVE_INFINITY;
}

for (const way of ways) {
  t.test(`a hub that has lost its keys is called again by ${way.name}`, { ...options }, async (t) => {
    const ends = await start(t, way);
    await sleep(1_000);
    await forget(t, ends, ends.b);
    const ms = await answeredMs(ends.hosts.a, inside.b4);
    t.ok(ms < patienceMs, `${ms.toFixed(0)} ms after it was there again`);
    const [peer] = await ends.a.peers();
    t.match(peer, { state: 'connected' });
  });
}

t.test('a hub calls a client that has lost its keys and says nothing', { ...options }, async (t) => {
  const ends = await start(t, ways[0]);
  await sleep(1_000);
  await forget(t, ends, ends.a);
  const ms = await answeredMs(ends.hosts.b, inside.a4);
  t.ok(ms < patienceMs, `${ms.toFixed(0)} ms after it was there again`);
});
