import t from 'tap';
import { natLines } from '../../src/cli/nat.ts';
import { parseCidr } from '../../src/config/address.ts';
import { type NatInfo, natStatusOf } from '../../src/control/nat-rows.ts';
import type { Connection } from '../../src/wire/conntrack.ts';

const pool = parseCidr('10.100.0.0/16');
const info: NatInfo = {
  masquerade: { 4: true, 6: false },
  isolation: true,
  pools: pool === undefined ? [] : [pool],
  addresses: ['203.0.113.7'],
  ports: { first: 10_000, last: 65_535 },
  perClient: 256,
  limit: 256,
  timeoutSeconds: 300,
  refused: 12,
  leases: [
    { name: 'a', ipv4: '10.100.0.2', block: { address: '203.0.113.7', first: 10_000, last: 10_255 } },
    { name: 'c', ipv4: '10.100.0.3', forwards: [{ protocol: 'tcp', port: 443, to: 8443 }] },
  ],
};

const hex = { a: '0a640002', c: '0a640003', out: 'cb007109', hub: 'cb007107' } as const;
const connection: Connection = {
  protocol: 17,
  original: { sourceHex: hex.a, destinationHex: hex.out, sourcePort: 5000, destinationPort: 53 },
  reply: { sourceHex: hex.out, destinationHex: hex.hub, sourcePort: 53, destinationPort: 10_001 },
  hasReply: true,
  isSourceTranslated: true,
  isDestinationTranslated: false,
  state: undefined,
  timeoutSeconds: 60,
  sentBytes: 100,
  receivedBytes: 900,
  packets: 2,
  startedMs: 1_000_000,
};
const inward: Connection = {
  ...connection,
  protocol: 6,
  state: 'established',
  original: { sourceHex: hex.out, destinationHex: hex.hub, sourcePort: 6000, destinationPort: 443 },
  reply: { sourceHex: hex.c, destinationHex: hex.out, sourcePort: 8443, destinationPort: 6000 },
  isSourceTranslated: false,
  isDestinationTranslated: true,
  startedMs: undefined,
};
const untranslated: Connection = { ...connection, isSourceTranslated: false };
const view = { info, connections: [connection, inward, untranslated], host: { used: 3, most: 100 } };

t.test('natStatusOf() sees connections from the client, whoever began them', async (t) => {
  const { mappings, leases } = natStatusOf(view, 1_005_000, { mappings: true });
  t.same(mappings, [
    {
      client: 'a',
      protocol: 'udp',
      direction: 'out',
      inside: '10.100.0.2:5000',
      outside: '203.0.113.7:10001',
      remote: '203.0.113.9:53',
      state: 'replied',
      sentBytes: 100,
      receivedBytes: 900,
      ageMs: 5000,
      expiresMs: 60_000,
    },
    {
      client: 'c',
      protocol: 'tcp',
      direction: 'in',
      inside: '10.100.0.3:8443',
      outside: '203.0.113.7:443',
      remote: '203.0.113.9:6000',
      state: 'established',
      sentBytes: 900,
      receivedBytes: 100,
      ageMs: undefined,
      expiresMs: 60_000,
    },
  ]);
  t.match(leases, [
    { client: 'a', block: '203.0.113.7:10000-10255', mappings: 1, sentBytes: 100 },
    { client: 'c', forwards: ['443:8443/tcp'], mappings: 1, sentBytes: 900 },
  ]);
});

t.test('natStatusOf() narrows to a client, leaves mappings out, and says when nothing is translated', async (t) => {
  const one = natStatusOf(view, 0, { mappings: true, client: 'c' });
  t.same([one.leases.map(({ client }) => client), one.mappings?.map(({ client }) => client)], [['c'], ['c']]);
  t.equal(natStatusOf(view, 0, { mappings: false }).mappings, undefined);
  const none = natStatusOf(undefined, 0, { mappings: true });
  t.equal(none.isOn, false);
  t.match(natLines(none), [/not translated/]);
});

t.test('natLines() prints what a person asks', async (t) => {
  const text = natLines(natStatusOf(view, 1_005_000, { mappings: true })).join('\n');
  t.match(text, /IPv4 masquerade, IPv6 route, by 203\.0\.113\.7; ports 10000-65535, 256 for each client/);
  t.match(text, /Connections: 256 a client, 12 refused; this host has 3 of at most 100/);
  t.match(text, /Isolation of clients: on/);
  t.match(text, /a +udp +10\.100\.0\.2:5000 +→ +203\.0\.113\.7:10001 +203\.0\.113\.9:53 +replied/);
});
