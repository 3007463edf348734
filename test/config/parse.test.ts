import { readFileSync } from 'node:fs';
import path from 'node:path';
import fc from 'fast-check';
import t from 'tap';
import type { Config } from '../../src/config/config.ts';
import { configToInput, generateConfig } from '../../src/config/generate.ts';
import { formatKey } from '../../src/config/keys.ts';
import { loadConfig, type ParseResult, parseConfig } from '../../src/config/parse.ts';
import { ConfigError, formatProblem, nearest } from '../../src/config/problems.ts';
import { type ConfigInput, configJsonSchema } from '../../src/config/schema.ts';

const keyA = 'xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=';
const keyB = 'TrMvSoP4jYQlY6RIzBgbssQqY3vxI2Pi+y71lOWWXX0=';
const minimal = `
identity: { privateKeyFile: home.key }
tunnel: { addresses: [10.9.0.2/24] }
`;

function configOf(text: string, file = '/etc/hawser/home.yaml'): Config {
  const { config, problems } = parseConfig(text, file);
  if (config === undefined) throw new Error(problems.map((problem) => formatProblem(file, problem)).join('\n'));
  return config;
}

/** `line:column path message`, without the allowed values. */
function told(result: ParseResult): string[] {
  return result.problems.map(({ line, column, path, message }) => `${line}:${column} ${path} ${message}`);
}

t.test('parseConfig() fills in every default', async (t) => {
  t.strictSame(configOf(minimal), {
    name: 'home',
    identity: { privateKeyFile: '/etc/hawser/home.key' },
    tunnel: {
      interface: 'hawser0',
      addresses: [{ family: 4, addressHex: '0a090002', address: '10.9.0.2', prefix: 24 }],
      mtu: 1420,
    },
    links: [{ name: 'default', interface: undefined, priority: 0, rateBps: undefined }],
    listen: { udp: 0 },
    peers: [],
    runtime: {
      placement: 'dedicated',
      replayWindow: 65_536,
      restartLimit: 20,
      logLevel: 'info',
      runDirectory: '/run/hawser',
      stateDirectory: '/var/lib/hawser',
      sealedLogBytes: 33_554_432,
    },
    routing: { fwmark: 'auto', onExit: 'open' },
  });
});

t.test('parseConfig() takes the configuration that the documentation shows', async (t) => {
  const config = configOf(`
name: home
identity: { privateKeyFile: /etc/hawser/home.key }
tunnel: { interface: hawser0, addresses: [10.9.0.2/24, "fd00:9::2/64"], mtu: 1420 }
links:
  - { name: fibre, interface: eth0, priority: 0, rate: 50 }
listen: { udp: 51820 }
peers:
  - name: hub
    publicKey: "${keyA}"
    presharedKeyFile: hub.psk
    allowedIPs: [10.9.0.77/24, 10.9.0.0/24, "::/0"]
    endpoints: ["203.0.113.1:51820", "[2001:db8::1]:51820", "hub.example.net:51820"]
    keepalive: 25s
    cipher: aes-256-gcm
runtime: { placement: compact, sealedLog: 64MiB, replayWindow: 128 }
routing: { fwmark: 0x4857, onExit: closed }
`);
  t.strictSame(config.links, [{ name: 'fibre', interface: 'eth0', priority: 0, rateBps: 50_000_000 }]);
  const [peer] = config.peers;
  t.strictSame(
    peer?.allowedIPs.map(({ address, prefix }) => `${address}/${prefix}`),
    ['10.9.0.0/24', '::/0'],
    'host parts are masked, repeats dropped',
  );
  t.match(peer, { presharedKeyFile: '/etc/hawser/hub.psk', keepaliveMs: 25_000, cipher: 'aes-256-gcm' });
  t.strictSame(peer?.endpoints[1], { host: '2001:db8::1', port: 51_820 });
  t.match(config.routing, { fwmark: 0x4857, onExit: 'closed' });
  t.match(config.runtime, { placement: 'compact', sealedLogBytes: 64 * 1024 * 1024, replayWindow: 128 });
  t.ok(Object.isFrozen(config) && Object.isFrozen(config.peers) && Object.isFrozen(peer?.endpoints[0]));
});

t.test(
  'parseConfig() takes the example of docs/operating/configuration.md, which shows the true defaults',
  async (t) => {
    const text = readFileSync(path.resolve(import.meta.dirname, '../../../docs/operating/configuration.md'), 'utf8');
    const yaml = /```yaml\n(.*?)```/s.exec(text)?.[1] ?? '';
    const documented = configOf(yaml);
    const { runtime, routing, tunnel } = configOf(minimal);
    t.strictSame({ ...documented.runtime }, { ...runtime });
    t.strictSame(documented.routing, routing);
    t.match(documented.tunnel, { interface: tunnel.interface, mtu: tunnel.mtu });
    t.match(documented.links, [{ priority: 0, rateBps: undefined }]);
    t.match(documented.peers, [{ cipher: 'auto', keepaliveMs: 25_000 }]);
  },
);

t.test('parseConfig() names every problem at once, each at its place', async (t) => {
  const result = parseConfig(
    `name: home
identity: { privateKeyFil: /etc/hawser/home.key }
tunnel: { interface: hawser0123456789, addresses: [10.9.0.2/24, 10.9.0/33, 10.9.0.2/8], mtu: auto }
links:
  - { name: fibre, interface: eth0, prority: 0 }
  - { name: fibre, interface: eth0, priority: 300, rate: fast }
listen: { udp: "51820" }
peers:
  - name: hub
    publicKey: "abc"
    allowedIPs: [10.9.0.7/24]
    endpoints: [203.0.113.1, [2001:db8::1]:51820]
    keepalive: 25
  - name: hub
    name: 12
    publicKey: "${keyB}"
    allowedIPs: [10.9.0.0/24, 10.9.0.9/32]
    cipher: aes
  - name: other
    publicKey: "${keyB}"
runtime: { placement: compac, sealedLog: 33MiB, replayWindow: 100, runDirectory: run }
routing:
`,
    'home.yaml',
  );
  t.equal(result.config, undefined);
  t.strictSame(told(result), [
    '2:11 identity.privateKeyFile is missing',
    '2:13 identity.privateKeyFil unknown key "privateKeyFil"; did you mean "privateKeyFile"?',
    '3:22 tunnel.interface "hawser0123456789" is not an interface name of 1 to 15 bytes without spaces, "/", ":" and "%"',
    '3:65 tunnel.addresses[1] "10.9.0/33" is not an address with a prefix length',
    '3:76 tunnel.addresses[2] 10.9.0.2 stands in this list already',
    '3:94 tunnel.mtu "auto" is not available yet: write a number (1420 fits nearly every path, 1280 the narrow ones)',
    '5:37 links[0].prority unknown key "prority"; did you mean "priority"?',
    '6:13 links[1].name "fibre" stands in links[0] already: each needs its own name',
    '6:47 links[1].priority 300 is out of range',
    '6:58 links[1].rate "fast" is not auto or a number',
    '7:16 listen.udp "51820" is not a whole number',
    '10:16 peers[0].publicKey "abc" is not a public key: 32 bytes as canonical base64',
    '12:17 peers[0].endpoints[0] "203.0.113.1" is not an endpoint (host:port)',
    '12:30 peers[0].endpoints[1] {"[ 2001:db8::1 ]":51820} is not an endpoint (host:port): put it in quotes',
    '13:16 peers[0].keepalive 25 is not a duration of 100ms to 65535s, or off',
    '15:5  key "name" stands here a second time',
    '15:11 peers[1].name 12 is not a name of 1 to 32 letters, digits, "-" or "_": put it in quotes',
    '17:18 peers[1].allowedIPs[0] 10.9.0.0/24 overlaps with peers[0].allowedIPs: one prefix leads to one peer',
    '18:13 peers[1].cipher "aes" is not one of the allowed values',
    `20:16 peers[2].publicKey "${keyB}" stands in peers[1] already: each needs its own publicKey`,
    '21:23 runtime.placement "compac" is not one of the allowed values',
    '21:42 runtime.sealedLog "33MiB" is not a power of two from 1MiB to 1GiB',
    '21:63 runtime.replayWindow 100 is not a multiple of 64',
    '21:82 runtime.runDirectory "run" is not an absolute path',
    '22:9 routing has no value: write one, or remove the key',
  ]);
  const allowedAt = (path: string) => result.problems.find((problem) => problem.path === path)?.allowed;
  t.strictSame(allowedAt('peers[1].cipher'), ['auto', 'chacha20-poly1305', 'aes-256-gcm']);
  t.strictSame(allowedAt('links[1].priority'), ['0..255']);
  t.strictSame(allowedAt('links[1].rate'), ['auto', '0.1..400000']);
  t.strictSame(allowedAt('runtime.replayWindow'), ['64..1048576 in steps of 64']);
  t.strictSame(allowedAt('links[0].prority'), ['name', 'interface', 'priority', 'rate']);
});

t.test('parseConfig() names limits that follow from other keys', async (t) => {
  const narrow = `
identity: { privateKeyFile: k }
tunnel: { addresses: [10.9.0.2/24], mtu: 1200 }
peers: [{ name: a, publicKey: "${keyA}", allowedIPs: ["fd00::/8"] }]
runtime: { runDirectory: /${'r'.repeat(120)} }
`;
  t.strictSame(told(parseConfig(narrow, 'home.yaml')), [
    '3:42 tunnel.mtu 1200 is too small for IPv6 in the tunnel',
    "5:26 runtime.runDirectory makes the control socket's path 133 bytes long; the kernel takes 107: use a shorter folder",
  ]);
  t.strictSame(told(parseConfig(minimal, 'my home.yaml')), [
    '2:1 name is missing, and the file\'s base name "my home" is not a name of 1 to 32 letters, digits, "-" or "_"',
  ]);
  t.equal(configOf(narrow.replace('1200', '1280').replace(/runtime.*/, '')).tunnel.mtu, 1280);
});

t.test('parseConfig() says what is no YAML, no map, or nothing at all', async (t) => {
  t.match(told(parseConfig('tunnel: [1, 2\nname: x', 'a.yaml')), [/^\d+:\d+ {2}not YAML: /]);
  t.strictSame(told(parseConfig('- a\n- b\n', 'a.yaml')), ['1:1  the file is not a map of keys']);
  t.strictSame(told(parseConfig('', 'a.yaml')), ['1:1 identity is missing', '1:1 tunnel is missing']);
  t.throws(() => loadConfig('/nonexistent/home.yaml'), { code: 'CONFIG', message: /Cannot read the file: ENOENT/ });
  t.ok(new ConfigError('a.yaml', []) instanceof Error);
});

t.test('parseConfig() answers any text with problems, never with a throw', async (t) => {
  const bomb = [
    'a: &a [x, x]',
    ...'bcdefghij'.split('').map((c, i) => `${c}: &${c} [*${'abcdefghi'[i]}, *${'abcdefghi'[i]}]`),
  ];
  for (const text of [
    'name: &x [*x]',
    bomb.join('\n'),
    '[',
    '{',
    `a: ${'['.repeat(5000)}`,
    '*x',
    '!!binary x',
    '? [a]\n: b',
  ]) {
    t.ok(parseConfig(text, 'a.yaml').problems.length > 0, text.slice(0, 20));
  }
  const line = fc.constantFrom(
    'name: x',
    'tunnel: {',
    '}',
    'mtu: 1',
    '- a',
    '  b: [',
    ']',
    ': ',
    '&a',
    '*a',
    '"',
    '? x',
    '\t',
  );
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.array(line, { maxLength: 8 }).map((lines) => lines.join('\n')),
      ),
      (text) => {
        return parseConfig(text, 'a.yaml').problems.every((problem) => problem.line >= 1 && problem.column >= 1);
      },
    ),
    { numRuns: 300 },
  );
});

t.test('nearest() finds the key that was meant and offers none when nothing is near', async (t) => {
  const known = ['publicKey', 'presharedKeyFile', 'allowedIPs', 'endpoints', 'keepalive'];
  t.equal(nearest('allowedIps', known), 'allowedIPs');
  t.equal(nearest('endpoint', known), 'endpoints');
  t.equal(nearest('pulbicKey', known), 'publicKey');
  t.equal(nearest('presharedKey', known), 'presharedKeyFile');
  t.equal(nearest('mut', ['interface', 'mtu']), 'mtu', 'two neighbours swapped are one mistake');
  t.equal(nearest('colour', known), undefined);
});

t.test('configJsonSchema() knows every key with its default and is strict', async (t) => {
  const json = JSON.stringify(configJsonSchema());
  for (const key of ['privateKeyFile', 'allowedIPs', 'replayWindow', 'onExit', 'fwmark', 'placement', 'rate']) {
    t.ok(json.includes(`"${key}":{`), key);
  }
  t.match(configJsonSchema(), { additionalProperties: false, required: ['identity', 'tunnel'] });
});

const name = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9_-]{0,31}$/);
const cidr = fc.oneof(
  fc.tuple(fc.ipV4(), fc.nat(32)).map(([address, prefix]) => `${address}/${prefix}`),
  fc.tuple(fc.ipV6(), fc.nat(128)).map(([address, prefix]) => `${address}/${prefix}`),
);
const endpoint = fc.oneof(
  fc.tuple(fc.ipV4(), fc.integer({ min: 1, max: 65_535 })).map(([host, port]) => `${host}:${port}`),
  fc.tuple(fc.ipV6(), fc.integer({ min: 1, max: 65_535 })).map(([host, port]) => `[${host}]:${port}`),
);
const file = fc.stringMatching(/^[ -~]{1,20}$/);
const optional = <T>(values: Record<string, fc.Arbitrary<T>>) => fc.record(values, { requiredKeys: [] });
const peer = fc
  .record(
    {
      name,
      publicKey: fc.uint8Array({ minLength: 32, maxLength: 32 }).map(formatKey),
      presharedKeyFile: file,
      endpoints: fc.array(endpoint, { maxLength: 3 }),
      keepalive: fc.oneof(
        fc.constant('off'),
        fc.integer({ min: 100, max: 9_999_999 }).map((value) => `${value}ms`),
      ),
      cipher: fc.constantFrom('auto' as const, 'chacha20-poly1305' as const, 'aes-256-gcm' as const),
    },
    { requiredKeys: ['name', 'publicKey'] },
  )
  .chain((fields) => cidr.map((prefix) => ({ ...fields, allowedIPs: [prefix] })));
const input: fc.Arbitrary<ConfigInput> = fc.record(
  {
    name,
    identity: fc.record({ privateKeyFile: file }),
    tunnel: fc.record(
      {
        interface: fc.stringMatching(/^[a-z][a-z0-9.]{0,14}$/),
        addresses: fc.uniqueArray(cidr, { minLength: 1, maxLength: 3, selector: (text) => text.split('/')[0] }),
        mtu: fc.integer({ min: 1280, max: 65_456 }),
      },
      { requiredKeys: ['addresses'] },
    ),
    links: fc.uniqueArray(
      fc.record(
        {
          name,
          interface: fc.stringMatching(/^[a-z][a-z0-9]{0,14}$/),
          priority: fc.nat(255),
          rate: fc.oneof(fc.constant('auto' as const), fc.integer({ min: 1, max: 400_000 })),
        },
        { requiredKeys: ['name'] },
      ),
      { maxLength: 3, selector: (link) => link.name },
    ),
    listen: optional({ udp: fc.nat(65_535) }),
    // One peer: two random ones may claim one prefix, which is refused for good reason.
    peers: fc.array(peer, { maxLength: 1 }),
    runtime: optional({ replayWindow: fc.integer({ min: 1, max: 16_384 }).map((words) => words * 64) }),
    routing: optional({ fwmark: fc.integer({ min: 1, max: 0xffff_ffff }) }),
  },
  { requiredKeys: ['name', 'identity', 'tunnel'] },
);

t.test('generateConfig() writes what parseConfig() reads back, whatever is in it', async () => {
  fc.assert(
    fc.property(input, (value) => {
      const direct = configOf(JSON.stringify(value));
      const once = configOf(generateConfig(value));
      const twice = configOf(generateConfig(configToInput(once)));
      return JSON.stringify(once) === JSON.stringify(direct) && JSON.stringify(twice) === JSON.stringify(direct);
    }),
    { numRuns: 100 },
  );
});
