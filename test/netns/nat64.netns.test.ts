/** A link that has IPv6 alone, as mobile networks give it, and a hub that has IPv4 alone: between them stands the network's translator (NAT64). */
import { once } from 'node:events';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import t, { type Test } from 'tap';
import type { Daemon } from '../support/daemon.ts';
import { startHomeAndHub } from '../support/home-hub.ts';
import { type Host, Lab, skipReason } from '../support/netns.ts';
import { port } from '../support/pair.ts';
import { until } from '../support/until.ts';

const skip = skipReason();
const options = skip === false ? {} : { skip };
t.setTimeout(300_000);
const hubAddress = '203.0.113.1';
/** As RFC 6052 writes it behind a prefix of 96 bits. */
const hubSuffix = 'cb00:7101';
const dns = 'fd64::53';

interface PathSeen {
  readonly condition?: string;
  readonly endpoint: string;
  readonly link: string;
}

interface World {
  readonly daemon: Daemon;
  readonly isThrough: () => Promise<boolean>;
  /** Gives the first link IPv4. */
  addIp4(): void;
}

async function spawnReady(host: Host, program: string, args: readonly string[]): Promise<void> {
  const file = path.join(import.meta.dirname, `../support/${program}.js`);
  const child = host.spawn(process.execPath, [file, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(child.stdout ?? child, 'data');
}

/** `links`: of the configuration; `fibre` has IPv4 and IPv6. `prefix`: of the translator, which the name server of `lte` tells. */
async function begin(t: Test, links: readonly string[], prefix: string, zone: object): Promise<World> {
  const lab = new Lab();
  t.teardown(() => lab.close());
  const [home, network, hub] = [lab.host('home'), lab.host('network'), lab.host('hub')];
  lab.join(home, network, { interfaces: ['lte', 'lte-end'], addresses: [['fd64::2/64'], ['fd64::1/64', `${dns}/64`]] });
  lab.join(network, hub, { addresses: [['198.18.1.1/24'], ['198.18.1.2/24']] });
  hub.ip(`address add ${hubAddress}/32 dev lo`);
  hub.ip('route add default via 198.18.1.1');
  network.ip(`route add ${hubAddress}/32 via 198.18.1.2`);
  network.ip(`address add ${prefix}${hubSuffix}/128 dev lo`);
  network.forward();
  home.ip('-6 route add default via fd64::1 dev lte metric 100');
  await spawnReady(network, 'nat64-program', [`${prefix}${hubSuffix}`, String(port), hubAddress]);
  await spawnReady(network, 'dns-program', [JSON.stringify(zone)]);
  const folder = `/etc/netns/${home.namespace}`;
  mkdirSync(folder, { recursive: true });
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  writeFileSync(path.join(folder, 'resolv.conf'), `nameserver ${dns}\n`);
  if (links.includes('fibre')) {
    lab.join(home, hub, { interfaces: ['fibre', 'fibre-end'], addresses: [['192.0.2.2/24'], ['192.0.2.1/24']] });
    home.ip('route add default via 192.0.2.1 dev fibre');
  }
  const { home: daemon, isThrough } = await startHomeAndHub(lab, home, hub, {
    endpoint: `${hubAddress}:${port}`,
    keepalive: '1s',
    links,
  });
  const addIp4 = (): void => {
    network.ip('address add 192.0.3.1/24 dev lte-end');
    home.ip('address add 192.0.3.2/24 dev lte');
    home.ip('route add default via 192.0.3.1 dev lte');
    hub.ip('route replace default via 198.18.1.1');
  };
  return { daemon, isThrough, addIp4 };
}

async function livePaths(daemon: Daemon): Promise<string[]> {
  const paths = await daemon.ask<PathSeen[]>('paths');
  return paths.flatMap(({ condition, endpoint, link }) => (condition === 'live' ? `${link} ${endpoint}` : [])).sort();
}

t.test(
  'a link of IPv6 alone reaches a hub of IPv4 by the prefix that most networks have, beside a link of IPv4',
  options,
  async (t) => {
    const { daemon, isThrough } = await begin(t, ['fibre', 'lte'], '64:ff9b::', {});
    await until('packets flow', isThrough);
    const both = [`fibre ${hubAddress}:${port}`, `lte [64:ff9b::${hubSuffix}]:${port}`];
    await until('both links carry', async () => (await livePaths(daemon)).length === 2);
    t.same(await livePaths(daemon), both);
  },
);

t.test('a host of IPv6 alone asks its name servers for the prefix; with IPv4 it needs none', options, async (t) => {
  // 2001:db8:64::/96 before 192.0.0.170.
  const zone = { 'ipv4only.arpa': { a: ['192.0.0.170'], aaaa: ['20010db80064000000000000c00000aa'] } };
  const { daemon, isThrough, addIp4 } = await begin(t, [], '2001:db8:64::', zone);
  await until('packets flow', isThrough);
  const translated = `default [2001:db8:64::${hubSuffix}]:${port}`;
  await until('its one path lives', async () => (await livePaths(daemon)).join() === translated);
  const endpoints = (await daemon.ask<PathSeen[]>('paths')).map(({ endpoint }) => endpoint);
  t.notOk(endpoints.includes(`${hubAddress}:${port}`), 'nothing is said of a path that nobody can take');
  addIp4();
  const direct = `default ${hubAddress}:${port}`;
  await until('it is reached by IPv4', async () => (await livePaths(daemon)).includes(direct));
  t.ok(await isThrough());
});
