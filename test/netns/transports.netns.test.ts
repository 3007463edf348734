/** Two real daemons that reach each other over one link by two transports: which carries, and what happens when somebody blocks it. */
import { spawnSync } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import type { PathStatus } from '../../src/control/network-rows.ts';
import { skipReason } from '../support/netns.ts';
import { buildPair, inside, outside, type Pair, port } from '../support/pair.ts';
import { echoUdp, ping, probe } from '../support/traffic.ts';

const hasNft = spawnSync('nft', ['--version']).error === undefined;
const skip = skipReason() || (hasNft ? false : 'needs nft (apt-get install nftables)');
const options = skip === false ? {} : { skip };
t.setTimeout(300_000);
const patienceMs = 30_000;
const echoPort = 7001;
const testPort = port + 1;

/** Both ends listen by UDP and by `test`, and `a` knows `b` by both. */
async function start(): Promise<Pair> {
  const pair = buildPair({
    more: { listen: { udp: port, test: testPort }, bonding: { failback: '2s' } },
    peer: { keepalive: '1s' },
    endpoints: [`${outside.b4}:${port}`, `test://${outside.b4}:${testPort}`],
  });
  try {
    await pair.b.start();
    await pair.a.start();
    await until('both paths are proven', pair, async () => {
      await ping(pair.hosts.a, inside.b4, { count: 3, intervalMs: 50 });
      return (await carriers(pair)).length === 2 && (await carriers(pair, 'b')).length === 2;
    });
  } catch (error) {
    await pair.lab.close();
    throw error;
  }
  return pair;
}

async function paths(pair: Pair, end: 'a' | 'b' = 'a'): Promise<readonly PathStatus[]> {
  return pair[end].ask<readonly PathStatus[]>('paths');
}

/** `udp up`, `test standby`: of those that live. */
async function carriers(pair: Pair, end: 'a' | 'b' = 'a'): Promise<string[]> {
  const live = (await paths(pair, end)).filter(({ condition }) => condition === 'live');
  return live.map(({ transport, state }) => `${transport} ${state}`).sort();
}

async function until(what: string, pair: Pair, isSo: () => Promise<boolean>): Promise<void> {
  const endMs = performance.now() + patienceMs;
  while (!(await isSo())) {
    if (performance.now() > endMs) {
      const seen = JSON.stringify([await carriers(pair), await carriers(pair, 'b')]);
      throw new Error(`never: ${what}: ${seen}\n${pair.a.log()}\n${pair.b.log()}`);
    }
    await sleep(50);
  }
}

/** These ends send by this transport and by no other: each direction is judged by itself. */
function carries(pair: Pair, transport: string, ends: readonly ('a' | 'b')[] = ['a', 'b']): Promise<void> {
  return until(`${ends} send by ${transport}`, pair, async () => {
    const seen = await Promise.all(ends.map((end) => carriers(pair, end)));
    return seen.every((one) => one.filter((text) => text.endsWith(' up')).join() === `${transport} up`);
  });
}

/** Who notices that a direction is blocked: whoever sends in it. */
const senders = { out: ['a'], in: ['b'], both: ['a', 'b'] } as const;

/** Drops silently what goes to `b`'s UDP port, or comes from it; returns how to stop. */
function block({ hosts }: Pair, way: keyof typeof senders): () => void {
  const rule = (match: string) =>
    `table inet blocked { chain c { type filter hook prerouting priority -300; udp ${match} ${port} drop; }; }`;
  const blocked = [
    ...(way === 'in' ? [] : [{ host: hosts.b, text: rule('dport') }]),
    ...(way === 'out' ? [] : [{ host: hosts.a, text: rule('sport') }]),
  ];
  for (const { host, text } of blocked) host.run('nft', [text]);
  return () => {
    for (const { host } of blocked) host.run('nft', ['delete', 'table', 'inet', 'blocked']);
  };
}

t.test('one link has a path by each transport, and the preferred one carries', options, async (t) => {
  const pair = await start();
  t.teardown(() => pair.lab.close());
  await carries(pair, 'udp');
  t.same(await carriers(pair), ['test standby', 'udp up']);
  t.same((await paths(pair)).map(({ link, transport, endpoint }) => [link, transport, endpoint]).sort(), [
    ['default', 'test', `test://${outside.b4}:${testPort}`],
    ['default', 'udp', `${outside.b4}:${port}`],
  ]);
  const sent = async (transport: string) =>
    (await paths(pair)).find((one) => one.transport === transport)?.sentBytes ?? 0;
  let [byUdp, byTest] = [0, Number.POSITIVE_INFINITY];
  // At first rate and size of a path are found out, by trains of long probes.
  for (let tries = 0; tries < 5 && byTest >= 25 * 84; tries += 1) {
    const [udp, test] = [await sent('udp'), await sent('test')];
    t.equal((await ping(pair.hosts.a, inside.b4, { count: 50, intervalMs: 20 })).received, 50);
    [byUdp, byTest] = [(await sent('udp')) - udp, (await sent('test')) - test];
  }
  t.ok(byUdp > 50 * 84, `${byUdp} bytes by UDP`);
  t.ok(byTest < 25 * 84, `the other carries probes alone: ${byTest} bytes`);
  const shown = await pair.a.cli('paths', '--wide');
  t.match(shown.stdout, /default\/test +standby|default\/test +live/);
  t.match(shown.stdout, /test:\/\/10\.77\.0\.2:51821/);
  t.match(pair.a.log(), /path-up: .*test:\/\/10\.77\.0\.2:51821/);
});

t.test('what is blocked silently leaves its data to the other transport, and takes it back', options, async (t) => {
  const pair = await start();
  t.teardown(() => pair.lab.close());
  const { a, b } = pair.hosts;
  await echoUdp(b, echoPort);
  for (const way of ['out', 'in', 'both'] as const) {
    await carries(pair, 'udp');
    const answers = probe(a, inside.b4, echoPort, { intervalMs: 10, seconds: 4 });
    await sleep(1000);
    const unblock = block(pair, way);
    await carries(pair, 'test', senders[way]);
    const { maxGapMs, sent, received } = await answers;
    // A path is in doubt after three probes that nobody answers at the latest.
    t.ok(
      maxGapMs < 2500 && received > sent * 0.5,
      `blocked ${way}: gap ${maxGapMs} ms, ${received} of ${sent} answers`,
    );
    unblock();
    await carries(pair, 'udp');
    t.equal((await ping(a, inside.b4, { count: 20, intervalMs: 20 })).received, 20, 'back on UDP');
  }
  const log = pair.a.log();
  t.match(log, /transport-failover: peer=b link=default from=udp to=test/);
  t.match(log, /transport-failback: peer=b link=default from=test to=udp/);
});

t.test('a stall that silences all transports of a link moves nothing', options, async (t) => {
  const pair = await start();
  t.teardown(() => pair.lab.close());
  const { a, b } = pair.hosts;
  await echoUdp(b, echoPort);
  await carries(pair, 'udp');
  const answers = probe(a, inside.b4, echoPort, { intervalMs: 10, seconds: 5 });
  const rule = `table inet stall { chain c { type filter hook prerouting priority -300; udp dport { ${port}, ${testPort} } drop; }; }`;
  for (let stall = 0; stall < 3; stall += 1) {
    await sleep(900);
    for (const host of [a, b]) host.run('nft', [rule]);
    await sleep(300);
    for (const host of [a, b]) host.run('nft', ['delete', 'table', 'inet', 'stall']);
  }
  t.notMatch(pair.a.log() + pair.b.log(), /transport-failover/);
  const { maxGapMs } = await answers;
  t.ok(maxGapMs > 250, `a stall of ${maxGapMs} ms`);
  await carries(pair, 'udp');
});

t.test('a peer is called and answers by another transport when UDP never worked', options, async (t) => {
  const pair = buildPair({
    more: { listen: { udp: port, test: testPort } },
    endpoints: [`${outside.b4}:${port}`, `test://${outside.b4}:${testPort}`],
  });
  t.teardown(() => pair.lab.close());
  block(pair, 'both');
  await pair.b.start();
  await pair.a.start();
  t.ok((await ping(pair.hosts.a, inside.b4, { count: 20, intervalMs: 100 })).received > 0);
  await until('test carries', pair, async () => (await carriers(pair)).join() === 'test up');
  const [peer] = await pair.b.peers();
  t.match(peer, { transport: 'test', endpoint: /^test:\/\/10\.77\.0\.1:/ });
});
