/** The section `server`: pools, endpoint, limits, and what of it does not fit the rest of the file. */
import t from 'tap';
import { configToInput, generateConfig } from '../../src/config/generate.ts';
import { type ParseResult, parseConfig } from '../../src/config/parse.ts';

const publicKey = 'xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=';

function parse(server: string, more = ''): ParseResult {
  const text = `identity: { privateKeyFile: hub.key }
tunnel: { addresses: [10.100.0.1/16, "fd00:100::1/64"] }
server: ${server}
${more}`;
  return parseConfig(text, '/etc/hawser/hub.yaml');
}

function told(result: ParseResult): string {
  return result.problems.map(({ path, message }) => `${path} ${message}`).join('\n');
}

t.test('server: defaults, and both families with an endpoint', async (t) => {
  t.match(parse('{ pool: 10.100.0.5/16 }').config?.server, {
    pool: { address: '10.100.0.0', prefix: 16 },
    pool6: undefined,
    endpoint: undefined,
    dns: [],
    limits: { clients: 1000, perClient: 5, perAddress: 10, idleMs: 300_000, sessionMs: 86_400_000 },
    client: { upBps: 100e6, downBps: 100e6, priority: 50 },
    quota: { dailyBytes: 10e9, monthlyBytes: 100e9, resetDay: 1, timezone: 'UTC', throttleBps: 0 },
    total: { upBps: 0, downBps: 0 },
    nat: { mode: 'off', connections: 4096, perClient: 0 },
    isolation: false,
    authorise: undefined,
  });
  const whole =
    '{ pool: 10.100.0.0/16, pool6: "fd00:100::/64", endpoint: "hub.example.net:443", dns: [10.100.0.1], limits: { clients: 5 } }';
  const { config, problems } = parse(whole);
  t.same(problems, []);
  t.match(config?.server, {
    endpoint: { host: 'hub.example.net', port: 443 },
    dns: ['10.100.0.1'],
    limits: { clients: 5 },
  });
  for (const [text, host, port] of [
    ['203.0.113.1', '203.0.113.1', undefined],
    ['2001:db8::1', '2001:db8::1', undefined],
    ['[2001:db8::1]:443', '2001:db8::1', 443],
  ] as const)
    t.match(parse(`{ pool: 10.100.0.0/16, endpoint: "${text}" }`).config?.server?.endpoint, { host, port });
});

t.test('server: what was parsed is written so that it parses to the same', async (t) => {
  const whole =
    '{ pool6: "fd00:100::/64", endpoint: "[2001:db8::1]:443", dns: ["fd00:100::1"], limits: { clients: 3, perAddress: off }, isolation: true, ' +
    'client: { up: 2.5, down: off, priority: 0, daily: 1.5TB, monthly: off, resetDay: 31, timezone: Europe/Berlin }, ' +
    'quota: { action: throttle 0.5 }, total: { down: 800 }, ' +
    'nat: { mode: masquerade, ipv6: route, addresses: [203.0.113.7, "2001:db8::7"], ports: 20000-30000, perClient: 512, connections: off, timeout: 2m } }';
  const { config } = parse(whole);
  if (config === undefined) throw new Error('no configuration');
  t.same(parseConfig(generateConfig(configToInput(config)), '/etc/hawser/hub.yaml').config?.server, config.server);
});

t.test('server: bad values are named', async (t) => {
  for (const [server, problem] of [
    ['{}', /no addresses for clients/],
    ['{ pool: 10.100.0.0/16, nat: { mode: on } }', /server\.nat\.mode/],
    ['{ pool: 10.100.0.0/16, nat: { ports: 9-1 } }', /server\.nat\.ports .*range of ports/],
    [
      '{ pool: 10.100.0.0/16, nat: { mode: masquerade, perClient: 256, addresses: [203.0.113.7] } }',
      /server\.nat\.perClient 256 makes 216 blocks of ports, and server\.limits allows 1000 clients, each/,
    ],
    ['{ pool: 10.100.0.0/16, isolation: yes }', /server\.isolation/],
    ['{ pool: 10.100.0.0/16, client: { up: 0 } }', /server\.client\.up/],
    ['{ pool: 10.100.0.0/16, client: { priority: 101 } }', /server\.client\.priority/],
    ['{ pool: 10.100.0.0/16, total: { down: -1 } }', /server\.total\.down/],
    ['{ pool: 10.100.0.0/16, client: { daily: 10 } }', /server\.client\.daily/],
    ['{ pool: 10.100.0.0/16, client: { daily: 1kB } }', /server\.client\.daily .*1MB to 1000TB/],
    ['{ pool: 10.100.0.0/16, client: { monthly: 0GB } }', /server\.client\.monthly/],
    ['{ pool: 10.100.0.0/16, client: { resetDay: 32 } }', /server\.client\.resetDay/],
    ['{ pool: 10.100.0.0/16, client: { timezone: Europe/Nowhere } }', /server\.client\.timezone .*IANA/],
    ['{ pool: 10.100.0.0/16, quota: { action: throttle } }', /server\.quota\.action .*throttle and a rate/],
    ['{ pool: 10.100.0.0/16, quota: { action: throttle 0 } }', /server\.quota\.action/],
    ['{ pool: 10.100.0.0 }', /server\.pool .*network of \/8 to \/30/],
    ['{ pool: 10.100.0.0/31 }', /server\.pool/],
    ['{ pool: 127.0.0.0/8 }', /server\.pool/],
    ['{ pool: 224.0.0.0/8 }', /server\.pool/],
    ['{ pool: "fd00::/64" }', /server\.pool/],
    ['{ pool6: 10.0.0.0/8 }', /server\.pool6/],
    ['{ pool6: "fe80::/64" }', /server\.pool6/],
    ['{ pool6: "ff00::/64" }', /server\.pool6/],
    ['{ pool: 10.100.0.0/16, limits: { clients: 0 } }', /server\.limits\.clients .*0/],
    ['{ pool: 10.100.0.0/16, limits: { idle: 1s } }', /server\.limits\.idle/],
    ['{ pool: 10.100.0.0/16, limits: { session: 24 } }', /server\.limits\.session/],
    ['{ pool: 10.100.0.0/16, limits: { clients: -1 } }', /server\.limits\.clients/],
    ['{ pool: 10.100.0.0/16, limits: { clients: 1.5 } }', /server\.limits\.clients/],
    ['{ pool: 10.100.0.0/16, endpoint: 10.100.9.9 }', /server\.endpoint 10\.100\.9\.9 lies in pool/],
    ['{ pool: 10.100.0.0/16, endpoint: "fe80::1" }', /server\.endpoint/],
    ['{ pool: 10.100.0.0/16, dns: [name.example] }', /server\.dns\[0\]/],
    ['{ pool: 10.100.0.0/16, colour: red }', /colour/],
  ] as const)
    t.match(told(parse(server)), problem, server);
});

t.test('server: pools beside the peers and addresses of the file', async (t) => {
  const peers = (allowed: string): string =>
    `peers: [{ name: site, publicKey: "${publicKey}", allowedIPs: [${allowed}] }]`;
  t.match(told(parse('{ pool: 10.100.0.0/16 }', peers('10.100.0.0/16'))), /server\.pool .*peers\[0\]\.allowedIPs/);
  t.equal(
    told(parse('{ pool: 10.100.0.0/16 }', peers('10.100.3.0/24, 0.0.0.0/0'))),
    '',
    'a hole, and what is around it',
  );
  const { problems } = parseConfig(
    'identity: { privateKeyFile: hub.key }\ntunnel: { addresses: [10.100.0.0/16] }\nserver: { pool: 10.100.0.0/16 }',
    'hub.yaml',
  );
  t.match(problems, [{ path: 'tunnel.addresses', message: /10\.100\.0\.0 is the network of server\.pool itself/ }]);
});

t.test('runtime.shards is a small number, and one where server.total is set', async (t) => {
  const shardsOf = (server: string, runtime: string) => parse(server, `runtime: { shards: ${runtime} }`);
  const pool = '{ pool: 10.100.0.0/16 }';
  const capped = '{ pool: 10.100.0.0/16, total: { down: 800 } }';
  t.equal(parse(pool).config?.runtime.shards, 'auto');
  t.equal(shardsOf(pool, '4').config?.runtime.shards, 4);
  for (const wrong of ['0', '5', '1.5', 'many']) t.match(told(shardsOf(pool, wrong)), /runtime\.shards/, wrong);
  t.match(told(shardsOf(capped, '2')), /runtime\.shards must be 1 \(or auto\) with server\.total/);
  for (const right of ['1', 'auto']) t.strictSame(shardsOf(capped, right).problems, []);
  t.strictSame(shardsOf('{ pool: 10.100.0.0/16, total: { down: off } }', '2').problems, []);
});
