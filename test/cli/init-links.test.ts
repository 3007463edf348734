/** Which interfaces `hawser init` takes for links, from what the kernel would say, and the file it makes of them. */
import t from 'tap';
import { chooseInitLinks } from '../../src/cli/init-links.ts';
import { generateConfig } from '../../src/config/generate.ts';
import { parseConfig } from '../../src/config/parse.ts';
import { chooseCandidates } from '../../src/io/link-candidates.ts';
import type { AddressState } from '../../src/wire/rtnetlink-address.ts';
import type { LinkState } from '../../src/wire/rtnetlink-link.ts';

function link(index: number, name: string, more: Partial<LinkState> = {}): LinkState {
  return { index, name, mtu: 1500, up: true, running: true, kind: '', isLoopback: false, isPort: false, ...more };
}

function address(index: number, scope = 0): AddressState {
  return { family: 4, index, addressHex: 'c0000202', prefix: 24, scope, hasPrefixRoute: true };
}

/** A home with everything: two ways out, a cable to somewhere, Docker, other tunnels, a modem without a plan. */
const host = [
  link(1, 'lo', { isLoopback: true }),
  link(2, 'enp3s0.100', { kind: 'vlan' }),
  link(3, 'wwan0'),
  link(4, 'enp4s0'),
  link(5, 'docker0', { kind: 'bridge' }),
  link(6, 'veth1a2b', { kind: 'veth', isPort: true }),
  link(7, 'wg0', { kind: 'wireguard' }),
  link(8, 'hawser0', { kind: 'tun' }),
  link(9, 'wlan0', { running: false }),
  link(10, 'enp5s0'),
  link(11, 'eth7', { isPort: true }),
];
const addresses = [...[1, 2, 3, 4, 5, 6, 7, 8, 9, 11].map((index) => address(index)), address(10, 253)];

t.test(
  'chooseCandidates() takes what has a default route, then what has a carrier and an address, and no tunnel',
  async (t) => {
    const found = chooseCandidates(host, addresses, new Set([3, 2, 7, 11]));
    t.strictSame(found, [
      { interface: 'enp3s0.100', hasDefaultRoute: true },
      { interface: 'wwan0', hasDefaultRoute: true },
      { interface: 'enp4s0', hasDefaultRoute: false },
    ]);
    t.strictSame(chooseCandidates(host, addresses, new Set([5]))[0], { interface: 'docker0', hasDefaultRoute: true });
    t.strictSame(chooseCandidates([link(1, 'lo', { isLoopback: true })], [address(1)], new Set()), []);
  },
);

const input = {
  name: 'home',
  identity: { privateKeyFile: 'home.key' },
  tunnel: { interface: 'hawser0', addresses: ['10.9.0.2/24'], mtu: 'auto' },
  listen: { udp: 0 },
} as const;

/** The file of a host, and the same with the marks of its commented links taken away. */
function writeFor(role: 'server' | 'client', defaults: readonly number[]) {
  const links = chooseInitLinks(role, chooseCandidates(host, addresses, new Set(defaults)));
  const own = links.used.length === 0 ? {} : { links: [...links.used] };
  const yaml = generateConfig(
    { ...input, tunnel: { ...input.tunnel, addresses: ['10.9.0.2/24'] }, ...own },
    {},
    links.spare,
  );
  const uncommented = yaml.replace(/^# links:$/m, 'links:').replace(/^( *)# ?( *- \{ name)/gm, '$1$2');
  const read = (text: string) => {
    const { config, problems } = parseConfig(text, 'home.yaml');
    if (config === undefined) throw new Error(JSON.stringify(problems));
    return config.links.map(({ name, interface: device }) => `${name} ${device}`);
  };
  return { told: links.told, yaml, live: read(yaml), all: read(uncommented) };
}

t.test('init makes links of ways out, and comments that are right as they stand once uncommented', async (t) => {
  const client = writeFor('client', [2, 3]);
  t.strictSame(client.live, ['enp3s0-100 enp3s0.100', 'wwan0 wwan0']);
  t.strictSame(client.all, [...client.live, 'enp4s0 enp4s0'], client.yaml);
  t.strictSame(client.told, ['links: enp3s0.100, wwan0 (default route); as a comment: enp4s0 (no default route)']);
  t.match(client.yaml, /# - \{ name: "enp4s0", interface: "enp4s0" \} {2}# has a carrier and no default route now/);
});

t.test('init leaves links out where none leads out, and on a server, and offers what there is', async (t) => {
  for (const role of ['client', 'server'] as const) {
    const { live, all, told, yaml } = writeFor(role, role === 'server' ? [3] : []);
    t.strictSame(live, ['default undefined'], role);
    t.ok(all.includes('enp4s0 enp4s0'), yaml);
    t.match(told[0], role === 'server' ? /a server needs none.*wwan0, / : /none has a default route.*enp4s0/);
  }
  t.strictSame(chooseInitLinks('client', []), {
    used: [],
    spare: [],
    told: ['links: none found, so the routing of the kernel chooses'],
  });
});

t.test('init gives names to interfaces that have none of our form, each its own', async (t) => {
  const names = ['a.b', 'a-b', '..', '_x'].map((name) => ({ interface: name, hasDefaultRoute: true }));
  t.strictSame(
    chooseInitLinks('client', names).used.map(({ name }) => name),
    ['a-b', 'a-b-2', 'link', 'x'],
  );
});
