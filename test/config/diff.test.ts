import t from 'tap';
import { implicitLink } from '../../src/config/build-links.ts';
import type { Config } from '../../src/config/config.ts';
import { describeDiff, diffConfigs } from '../../src/config/diff.ts';
import { withLink, withoutLink } from '../../src/config/edit-links.ts';
import { parseConfig } from '../../src/config/parse.ts';

const keyA = 'xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=';
const keyB = 'TrMvSoP4jYQlY6RIzBgbssQqY3vxI2Pi+y71lOWWXX0=';

function configOf(text: string): Config {
  const { config, problems } = parseConfig(text, '/etc/hawser/wg0.yaml');
  if (config === undefined) throw new Error(JSON.stringify(problems));
  return config;
}

const base = `
identity: { privateKeyFile: home.key }
tunnel: { addresses: [10.9.0.2/24, "fd00:9::2/64"] }
links: [{ name: fibre, interface: eth0 }, { name: lte, interface: wwan0 }]
peers:
  - { name: hub, publicKey: "${keyA}", allowedIPs: [10.9.0.0/24, 10.8.0.0/24], endpoints: ["a:1", "b:2"] }
`;

t.test('diffConfigs() finds nothing between files that mean the same', async (t) => {
  const reordered = base
    .replace('[10.9.0.2/24, "fd00:9::2/64"]', '["FD00:9:0::2/64", 10.9.0.2/24]')
    .replace('[10.9.0.0/24, 10.8.0.0/24]', '[10.8.0.9/24, 10.9.0.0/24]')
    .replace(
      '[{ name: fibre, interface: eth0 }, { name: lte, interface: wwan0 }]',
      '[{ name: lte, interface: wwan0 }, { name: fibre, interface: eth0 }]',
    );
  const diff = diffConfigs(configOf(base), configOf(reordered));
  t.strictSame(describeDiff(diff), []);
  t.equal(diff.mtu, undefined);
});

t.test('diffConfigs() tells peers by key, links by name, and what needs a restart', async (t) => {
  const changed = base
    .replace('addresses: [10.9.0.2/24,', 'mtu: 1400, addresses: [10.9.0.3/24,')
    .replace('{ name: lte, interface: wwan0 }', '{ name: fibre2, interface: eth1 }')
    .replace('interface: eth0', 'interface: eth0, priority: 5, rate: 20, health: { targets: [192.0.2.1] }')
    .replace('name: hub', 'name: hub2')
    .replace('["a:1", "b:2"]', '["b:2", "a:1"]')
    .concat(`  - { name: new, publicKey: "${keyB}" }
listen: { udp: 7 }
routing: { onExit: closed }
bonding: { classes: { bulk: per-flow }, protect: [control, latency, dns, icmp] }
transports: { order: [udp] }
runtime: { logLevel: debug, sealedLog: 64MiB, shards: 2 }
`);
  const diff = diffConfigs(configOf(base), configOf(changed));
  t.match(diff.peers, {
    added: [{ name: 'new' }],
    removed: [],
    changed: [{ before: { name: 'hub' }, after: { name: 'hub2' }, fields: ['name', 'endpoints'] }],
  });
  t.strictSame(diff.needsRestart, ['runtime.shards', 'runtime.sealedLog']);
  t.strictSame(describeDiff(diff), [
    'peer new added',
    'peer hub2 changed: name, endpoints',
    'link fibre2 added',
    'link lte removed',
    'link fibre changed: priority, rateBps, health',
    'address 10.9.0.3/24 added',
    'address 10.9.0.2/24 removed',
    'tunnel.mtu changed from 1420 to 1400',
    'listen.udp changed from 0 to 7',
    'routing.onExit changed to closed',
    'bonding.classes changed',
    'transports.order changed to udp',
    'runtime.logLevel changed to debug',
    'runtime.shards changed in the file: restart the instance to apply it',
    'runtime.sealedLog changed in the file: restart the instance to apply it',
  ]);
  const ordered = (...order: readonly ('udp' | 'test')[]) => ({
    ...configOf(base),
    transports: { order, parallel: 'off' } as const,
  });
  t.match(diffConfigs(ordered('udp', 'test'), ordered('test', 'udp')).transports, { fields: ['order'] });
  const back = diffConfigs(configOf(changed), configOf(base));
  t.match(back.peers, { added: [], removed: [{ name: 'new' }] });
});

t.test('withLink() and withoutLink() hold to the limits of the file', async (t) => {
  const { links } = configOf(base);
  const more = withLink(links, { name: 'dsl', interface: 'ppp0', rate: 16 });
  t.match(
    more.map((one) => one.name),
    ['fibre', 'lte', 'dsl'],
  );
  t.match(more[2], { priority: 0, rateBps: 16_000_000, role: 'always', health: { method: 'off' } });
  t.throws(() => withLink(links, { name: 'lte' }), { code: 'LINK_EXISTS' });
  t.throws(() => withLink(links, { name: 'dsl', priority: 300, rol: 'x' }), {
    code: 'CONFIG',
    message: 'priority: 300 is out of range (allowed: 0..255); rol: unknown key "rol"; did you mean "role"?',
  });
  const many = Array.from({ length: 16 }, (_, index) => ({ ...implicitLink, name: `l${index}` }));
  t.throws(() => withLink(many, { name: 'one-more' }), { code: 'CONFIG', message: /16 links/ });
  t.strictSame(
    withoutLink(links, 'fibre').map((one) => one.name),
    ['lte'],
  );
  t.throws(() => withoutLink(links, 'dsl'), { code: 'NO_SUCH_LINK', message: /there are: fibre, lte/ });
  t.throws(() => withoutLink(withoutLink(links, 'lte'), 'fibre'), { code: 'LAST_LINK' });
});
