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
import { warningsOf } from '../../src/config/warnings.ts';

const keyA = 'xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=';
const keyB = 'TrMvSoP4jYQlY6RIzBgbssQqY3vxI2Pi+y71lOWWXX0=';
const minimal = `
identity: { privateKeyFile: home.key }
tunnel: { addresses: [10.9.0.2/24] }
`;

const defaultLink = {
  priority: 0,
  rateBps: undefined,
  weight: undefined,
  role: 'always',
  health: {
    method: 'off',
    targets: [],
    checks: [],
    need: 1,
    intervalMs: 200,
    failures: 3,
    successes: 3,
    degraded: { latencyMs: 200, lossPercent: 5 },
    down: { latencyMs: 500, jitterMs: 100, lossPercent: 20 },
  },
};

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
      fragment: 'auto',
      dns: undefined,
    },
    links: [{ ...defaultLink, name: 'default', interface: undefined }],
    listen: { udp: 0 },
    peers: [],
    server: undefined,
    bonding: {
      mode: 'adaptive',
      classes: {},
      reorderMs: 'auto',
      repair: 'auto',
      fec: 'off',
      failbackMs: 5000,
      protect: ['icmp', 'dns', 'latency', 'control'],
      suggestions: undefined,
    },
    transports: { order: [], parallel: 'off' },
    obfuscation: undefined,
    faketcp: { style: 'linux', rotateMs: 0, handshakePacket: undefined },
    tls: {
      certificate: undefined,
      key: undefined,
      site: undefined,
      proxy: undefined,
      proxyPasswordFile: undefined,
      serverName: undefined,
    },
    history: undefined,
    webhooks: [],
    plugins: [],
    api: undefined,
    runtime: {
      placement: 'auto',
      shards: 'auto',
      replayWindow: 65_536,
      restartLimit: 20,
      logLevel: 'info',
      logFormat: 'auto',
      runDirectory: '/run/hawser',
      stateDirectory: '/var/lib/hawser',
      sealedLogBytes: 33_554_432,
    },
    routing: { fwmark: 'auto', table: 'auto', onExit: 'open' },
    update: undefined,
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
  t.strictSame(config.links, [{ ...defaultLink, name: 'fibre', interface: 'eth0', rateBps: 50_000_000 }]);
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
    const { runtime, routing, tunnel, bonding } = configOf(minimal);
    t.strictSame({ ...documented.runtime }, { ...runtime });
    t.strictSame(documented.routing, routing);
    t.match(documented.tunnel, { interface: tunnel.interface, mtu: tunnel.mtu });
    t.strictSame(documented.bonding, bonding);
    const [link] = documented.links;
    const health = { ...defaultLink.health, method: 'auto', targets: link?.health.targets };
    t.strictSame(link, { ...defaultLink, name: 'fibre', interface: 'eth0', health });
    t.match(documented.peers, [{ cipher: 'auto', keepaliveMs: 25_000 }]);
  },
);

t.test('parseConfig() names every problem at once, each at its place', async (t) => {
  const result = parseConfig(
    `name: home
identity: { privateKeyFil: /etc/hawser/home.key }
tunnel: { interface: hawser0123456789, addresses: [10.9.0.2/24, 10.9.0/33, 10.9.0.2/8], mtu: most }
links:
  - { name: fibre, interface: eth0, prority: 0 }
  - { name: fibre, interface: eth0, priority: 300, rate: fast }
listen: { udp: "51820", test: 51821 }
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
    '3:94 tunnel.mtu "most" is not auto or a whole number',
    '5:37 links[0].prority unknown key "prority"; did you mean "priority"?',
    '6:13 links[1].name "fibre" stands in links[0] already: each needs its own name',
    '6:47 links[1].priority 300 is out of range',
    '6:58 links[1].rate "fast" is not auto or a number',
    '7:16 listen.udp "51820" is not a whole number',
    '7:25 listen.test unknown key "test"',
    '10:16 peers[0].publicKey "abc" is not a public key: 32 bytes as canonical base64',
    '12:17 peers[0].endpoints[0] "203.0.113.1" is not an endpoint (host:port)',
    '12:30 peers[0].endpoints[1] {"[ 2001:db8::1 ]":51820} is not an endpoint (host:port): put it in quotes',
    '13:16 peers[0].keepalive 25 is not a duration of 100ms to 65535s, or off',
    '15:5  key "name" stands here a second time',
    '15:11 peers[1].name 12 is not a name of 1 to 32 letters, digits, "-" or "_": put it in quotes',
    '17:18 peers[1].allowedIPs[0] 10.9.0.0/24 overlaps with peers[0].allowedIPs: one prefix leads to one peer',
    '18:13 peers[1].cipher "aes" is not one of the allowed values',
    `20:16 peers[2].publicKey "(hidden: it may be a key)" stands in peers[1] already: each needs its own publicKey`,
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
  t.strictSame(allowedAt('links[0].prority'), ['name', 'interface', 'priority', 'rate', 'weight', 'role', 'health']);
});

t.test('parseConfig() takes bonding and health with everything said', async (t) => {
  const { links, bonding, tunnel } = configOf(`${minimal}
bonding:
  { mode: weighted, classes: { latency: redundant, bulk: adaptive }, reorder: off, repair: off, fec: { data: 20 }, failback: 0s,
    protect: [dns, bulk, dns] }
links:
  - { name: lte, weight: 30, role: backup, health: { targets: [192.0.2.1, "http://[2001:db8::1]:8080/alive?x=1"] } }
  - { name: dsl, health: { method: dns, targets: ["dns://192.0.2.53/example.net"], interval: 1s, down: { loss: 50 } } }
  - { name: sat, health: { targets: [192.0.2.1], method: off } }
`);
  t.strictSame(bonding, {
    mode: 'weighted',
    classes: { latency: 'redundant', bulk: 'adaptive' },
    reorderMs: 0,
    repair: 'off',
    fec: { data: 20, parity: 3 },
    failbackMs: 0,
    protect: ['dns', 'bulk'],
    suggestions: undefined,
  });
  t.equal(tunnel.mtu, 1380, 'parity is longer than its data');
  const any = { method: undefined, host: '192.0.2.1', port: undefined, path: undefined };
  const web = { method: 'http', host: '2001:db8::1', port: 8080, path: '/alive?x=1' };
  t.match(links[0], { weight: 30, role: 'backup', health: { method: 'auto', targets: [any, web] } });
  t.match(links[1]?.health, { method: 'dns', intervalMs: 1000, down: { latencyMs: 500, lossPercent: 50 } });
  t.strictSame(links[1]?.health.targets, [{ method: 'dns', host: '192.0.2.53', port: undefined, path: 'example.net' }]);
  t.equal(links[2]?.health.method, 'off', 'targets alone do not overrule it');
});

t.test('parseConfig() takes the order of transports, and offers none that is for tests', async (t) => {
  const { transports } = configOf(`${minimal}\ntransports: { order: [udp, udp], parallel: spread }`);
  t.strictSame(transports, { order: ['udp'], parallel: 'spread' });
  t.strictSame(configOf(minimal).transports, { order: [], parallel: 'off' });
  const [problem] = parseConfig(`${minimal}\ntransports: { order: [test] }`, 'home.yaml').problems;
  t.match(problem, { path: 'transports.order[0]', message: /not one of the allowed values/ });
});

t.test('parseConfig() names what is wrong inside bonding and health', async (t) => {
  const text = `${minimal}
bonding: { mode: fast, classes: { bulk: slow }, reorder: 5s, fec: { data: 65, party: 2 }, failback: 5, protect: [tcp] }
links:
  - { name: a, weight: 0, role: spare, health: { method: icmp, interval: 50ms, failures: 0 } }
  - { name: b, health: { method: tcp, targets: ["ftp://x", "icmp://x:1", "https://x/", "x:443"], down: { los: 1 } } }
`;
  t.strictSame(told(parseConfig(text, 'home.yaml')), [
    '5:18 bonding.mode "fast" is not one of the allowed values',
    '5:41 bonding.classes.bulk "slow" is not one of the allowed values',
    '5:58 bonding.reorder "5s" is not auto, off or a duration of 1ms to 2s',
    '5:75 bonding.fec.data 65 is out of range',
    '5:79 bonding.fec.party unknown key "party"; did you mean "parity"?',
    '5:101 bonding.failback 5 is not a duration of 0s to 1h',
    '5:114 bonding.protect[0] "tcp" is not one of the allowed values',
    '7:24 links[0].weight 0 is out of range',
    '7:33 links[0].role "spare" is not one of the allowed values',
    '7:58 links[0].health.method "icmp" has nobody to ask: name hosts outside the tunnel in links[0].health.targets',
    '7:74 links[0].health.interval "50ms" is not a duration of 100ms to 5s',
    '7:90 links[0].health.failures 0 is out of range',
    '8:49 links[1].health.targets[0] "ftp://x" is not a target (host, host:port or method://host)',
    '8:60 links[1].health.targets[1] "icmp://x:1" is not a target (host, host:port or method://host)',
    '8:74 links[1].health.targets[2] "https://x/" is asked by https, and the method is tcp',
    '8:106 links[1].health.down.los unknown key "los"; did you mean "loss"?',
  ]);
  const only = (fec: string) => parseConfig(`${minimal}\nbonding: { fec: ${fec} }`, 'home.yaml').problems;
  t.match(only('on'), [{ path: 'bonding.fec', message: '"on" is not one of the allowed values or a map of keys' }]);
  t.match(only('{ parity: 0 }'), [{ path: 'bonding.fec.parity', allowed: ['1..16'] }]);
});

t.test('warningsOf() tells of an MTU that no link takes', async (t) => {
  const links = '\nlinks: [{ name: a, interface: eth0 }, { name: b, interface: ppp0 }]\n';
  const about = (mtus: Record<string, number>, mtu: string) =>
    warningsOf(configOf(minimal.replace('/24]', `/24], mtu: ${mtu}`) + links), (name) => mtus[name]).map(
      ({ message }) => message,
    );
  t.match(about({ eth0: 1400, ppp0: 1300 }, 'auto'), [
    /^1420 makes packets of 1480 bytes, and no link takes more than 1400 .*write 1340, or 1320/,
  ]);
  t.strictSame(about({ eth0: 1500, ppp0: 1300 }, 'auto'), [], 'one does');
  t.strictSame(about({ eth0: 1400 }, 'auto'), [], 'a link that is not there yet may');
  t.strictSame(about({ eth0: 1400, ppp0: 1300 }, '1340'), []);
});

t.test('warningsOf() tells of an API that other hosts reach without TLS', async (t) => {
  const warned = (api: string) =>
    warningsOf(configOf(`${minimal}api: ${api}\n`), () => undefined).filter(({ path }) => path === 'api.listen');
  for (const host of ['0.0.0.0', '"[::]', '192.0.2.1'])
    t.match(
      warned(`{ listen: ${host}:8474${host.startsWith('"') ? '"' : ''} }`),
      [{ message: /without TLS.*Add api\.tls.*127\.0\.0\.1/ }],
      host,
    );
  for (const host of ['127.0.0.1', '127.1.2.3', '10.9.0.2']) t.same(warned(`{ listen: ${host}:8474 }`), [], host);
  t.same(warned('{ listen: "[::1]:8474" }'), []);
  t.same(warned('{ listen: 0.0.0.0:8474, tls: { certificate: a, key: b } }'), []);
});

t.test('warningsOf() tells of an MTU that leaves no room for parity, and of probes that may go anywhere', async (t) => {
  const warned = (more: string) => warningsOf(configOf(more), () => undefined).map((warning) => warning.path);
  const wide = minimal.replace('/24]', '/24], mtu: 1420');
  t.strictSame(warned(wide), []);
  t.strictSame(warned(`${wide}bonding: { fec: auto }`), ['tunnel.mtu']);
  t.strictSame(warned(`${minimal}bonding: { fec: auto }`), []);
  const probed = 'health: { targets: [192.0.2.1] }';
  t.strictSame(warned(`${minimal}links: [{ name: a, ${probed} }]`), []);
  t.strictSame(warned(`${minimal}links: [{ name: a, ${probed} }, { name: b }]`), ['links[0].health']);
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

t.test('parseConfig() takes a link-local endpoint with the interface of a link', async (t) => {
  const text = (links: string): string => `identity: { privateKeyFile: home.key }
tunnel: { addresses: [10.9.0.2/24] }
${links}
peers:
  - { name: hub, publicKey: "${keyA}", endpoints: ["[fe80::1%eth0]:51820"] }
`;
  const zoned = { host: 'fe80::1', port: 51_820, zone: 'eth0' };
  for (const links of ['links: []', 'links: [{ name: lan, interface: eth0 }]', 'links: [{ name: any }]'])
    t.strictSame(configOf(text(links)).peers[0]?.endpoints, [zoned], links);
  const [problem] = parseConfig(text('links: [{ name: fibre, interface: eth1 }]'), 'home.yaml').problems;
  t.match(problem, {
    path: 'peers[0].endpoints[0]',
    message: /lies on eth0, and no link leaves by/,
    allowed: ['%eth1'],
  });
});

t.test('parseConfig() says what is no YAML, no map, or nothing at all', async (t) => {
  t.match(told(parseConfig('tunnel: [1, 2\nname: x', 'a.yaml')), [/^\d+:\d+ {2}not YAML: /]);
  t.strictSame(told(parseConfig('- a\n- b\n', 'a.yaml')), ['1:1  the file is not a map of keys']);
  t.strictSame(told(parseConfig('', 'a.yaml')), ['1:1 identity is missing', '1:1 tunnel is missing']);
  t.throws(() => loadConfig('/nonexistent/home.yaml'), { code: 'CONFIG', message: /Cannot read the file: ENOENT/ });
  t.ok(new ConfigError('a.yaml', []) instanceof Error);
});

t.test('parseConfig() says in one sentence what only an attacker or a broken program writes', async (t) => {
  const deep = '[1:101  not usable: brackets within more than 100 others]';
  for (const bracket of ['[', '{']) t.equal(`[${told(parseConfig(bracket.repeat(200_000), 'a.yaml'))}]`, deep);
  const closed = `a: "${']'.repeat(200_000)}"\nb: ${'['.repeat(200_000)}`;
  t.match(told(parseConfig(closed, 'a.yaml')), [/^2:104 {2}not usable: brackets within/]);
  const startMs = performance.now();
  parseConfig(`a:\n  b: ${'['.repeat(2_000_000)}`, 'a.yaml');
  t.ok(performance.now() - startMs < 2000, 'and does not read it to its end');
  t.match(told(parseConfig('a: &a\n  b: *a\n', 'a.yaml')), [
    '1:1  not usable: an alias stands within what it refers to',
  ]);
  const remarks = `${'# [[[[[[[[[[\n'.repeat(50)}a: 1`;
  t.notMatch(String(told(parseConfig(remarks, 'a.yaml'))), /brackets/);
  const all = parseConfig('name: x\n'.repeat(5000), 'a.yaml').problems;
  t.match(new ConfigError('a.yaml', all).message.split('\n'), { length: 101, 100: /^a\.yaml: and \d+ more problems$/ });
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
  for (const key of [
    'privateKeyFile',
    'allowedIPs',
    'replayWindow',
    'onExit',
    'fwmark',
    'placement',
    'rate',
    'fec',
    'protect',
    'targets',
  ]) {
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
  // A link-local one needs an interface, which has to be that of a link.
  fc
    .tuple(
      fc.ipV6().filter((host) => !/^fe[89ab]/.test(host)),
      fc.integer({ min: 1, max: 65_535 }),
    )
    .map(([host, port]) => `[${host}]:${port}`),
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
const target = fc.oneof(
  fc.constantFrom('192.0.2.1', '2001:db8::1', 'example.net', 'dns://192.0.2.1', 'dns://192.0.2.1:5353/a.example'),
  fc.constantFrom(
    'example.net:443',
    'icmp://[2001:db8::1]',
    'http://a/',
    'https://[2001:db8::1]:8443/a?b=c',
    'tcp://a:1',
  ),
);
const mode = fc.constantFrom('adaptive' as const, 'weighted' as const, 'redundant' as const);
const bonding = fc.record(
  {
    mode,
    classes: fc.record({ control: mode, latency: mode, bulk: mode }, { requiredKeys: [] }),
    reorder: fc.constantFrom('auto', 'off', '80ms'),
    fec: fc.oneof(
      fc.constantFrom('off' as const, 'auto' as const),
      fc.record({ data: fc.integer({ min: 1, max: 64 }), parity: fc.integer({ min: 1, max: 16 }) }),
    ),
    failback: fc.constantFrom('0s', '250ms', '1h'),
    protect: fc.uniqueArray(fc.constantFrom('icmp' as const, 'bulk' as const, 'control' as const)),
  },
  { requiredKeys: [] },
);
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
          weight: fc.integer({ min: 1, max: 1000 }),
          role: fc.constantFrom('always' as const, 'backup' as const, 'metered' as const),
          health: optional<string | number | string[]>({
            targets: fc.array(target, { maxLength: 2 }),
            interval: fc.constantFrom('100ms', '5s'),
            failures: fc.integer({ min: 1, max: 100 }),
          }) as fc.Arbitrary<{ targets?: string[]; interval?: string; failures?: number }>,
        },
        { requiredKeys: ['name'] },
      ),
      { maxLength: 3, selector: (link) => link.name },
    ),
    listen: optional({ udp: fc.nat(65_535) }),
    // One peer: two random ones may claim one prefix, which is refused for good reason.
    peers: fc.array(peer, { maxLength: 1 }),
    bonding,
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
