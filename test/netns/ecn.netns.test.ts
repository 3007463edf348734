/** ECN through two hawsers (RFC 6040): what leaves bears the inner mark, what comes in passes its own on, and the sender hears of it. */
import { spawnSync } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import type { PathStatus } from '../../src/control/network-rows.ts';
import { type Host, skipReason } from '../support/netns.ts';
import { buildPair, inside, type Pair, port, startPair } from '../support/pair.ts';
import { ping, push, serveTcp } from '../support/traffic.ts';

function whySkip(): string | false {
  const reason = skipReason();
  if (reason !== false) return reason;
  return spawnSync('nft', ['--version']).error === undefined ? false : 'needs nft (apt-get install nftables)';
}

const skip = whySkip();
const options = skip === false ? {} : { skip };
t.setTimeout(300_000);

const counters = ['ect0', 'ce', 'af41'] as const;
type Counts = Record<(typeof counters)[number], number>;

/** Counts what passes a host by its IP header: `match` says what, `hook` where. */
function countMarks(host: Host, table: string, hook: string, match: string): () => Counts {
  const names = counters.map((name) => `counter ${name} {}`).join('; ');
  const rules = ['ip', 'ip6'].flatMap((family) => [
    `${match} ${family} ecn ect0 counter name ect0`,
    `${match} ${family} ecn ce counter name ce`,
    `${match} ${family} dscp af41 counter name af41`,
  ]);
  const chain = `chain c { type filter hook ${hook} priority 100; ${rules.join('; ')}; }`;
  host.run('nft', [`table inet ${table} { ${names}; ${chain}; }`]);
  return () => {
    const read = (name: string): [string, number] => {
      const text = host.run('nft', ['list', 'counter', 'inet', table, name]);
      return [name, Number(/packets (\d+)/.exec(text)?.[1])];
    };
    return Object.fromEntries(counters.map(read)) as Counts;
  };
}

/** How many of ten pings that may be marked are answered. */
async function pingEct0(host: Host, address: string): Promise<number> {
  return (await ping(host, address, { count: 10, trafficClass: 2 })).received;
}

/** Marks all that `a` sends to `b`, or every fiftieth that may be marked; returns a function that ends it. */
function markOnTheWay({ hosts }: Pair, which: 'all' | 'some'): () => void {
  const some = (family: string) => `${family} ecn ect0 numgen inc mod 50 0`;
  const rule = (family: string) =>
    `oifname "to-b" udp dport ${port} ${which === 'some' ? some(family) : ''} ${family} ecn set ce`;
  const chain = `chain c { type filter hook postrouting priority 0; ${rule('ip')}; ${rule('ip6')}; }`;
  hosts.a.run('nft', [`table inet marking { ${chain}; }`]);
  return () => hosts.a.run('nft', ['delete', 'table', 'inet', 'marking']);
}

for (const over of [4, 6] as const) {
  t.test(`marks pass through the tunnel in both directions of RFC 6040 over IPv${over}`, options, async (t) => {
    const pair = buildPair({ over });
    t.teardown(() => pair.lab.close());
    const { a, b } = pair.hosts;
    const outer = countMarks(a, 'outer', 'postrouting', `oifname "to-b" udp dport ${port}`);
    const inner = countMarks(b, 'inner', 'prerouting', 'iifname "hawser0"');
    await pair.b.start();
    await pair.a.start();
    t.ok((await ping(a, inside.b4, { count: 10, intervalMs: 100 })).received > 0);
    t.ok(outer().af41 > 0, 'handshakes bear AF41');
    t.ok((await pingEct0(a, inside.b4)) >= 9, 'pings of ECT(0) are answered');
    t.ok((await pingEct0(a, inside.b6)) >= 9, 'and in IPv6');
    // Both families': one alone is 10. Pings that waited together leave as one packet, to be cut by the device, and count once.
    t.ok(outer().ect0 >= 12, `${outer().ect0} packets left with ECT(0)`);
    t.match(outer(), { ce: 0 }, 'nothing is marked by itself');
    t.equal(inner().ce, 0);

    const before = inner();
    const stop = markOnTheWay(pair, 'all');
    t.ok((await pingEct0(a, inside.b4)) >= 9, 'marked pings are answered');
    t.ok((await pingEct0(a, inside.b6)) >= 9);
    t.ok(inner().ce - before.ce >= 20, `${inner().ce - before.ce} packets came in marked`);
    const plain = await ping(a, inside.b4, { count: 5, intervalMs: 20 });
    t.equal(plain.received, 0, 'what cannot bear a mark is dropped');
    const dropped = (await pair.b.actors()).find((actor) => actor.role === 'opener')?.counters;
    t.ok((dropped?.opener_unmarkable_packets ?? 0) >= 5, 'and counted');
    stop();
    t.ok((await ping(a, inside.b4, { count: 5, intervalMs: 50 })).received >= 4, 'until marking ends');
  });
}

t.test('a stream that is marked now and then arrives whole, and both ends know of the marks', options, async (t) => {
  const pair = await startPair({ rateMbit: 100 });
  t.teardown(() => pair.lab.close());
  const { a, b } = pair.hosts;
  for (const host of [a, b]) host.setSysctl('net.ipv4.tcp_ecn', '1');
  const inner = countMarks(b, 'inner', 'prerouting', 'iifname "hawser0"');
  // Of super-packets: each is cut into a run of one mark.
  markOnTheWay(pair, 'some');
  await serveTcp(b, 7000);
  t.match(await push(a, inside.b4, 7000, 10e6), { isIntact: true });
  t.ok(inner().ce > 0, `${inner().ce} packets came in marked`);
  let [sender, receiver]: [PathStatus | undefined, PathStatus | undefined] = [undefined, undefined];
  for (let tries = 0; tries < 40 && (sender?.markedPackets ?? 0) === 0; tries += 1) {
    await sleep(250);
    [sender] = await pair.a.ask<PathStatus[]>('paths');
    [receiver] = await pair.b.ask<PathStatus[]>('paths');
  }
  t.ok((receiver?.receivedMarkedPackets ?? 0) > 0, `${receiver?.receivedMarkedPackets} marked packets received`);
  t.ok((sender?.markedPackets ?? 0) > 0, `the sender knows of ${sender?.markedPackets}`);
});
