/** A host that chooses tables by source address, in both families: what leaves by a link carries an address of that link, always. */
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { Daemon } from '../support/daemon.ts';
import { generateKeys } from '../support/keys.ts';
import { type Host, Lab, skipReason } from '../support/netns.ts';
import { inside, port } from '../support/pair.ts';
import { ping } from '../support/traffic.ts';

const skip = skipReason();
const options = skip === false ? {} : { skip };
t.setTimeout(600_000);
const dnsProgram = path.join(import.meta.dirname, '../support/dns-program.js');
const hub = { v4: '203.0.113.1', v6: '2001:db8:b::1', dns: '203.0.114.53' } as const;

/** Counts what leaves a link with another source than `own` (nftables' sets), and what leaves it at all. */
function watchSources(host: Host, link: string, own4: string, own6: string): void {
  const table = `inet sources_${link}`;
  const rule = (match: string, comment: string): string =>
    `add rule ${table} out oifname "${link}" ${match} counter comment "${comment}"`;
  const script = [
    `add table ${table}`,
    `add chain ${table} out { type filter hook postrouting priority 300; }`,
    rule('', 'all'),
    rule(`ip saddr != { ${own4} }`, 'strange'),
    rule(`ip6 saddr != { ${own6}, fe80::/10, :: }`, 'strange'),
  ];
  for (const line of script) host.run('nft', [line]);
}

/** Packets counted under a comment, of all links. */
function counted(host: Host, comment: string): number {
  const lines = host.run('nft', ['list', 'ruleset']).split('\n');
  const counts = lines
    .filter((line) => line.includes(`comment "${comment}"`))
    .map((line) => /packets (\d+)/.exec(line));
  return counts.reduce((sum, count) => sum + Number(count?.[1] ?? Number.NaN), 0);
}

async function livePaths(daemon: Daemon, count: number): Promise<string[]> {
  let live: string[] = [];
  for (let tries = 0; tries < 40; tries += 1) {
    const paths = await daemon.ask<{ condition?: string; endpoint: string; link: string }[]>('paths');
    live = paths.flatMap(({ condition, endpoint, link }) => (condition === 'live' ? `${link} ${endpoint}` : []));
    if (live.length >= count) break;
    await sleep(200);
  }
  return live.sort();
}

for (const family of [4, 6] as const)
  t.test(
    `IPv${family}, tables by source: each link has its own, for data, probes, calls and names, also renumbered`,
    options,
    async (t) => {
      const lab = new Lab();
      t.teardown(() => lab.close());
      const [a, b, servers] = [lab.host('a'), lab.host('b'), lab.host('servers')];
      for (const n of [1, 2]) {
        const name = `wan${n}`;
        const addresses: [string[], string[]] = [
          [`198.18.${n}.1/24`, `fd18:${n}::1/64`],
          [`198.18.${n}.2/24`, `fd18:${n}::2/64`],
        ];
        lab.join(a, b, { interfaces: [name, name], addresses });
        // Nothing in the main table: without a source that goes with the link nothing leads anywhere.
        a.ip(`route add default via 198.18.${n}.2 dev ${name} table 10${n}`);
        a.ip(`-6 route add default via fd18:${n}::2 dev ${name} table 10${n}`);
        a.ip(`rule add from 198.18.${n}.1 lookup 10${n}`);
        a.ip(`-6 rule add from fd18:${n}::1 lookup 10${n}`);
        watchSources(a, name, `198.18.${n}.1, 198.18.${n}.7`, `fd18:${n}::1, fd18:${n}::7`);
      }
      for (const address of [hub.v4, hub.v6]) b.ip(`address add ${address} dev lo`);
      lab.join(b, servers, { addresses: [['203.0.114.1/24'], [`${hub.dns}/24`]] });
      servers.ip('route add default via 203.0.114.1');
      b.forward();
      const zone = {
        'hub4.example.net': { a: [hub.v4] }, // IPv6 addresses are hexadecimal there.
        'hub6.example.net': { aaaa: ['20010db8000b00000000000000000001'] },
      };
      const names = servers.spawn(process.execPath, [dnsProgram, JSON.stringify(zone)], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      await once(names.stdout ?? names, 'data');
      mkdirSync(`/etc/netns/${a.namespace}`, { recursive: true });
      writeFileSync(`/etc/netns/${a.namespace}/resolv.conf`, `nameserver ${hub.dns}\n`);
      const [keysA, keysB] = [generateKeys(), generateKeys()];
      const daemonB = new Daemon(lab, b, {
        keys: keysB,
        addresses: [`${inside.b4}/24`, `${inside.b6}/64`],
        port,
        peers: [{ name: 'a', publicKey: keysA.publicKey, allowedIPs: [`${inside.a4}/32`, `${inside.a6}/128`] }],
      });
      const hubPeer = {
        name: 'b',
        publicKey: keysB.publicKey,
        allowedIPs: ['10.9.0.0/24', 'fd09::/64'],
        keepalive: '1s',
      };
      const health = { targets: [family === 4 ? hub.v4 : hub.v6], method: 'icmp', interval: '500ms' };
      const daemonA = new Daemon(lab, a, {
        keys: keysA,
        addresses: [`${inside.a4}/24`, `${inside.a6}/64`],
        peers: [{ ...hubPeer, endpoints: [`hub${family}.example.net:${port}`] }],
        more: { links: ['wan1', 'wan2'].map((name) => ({ name, interface: name, health })) },
      });
      await daemonB.start();
      await daemonA.start();
      for (const address of [inside.b4, inside.b6])
        t.ok((await ping(a, address, { count: 20, intervalMs: 100 })).received >= 5, address);
      const endpoint = family === 4 ? `${hub.v4}:${port}` : `[${hub.v6}]:${port}`;
      const both = [`wan1 ${endpoint}`, `wan2 ${endpoint}`];
      t.same(await livePaths(daemonA, 2), both);
      for (let tries = 0; tries < 50; tries += 1) {
        const health = await daemonA.ask<{ state: string }[]>('health');
        if (health.every(({ state }) => state === 'up')) break;
        await sleep(200);
      }
      t.match(await daemonA.ask('health'), [{ state: 'up' }, { state: 'up' }], 'the probes of both links are answered');

      const traffic = ping(a, inside.b4, { count: 600, intervalMs: 10 });
      await sleep(1000);
      a.ip('address del 198.18.1.1/24 dev wan1');
      a.ip('-6 address del fd18:1::1/64 dev wan1');
      await sleep(1500);
      a.ip('address add 198.18.1.7/24 dev wan1');
      a.ip('-6 address add fd18:1::7/64 dev wan1 nodad');
      a.ip('route replace default via 198.18.1.2 dev wan1 table 101');
      a.ip('-6 route replace default via fd18:1::2 dev wan1 table 101');
      a.ip('rule add from 198.18.1.7 lookup 101');
      a.ip('-6 rule add from fd18:1::7 lookup 101');
      const { received } = await traffic;
      t.ok(received >= 300, `${received} of 600 pings while a link was renumbered`);
      t.same(await livePaths(daemonA, 2), both, 'the renumbered link serves again');
      t.ok(counted(a, 'all') > 500, 'the counters count');
      t.equal(counted(a, 'strange'), 0, 'no packet left a link with an address that is not its own');
    },
  );
