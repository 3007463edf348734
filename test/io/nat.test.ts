/** What needs no kernel of address translation: blocks, elements, suspects. */
import t from 'tap';
import { parseCidr } from '../../src/config/address.ts';
import { adoptKeys, assignBlocks, blockAt, blockCount, holderOf, needsBlock } from '../../src/io/nat/blocks.ts';
import { elementChanges, elementsOf, noElements } from '../../src/io/nat/elements.ts';
import { findFullDestinations } from '../../src/io/nat/full-destinations.ts';
import type { NatPlan } from '../../src/io/nat/plan.ts';
import { natTable } from '../../src/io/nat/ruleset.ts';
import { soundLease } from '../../src/io/nat/sound-lease.ts';
import { findSuspects } from '../../src/io/nat/suspects.ts';
import type { Connection } from '../../src/wire/conntrack.ts';

const plan: NatPlan = {
  name: 'hub',
  interface: 'hawser0',
  pools: [parseCidr('10.100.0.0/16') ?? never(), parseCidr('fd00:100::/64') ?? never()],
  masquerade: { 4: true, 6: true },
  addresses: [parseCidr('203.0.113.7') ?? never()],
  ports: { first: 10_000, last: 65_535 },
  perClient: 256,
  connections: 0,
  timeoutSeconds: 300,
  ownPorts: { udp: [51_820], tcp: [443] },
  isolation: true,
  runDirectory: '/run/hawser',
  stateDirectory: '/var/lib/hawser',
};

function never(): never {
  throw new Error('no address');
}

t.test('blockCount() counts what fits in the range, of each address', async (t) => {
  t.equal(blockCount(plan), 216);
  t.equal(blockCount({ ...plan, addresses: [...plan.addresses, parseCidr('203.0.113.8') ?? never()] }), 432);
  t.equal(blockCount({ ...plan, perClient: 0 }), 0);
  t.same(blockAt(plan, 215), { address: '203.0.113.7', first: 65_040, last: 65_295 });
  t.equal(blockAt(plan, 216), undefined);
});

t.test('assignBlocks() keeps what a client has, and gives no block twice', async (t) => {
  const first = assignBlocks(['a', 'b', 'c'], new Map(), 3);
  t.same(
    [...first],
    [
      ['a', 0],
      ['b', 1],
      ['c', 2],
    ],
  );
  t.same(
    [
      ...assignBlocks(
        ['a', 'b'],
        new Map([
          ['a', 1],
          ['b', 1],
        ]),
        3,
      ),
    ],
    [
      ['a', 1],
      ['b', 0],
    ],
  );
  t.same(
    [...assignBlocks(['a', 'b', 'c'], new Map([['c', 7]]), 2)],
    [
      ['a', 0],
      ['b', 1],
    ],
  );
});

t.test(
  'assignBlocks() keeps the blocks of who is away, and gives that of the longest away when none is free',
  async (t) => {
    const first = assignBlocks(['a', 'b', 'c'], new Map(), 4);
    const atStart = assignBlocks([], first, 4);
    t.same([...atStart], [...first], 'as at a start, when nobody is there yet');
    const withoutB = assignBlocks(['a', 'c'], atStart, 4);
    const withoutA = assignBlocks(['c'], withoutB, 4);
    t.same([...withoutA.keys()], ['b', 'a', 'c'], 'the longest away first');
    t.same(
      Object.fromEntries(assignBlocks(['c', 'd'], withoutA, 4)),
      { a: 0, b: 1, c: 2, d: 3 },
      'there is a free one',
    );
    t.same(Object.fromEntries(assignBlocks(['c', 'd', 'e'], withoutA, 4)), { a: 0, e: 1, c: 2, d: 3 });
    t.same(Object.fromEntries(assignBlocks(['a', 'c', 'd', 'e', 'f'], withoutA, 4)), { a: 0, e: 1, c: 2, d: 3 });
  },
);

t.test('a block is held by a key, and not by who has an IPv4 address of its own', async (t) => {
  const lease = { name: 'a', ipv4: '10.100.0.2' };
  t.equal(holderOf({ ...lease, publicKey: 'K' }), 'K');
  t.ok(needsBlock(lease));
  t.ok(needsBlock({ ...lease, publicAddress: '2001:db8::7' }));
  t.notOk(needsBlock({ ...lease, publicAddress: '203.0.113.8' }));
  t.notOk(needsBlock({ name: 'a', ipv6: 'fd00:100::2' }));
  const own = elementsOf(plan, [{ ...lease, publicAddress: '203.0.113.8' }], new Map([['a', 0]]));
  t.notOk(own.has('blocks4'), 'also when it had one before');
});

t.test('soundLease() leaves out what would spoil the text for all, and says so', async (t) => {
  const told: string[] = [];
  const sound = (more: object) => soundLease({ name: 'a', ipv4: '10.100.0.2', ...more }, (reason) => told.push(reason));
  const good = {
    ipv6: 'fd00:100::2',
    publicAddress: '203.0.113.8',
    forwards: [{ protocol: 'tcp', port: 443, to: 8443 } as const],
  };
  t.match(sound(good), { name: 'a', ipv4: '10.100.0.2', ...good });
  t.equal(sound({ publicAddress: '2001:DB8:0::8' }).publicAddress, '2001:db8::8');
  t.same(told, []);
  for (const publicAddress of ['203.0.113.8-203.0.113.9', '203.0.113.0/24', '203.0.113.8 }; flush ruleset', '', 7])
    t.equal(sound({ publicAddress }).publicAddress, undefined, String(publicAddress));
  t.equal(sound({ ipv4: 'fd00:100::2' }).ipv4, undefined);
  t.equal(sound({ ipv6: '10.100.0.2' }).ipv6, undefined);
  const wrong = [
    { port: 0 },
    { to: 65_536 },
    { port: 1.5 },
    { protocol: 'icmp' },
    { to: '80 }\nflush ruleset' },
    { port: '443' },
  ];
  for (const one of wrong) {
    const forwards = [{ protocol: 'tcp', port: 443, to: 80, ...one }, ...good.forwards];
    t.same(sound({ forwards }).forwards, good.forwards, JSON.stringify(one));
  }
  t.equal(told.length, 7 + wrong.length);
  t.match(told[0], /"203\.0\.113\.8-203\.0\.113\.9" of client "a" is no address/);
});

t.test('elementChanges() takes away before it adds, and nothing that stays', async (t) => {
  const a = { name: 'a', ipv4: '10.100.0.2', forwards: [{ protocol: 'tcp', port: 443, to: 8443 }] } as const;
  const before = elementsOf(plan, [a], new Map([['a', 0]]));
  const after = elementsOf(plan, [{ ...a, ipv4: '10.100.0.3' }], new Map([['a', 0]]));
  const lines = elementChanges('hub', before, after).trim().split('\n');
  t.ok(lines.slice(0, 4).every((line) => line.startsWith('delete element inet hawser_')));
  t.match(lines.join('\n'), /add element inet hawser_\w+ forwards4 \{ tcp \. 443 : 10\.100\.0\.3 \. 8443 \}/);
  t.match(lines.join('\n'), /add element inet hawser_\w+ blocks4 \{ 10\.100\.0\.3 : 203\.0\.113\.7 \. 10000-10255 \}/);
  t.equal(elementChanges('hub', after, after), '');
  t.notMatch(elementChanges('hub', noElements, after), /delete/);
});

t.test('natTable() does not grow with clients, and has no translation where only isolation is wanted', async (t) => {
  t.ok(natTable(plan).split('\n').length < 150);
  const alone = natTable({ ...plan, masquerade: { 4: false, 6: false } });
  t.notMatch(alone, /type nat hook/);
  t.match(alone, /goto refuse/);
});

t.test('findFullDestinations() counts ports of each outside address, and what is in the range', async (t) => {
  const small = { ...plan, perClient: 0, ports: { first: 20_000, last: 20_009 } };
  const connection = (port: number, outside = 'cb007107'): Connection => ({
    protocol: 6,
    original: { sourceHex: '0a640002', destinationHex: 'cb007109', sourcePort: 1, destinationPort: 443 },
    reply: { sourceHex: 'cb007109', destinationHex: outside, sourcePort: 443, destinationPort: port },
    hasReply: true,
    isSourceTranslated: true,
    isDestinationTranslated: false,
    state: 'established',
    timeoutSeconds: 1,
    sentBytes: 1,
    receivedBytes: 1,
    packets: 1,
    startedMs: 1,
  });
  const ports = Array.from({ length: 10 }, (_, index) => 20_000 + index);
  const all = ports.map((port) => connection(port));
  t.same(findFullDestinations(small, all), [{ protocol: 'tcp', address: '203.0.113.9', port: 443 }]);
  t.same(findFullDestinations(small, all.slice(1)), []);
  t.same(findFullDestinations(small, [...all.slice(1), { ...connection(20_000), state: 'time-wait' }]), []);
  t.same(findFullDestinations(small, [...all.slice(1), connection(20_000, 'cb007108')]), [], 'of another address');
  t.same(findFullDestinations(small, [...all.slice(1), connection(30_000)]), [], 'a port that is not shared');
});

const own = { table: 'hawser_1', tunnel: 'hawser0' };
const chain = (table: string, name: string, more = {}) => ({ chain: { family: 'ip', table, name, ...more } });
const forward = { hook: 'forward', type: 'filter', prio: 0, policy: 'accept' };

t.test('findSuspects() names who may drop, and nobody else', async (t) => {
  const docker = {
    nftables: [chain('filter', 'FORWARD', { ...forward, policy: 'drop' }), chain('filter', 'DOCKER-USER')],
  };
  t.match(findSuspects(docker, own, []), [
    { owner: 'Docker', where: 'table ip filter, chain FORWARD (policy drop)', remedy: /DOCKER-USER -i hawser0/ },
  ]);
  const ufw = {
    nftables: [chain('filter', 'FORWARD', { ...forward, policy: 'drop' }), chain('filter', 'ufw-before-forward')],
  };
  t.match(findSuspects(ufw, own, []), [{ owner: 'ufw', remedy: /^ufw route allow in on hawser0/ }]);
  const rule = (table: string, name: string, ...expr: unknown[]) => ({
    rule: { family: 'ip', table, chain: name, expr },
  });
  const firewalld = {
    nftables: [
      chain('firewalld', 'filter_FORWARD', forward),
      chain('firewalld', 'zones'),
      rule('firewalld', 'filter_FORWARD', { jump: { target: 'zones' } }),
      rule('firewalld', 'zones', { reject: { type: 'icmpx' } }),
    ],
  };
  t.match(findSuspects(firewalld, own, []), [{ owner: 'firewalld', remedy: /--zone=trusted --add-interface=hawser0/ }]);
  const harmless = {
    nftables: [
      chain('mine', 'fw', forward),
      chain('mine', 'input', { ...forward, hook: 'input', policy: 'drop' }),
      chain('mine', 'elsewhere'),
      rule('mine', 'elsewhere', { drop: null }),
      chain('hawser_1', 'forward', { ...forward, policy: 'drop' }),
    ],
  };
  t.same(findSuspects(harmless, own, []), []);
  t.match(findSuspects({ nftables: [] }, own, ['nat', 'filter']), [
    { owner: 'iptables', remedy: /^iptables-legacy -I FORWARD/ },
  ]);
  t.same(findSuspects('nonsense', own, []), []);
});

t.test('devices of one client have one block, which was its first one before', async (t) => {
  const devices = ['a', 'b', 'c'].map((name, index) => ({
    name,
    publicKey: name.toUpperCase(),
    client: name === 'c' ? 'other' : 'anna',
    ipv4: `10.100.0.${index + 2}`,
  }));
  const holders = devices.map(holderOf);
  t.same(holders, ['anna', 'anna', 'other']);
  const before = adoptKeys(
    new Map([
      ['B', 3],
      ['away', 1],
      ['A', 2],
    ]),
    devices,
  );
  t.same(Object.fromEntries(before), { anna: 3, away: 1 });
  const numbers = assignBlocks(holders, before, 8);
  t.same(Object.fromEntries(numbers), { anna: 3, away: 1, other: 0 });
  t.same([...adoptKeys(numbers, devices)], [...numbers], 'and that of today stays');
  const elements = elementsOf(plan, devices, numbers);
  const block = (address: string) => elements.get('blocks4')?.get(address);
  t.equal(block('10.100.0.2'), block('10.100.0.3'));
  t.not(block('10.100.0.2'), block('10.100.0.4'));
  t.same(Object.fromEntries(elements.get('together4') ?? []), { '10.100.0.2': '0:4', '10.100.0.3': '0:4' });
});
