import t from 'tap';
import { natFindings } from '../../src/config/nat-checks.ts';
import { blocksOf, buildNat, formatForward, natSchema, parseForward } from '../../src/config/nat-schema.ts';

t.test('natSchema has the defaults of the documentation', async (t) => {
  t.same(buildNat(natSchema.parse({})), {
    mode: 'off',
    ipv6: 'auto',
    addresses: [],
    ports: { first: 10_000, last: 65_535 },
    perClient: 0,
    connections: 4096,
    timeoutMs: 300_000,
  });
});

t.test('natSchema refuses what cannot be', async (t) => {
  const wrong = [
    { ports: '65535-10000' },
    { ports: '0-100' },
    { ports: '10000-65536' },
    { ports: 10_000 },
    { perClient: 0 },
    { timeout: '1500ms' },
    { timeout: '0s' },
    { timeout: 300 },
    { addresses: ['203.0.113.0/24'] },
    { addresses: ['0.0.0.0'] },
    { mode: 'on' },
    { unknown: 1 },
  ];
  for (const one of wrong) t.notOk(natSchema.safeParse(one).success, JSON.stringify(one));
});

t.test('blocksOf() says how many clients there are ports for', async (t) => {
  const nat = buildNat(natSchema.parse({ mode: 'masquerade', perClient: 256, addresses: ['203.0.113.7'] }));
  t.equal(blocksOf(nat), 216);
  t.equal(blocksOf({ ...nat, perClient: 0 }), undefined);
});

t.test('parseForward() takes a port, or two, and a protocol', async (t) => {
  t.same(parseForward('443:8443/tcp'), { protocol: 'tcp', port: 443, to: 8443 });
  t.same(parseForward('53/udp'), { protocol: 'udp', port: 53, to: 53 });
  for (const text of ['443', '443:/tcp', '0:1/tcp', '1:65536/udp', '1:2/icmp', '1-2/tcp', ' 1/tcp'])
    t.equal(parseForward(text), undefined, text);
  t.equal(formatForward({ protocol: 'tcp', port: 443, to: 8443 }), '443:8443/tcp');
  t.equal(formatForward({ protocol: 'udp', port: 53, to: 53 }), '53/udp');
});

t.test('natFindings() compares blocks with clients, and addresses with pools', async (t) => {
  const nat = { mode: 'masquerade', perClient: 256, addresses: ['203.0.113.7'] };
  const told = (server: object) =>
    natFindings(server as Readonly<Record<string, unknown>>).map(
      ({ path, message }) => `${path.join('.')}: ${message}`,
    );
  t.match(told({ nat }), [
    /^server\.nat\.perClient: 256 makes 216 blocks of ports, and server\.limits allows 1000 clients, each/,
  ]);
  t.same(told({ nat, limits: { clients: 216, perClient: 5 } }), []);
  t.match(told({ nat, limits: { clients: 217, perClient: 5 } }), [/217/]);
  t.match(told({ nat: { ...nat, addresses: [] }, limits: { clients: 10 } }), [/needs the IPv4 address/]);
  t.match(told({ pool: '10.100.0.0/16', nat: { mode: 'masquerade', addresses: ['10.100.3.4'] } }), [
    /^server\.nat\.addresses\.0: 10\.100\.3\.4 lies in a pool/,
  ]);
  t.same(told({ nat: { ...nat, mode: 'off' } }), []);
  t.same(told({ nat: { perClient: 'nonsense' } }), [], 'the schema says it');
});
