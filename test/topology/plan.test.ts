/** Config → topology → what a reload changes; all of it plain data. */
import t from 'tap';
import type { Role } from '../../src/actors/kit/contract.ts';
import type { Topology } from '../../src/actors/kit/topology.ts';
import { bondingSchema } from '../../src/config/bonding-schema.ts';
import { buildBonding, implicitLink } from '../../src/config/build-links.ts';
import type { Config, PeerConfig } from '../../src/config/config.ts';
import { buildServer } from '../../src/config/server.ts';
import { serverSchema } from '../../src/config/server-schema.ts';
import { describeTopology } from '../../src/topology/describe.ts';
import { diffTopologies } from '../../src/topology/diff.ts';
import { groupRoles } from '../../src/topology/placement.ts';
import { planTopology } from '../../src/topology/plan.ts';
import { checkShards } from '../../src/topology/shards.ts';

function peer(name: string, octet: number): PeerConfig {
  const address = `10.9.0.${octet}`;
  const addressHex = `0a0900${octet.toString(16).padStart(2, '0')}`;
  return {
    name,
    publicKey: Buffer.alloc(32, octet).toString('base64'),
    presharedKeyFile: undefined,
    allowedIPs: [{ family: 4, addressHex, address, prefix: 32 }],
    endpoints: [],
    keepaliveMs: 0,
    cipher: 'auto',
    limits: { upBps: 0, downBps: 0, priority: 50 },
    obfuscation: undefined,
  };
}

const hubServer = buildServer(serverSchema.parse({ pool: '10.100.0.0/16' }));

const noTls: Config['tls'] = {
  certificate: undefined,
  key: undefined,
  site: undefined,
  proxy: undefined,
  proxyPasswordFile: undefined,
  serverName: undefined,
};

type PlacementWish = Config['runtime']['placement'];

function config(change: Partial<Config> = {}, placement: PlacementWish = 'dedicated'): Config {
  return {
    name: 'home',
    identity: { privateKeyFile: '/etc/hawser/home.key' },
    tunnel: { interface: 'hawser0', addresses: [], mtu: 1420, fragment: 'auto', dns: undefined },
    links: [implicitLink],
    listen: { udp: 51820 },
    peers: [peer('hub', 1)],
    server: undefined,
    bonding: buildBonding(bondingSchema.parse({})),
    transports: { order: [], parallel: 'off' },
    obfuscation: undefined,
    faketcp: { style: 'linux', rotateMs: 0, handshakePacket: undefined },
    tls: noTls,
    history: undefined,
    webhooks: [],
    plugins: [],
    api: undefined,
    runtime: {
      placement,
      shards: 'auto',
      sealedLogBytes: 1 << 25,
      replayWindow: 65536,
      restartLimit: 20,
      logLevel: 'info',
      logFormat: 'auto',
      runDirectory: '/run/hawser',
      stateDirectory: '/var/lib/hawser',
    },
    routing: { fwmark: 'auto', table: 'auto', onExit: 'open' },
    update: undefined,
    ...change,
  };
}

function plan(change: Partial<Config> = {}, previous?: Topology, placement?: PlacementWish, cores = 8): Topology {
  return planTopology({
    mayReserve: true,
    config: config(change, placement),
    fwmark: 7,
    socketPath: '/run/hawser/home.sock',
    cores,
    previous,
  });
}

const fibre = { ...implicitLink, name: 'fibre', interface: 'eth0' };
const lte = { ...implicitLink, name: 'lte', interface: 'wwan0', priority: 1, rateBps: 20_000_000 };

t.test('planTopology()', async (t) => {
  t.test('plans a health-checker when a link asks for it, and only then', async (t) => {
    t.notOk(plan({ links: [fibre, lte] }).actors.some((actor) => actor.role === 'health-checker'));
    const health = { ...lte.health, method: 'icmp' as const };
    const { actors, threads } = plan({ links: [fibre, { ...lte, health }] });
    const checker = actors.find((actor) => actor.role === 'health-checker');
    t.match(checker, { tables: ['links'], settings: { fwmark: 7 } });
    t.strictSame(checker?.settings.links, [{ row: 1, name: 'lte', interface: 'wwan0', health }]);
    t.ok(threads.some((thread) => thread.actors.join() === 'health-checker'));
  });

  t.test('gives every actor a thread of its own when dedicated', async (t) => {
    const topology = plan({ links: [fibre, lte] });
    const ids = ['tun-reader', 'sealer', 'wan-link.fibre', 'wan-link.lte', 'opener', 'tun-writer'];
    t.same(
      topology.threads.map((thread) => thread.id),
      [...ids, 'session-manager', 'control-server'],
    );
    t.same(
      topology.threads.map((thread) => thread.actors.length),
      Array(8).fill(1),
    );
  });

  t.test('groups the data actors in two threads when compact', async (t) => {
    const { threads } = plan({ links: [fibre, lte] }, undefined, 'compact');
    t.same(threads.slice(0, 2), [
      { id: 'outbound', actors: ['tun-reader', 'sealer'] },
      { id: 'inbound', actors: ['wan-link.fibre', 'wan-link.lte', 'opener', 'tun-writer'] },
    ]);
  });

  t.test('chooses the placement by the processors, once for the life of the process', async (t) => {
    const few = plan({}, undefined, 'auto', 3);
    t.same(few.placement, { kind: 'compact', cores: 3 });
    t.equal(few.threads[0]?.id, 'outbound');
    t.same(plan({}, undefined, 'auto', 4).placement, { kind: 'dedicated', cores: 4 });
    t.same(plan({}, few, 'auto', 4).placement, few.placement);
    t.same(plan({}, undefined, 'dedicated', 1).placement, { kind: 'dedicated' });
    t.match(describeTopology(few), /^placement compact, chosen for 3 processors$/m);
  });

  t.test('groupRoles() says beforehand which roles its threads will have', async (t) => {
    const roles: Role[] = ['session-manager', 'wan-link', 'sealer', 'opener', 'tun-reader', 'tun-writer'];
    for (const kind of ['dedicated', 'compact'] as const) {
      const { threads, actors } = plan({ links: [fibre, lte] }, undefined, kind);
      const roleOf = (id: string) => actors.find((one) => one.id === id)?.role;
      const ofThreads = threads.map((one) => [...new Set(one.actors.map(roleOf))].sort().join());
      const prepared = groupRoles(kind, roles).map((one) => one.sort().join());
      t.same(
        prepared.filter((one) => !ofThreads.includes(one)),
        [],
        kind,
      );
      t.equal(groupRoles(kind, roles).flat().length, roles.length);
    }
  });

  t.test('plans a sealer, an opener and a tun-writer for each shard', async (t) => {
    const one = plan({ links: [fibre] });
    const runtime = { ...config().runtime, shards: 2 };
    const two = plan({ links: [fibre], runtime });
    const idsOf = ({ actors }: Topology) => actors.map(({ id }) => id);
    t.strictSame(
      idsOf(two).filter((id) => !idsOf(one).includes(id)),
      ['sealer-2', 'opener-2', 'tun-writer-2'],
    );
    const names = new Set(one.rings.map(({ name }) => name));
    t.ok(
      [...names].every((name) => two.rings.some((ring) => ring.name === name)),
      'the first has the names of the only one',
    );
    t.strictSame(
      two.rings
        .filter(({ name }) => !names.has(name))
        .map(({ name }) => name)
        .sort(),
      [
        'opener-2.events -> session-manager.events-2',
        'opener-2.heard -> sealer-2.heard',
        'opener-2.plain -> tun-writer-2.inbound',
        'opener-2.reports -> sealer-2.reports',
        'sealer-2.descriptors.fibre -> wan-link.fibre.descriptors-2',
        'sealer-2.requests -> session-manager.requests-2',
        'session-manager.frames-2 -> sealer-2.frames',
        'tun-reader.outbound-2 -> sealer-2.plain',
        'wan-link.fibre.received-2 -> opener-2.received.fibre',
      ],
    );
    const tablesOf = (id: string) => two.actors.find((actor) => actor.id === id)?.tables;
    t.match(tablesOf('sealer-2'), ['sealedLog-2']);
    t.strictSame(tablesOf('wan-link.fibre')?.slice(0, 2), ['sealedLog', 'sealedLog-2']);
    t.strictSame(tablesOf('tun-reader'), ['allowedIps']);
    const compact = plan({ links: [fibre], runtime: { ...runtime, placement: 'compact' } });
    t.strictSame(compact.threads.slice(0, 4), [
      { id: 'outbound', actors: ['tun-reader', 'sealer'] },
      { id: 'outbound-2', actors: ['sealer-2'] },
      { id: 'inbound', actors: ['wan-link.fibre', 'opener', 'tun-writer'] },
      { id: 'inbound-2', actors: ['opener-2', 'tun-writer-2'] },
    ]);
    t.match(describeTopology(compact), /^placement compact, 2 shards$/m);
  });

  t.test('chooses the number of shards once, by the processors of a host with clients', async (t) => {
    const hub = (total: { upBps: number; downBps: number }) => ({ server: { ...hubServer, total } });
    const free = hub({ upBps: 0, downBps: 0 });
    const shards = [1, 4, 7, 8, 12, 16, 64].map((cores) => plan(free, undefined, 'auto', cores).memory.shards);
    t.strictSame(shards, [1, 1, 1, 2, 3, 4, 4]);
    t.equal(plan({}, undefined, 'auto', 64).memory.shards, 1, 'a peer has one');
    const shared = hub({ upBps: 0, downBps: 1e9 });
    t.equal(plan(shared, undefined, 'auto', 64).memory.shards, 1);
    const running = plan(free, undefined, 'auto', 8);
    t.equal(plan(free, running, 'auto', 64).memory.shards, 2);
    checkShards(2, config(free));
    t.throws(() => checkShards(2, config(shared)), { code: 'CONFIG', remedy: /runtime\.shards: 1/ });
    checkShards(1, config(shared));
  });

  for (const shards of [1, 3])
    t.test(`joins every port once, with both ends at actors that exist, with ${shards} shards`, async (t) => {
      const topology = plan({ links: [fibre, lte], runtime: { ...config().runtime, shards } });
      const ids = new Set(topology.actors.map((actor) => actor.id));
      const ends = topology.rings.flatMap((ring) => [
        `${ring.from.actor}.${ring.from.port}`,
        `${ring.to.actor}.${ring.to.port}`,
      ]);
      t.equal(new Set(ends).size, ends.length);
      for (const ring of topology.rings) t.ok(ids.has(ring.from.actor) && ids.has(ring.to.actor), ring.name);
      t.equal(topology.rings.length, 7 + 2 * 4 + (shards - 1) * (7 + 2 * 2));
      const received = topology.rings.find((ring) => ring.name === 'wan-link.lte.received -> opener.received.lte');
      t.match(received, {
        from: { actor: 'wan-link.lte', port: 'received' },
        to: { actor: 'opener', port: 'received.lte' },
      });
    });

  t.test('keeps the rows of links over a reload', async (t) => {
    const before = plan({ links: [fibre, lte] });
    t.same(plan({ links: [lte] }, before).links, [{ row: 1, name: 'lte' }], 'a link that stays is not disturbed');
  });

  t.test('gives every link a carrier by each transport that it listens by or reaches a peer by', async (t) => {
    const carriersOf = (topology: Topology): unknown =>
      topology.actors.filter(({ role }) => role === 'wan-link').map(({ id, settings }) => [id, settings.carrier]);
    const endpoint = { host: '203.0.113.1', port: 51_821, transport: 'test' } as const;
    const both = plan({ links: [fibre, lte], peers: [{ ...peer('a', 1), endpoints: [endpoint] }] });
    t.same(carriersOf(both), [
      ['wan-link.fibre', 0],
      ['wan-link.fibre.test', 7],
      ['wan-link.lte', 8],
      ['wan-link.lte.test', 15],
    ]);
    const listening = plan({ links: [fibre], listen: { udp: 51_820, test: 51_821 } });
    const ports = listening.resources.map((one) =>
      one.kind === 'udp' ? [one.name, one.carrier, one.port] : [one.name],
    );
    t.same(ports, [
      ['tun'],
      ['udp4.fibre', 0, 51_820],
      ['udp6.fibre', 0, 51_820],
      ['udp4.fibre.test', 7, 51_821],
      ['udp6.fibre.test', 7, 51_821],
    ]);
    const name = 'wan-link.fibre.test.received -> opener.received.fibre.test';
    t.match(
      listening.rings.find((ring) => ring.name === name),
      {
        from: { actor: 'wan-link.fibre.test', port: 'received' },
        to: { actor: 'opener', port: 'received.fibre.test' },
      },
    );
    t.same(diffTopologies(plan({ links: [fibre], listen: { udp: 51_820 } }), listening).start, ['wan-link.fibre.test']);
  });

  t.test(
    'gives FakeTCP ports to call from only where somebody is called, and one to be called at where it listens',
    async (t) => {
      const endpoint = { host: '203.0.113.1', port: 443, transport: 'faketcp' } as const;
      const calls = plan({ links: [fibre], peers: [{ ...peer('a', 1), endpoints: [endpoint] }] });
      const listens = plan({
        links: [fibre],
        listen: { udp: 51_820, faketcp: 443 },
        faketcp: { style: 'phantun', rotateMs: 600_000, handshakePacket: '/etc/hawser/hello.bin' },
      });
      const portsOf = (topology: Topology): unknown =>
        topology.resources.flatMap((one) =>
          one.kind === 'packets' ? [[one.name, one.listenPort, one.callPorts, one.interface]] : [],
        );
      t.same(portsOf(calls), [
        ['packets4.fibre.faketcp', 0, 16, 'eth0'],
        ['packets6.fibre.faketcp', 0, 16, 'eth0'],
      ]);
      t.same(portsOf(listens), [
        ['packets4.fibre.faketcp', 443, 0, 'eth0'],
        ['packets6.fibre.faketcp', 443, 0, 'eth0'],
      ]);
      t.match(
        listens.actors.find(({ role }) => role === 'faketcp-stack'),
        {
          id: 'faketcp-stack.fibre.faketcp',
          ownTables: ['flows'],
          settings: { carrier: 1, style: 'phantun', listenPort: 443 },
        },
      );
      t.same(portsOf(plan()), [], 'nobody pays for what is not used');
      t.match(describeTopology(listens), /packets4\.fibre\.faketcp: TCP segments over IPv4, port 443, eth0/);
    },
  );

  t.test(
    'tells the sealer the rows of carriers, which have gaps where a link went, and rest until the next reload',
    async (t) => {
      const before = plan({ links: [fibre, lte] });
      const carriersOf = (topology: Topology): unknown =>
        topology.actors.find((one) => one.id === 'sealer')?.settings.carriers;
      t.match(carriersOf(before), [
        { row: 0, name: 'fibre', link: 'fibre' },
        { row: 8, name: 'lte', link: 'lte', rateBps: 20_000_000, priority: 1 },
      ]);
      const after = plan({ links: [lte] }, before);
      t.match(carriersOf(after), [{ row: 8, name: 'lte' }]);
      t.notOk(diffTopologies(before, after).renew.includes('wan-link.lte'), 'what stays is not disturbed');
      const again = plan({ links: [lte, fibre] }, after);
      t.same(again.links, [
        { row: 0, name: 'fibre' },
        { row: 1, name: 'lte' },
      ]);
      const replaced = plan({ links: [{ ...fibre, name: 'dsl' }, lte] }, before);
      t.match(replaced.links, [
        { row: 1, name: 'lte' },
        { row: 2, name: 'dsl' },
      ]);
    },
  );

  t.test('lets the opener put bulk in order unless its flows keep to their paths', async (t) => {
    const reorderOf = (bonding: Record<string, unknown>): unknown => {
      const planned = plan({ bonding: buildBonding(bondingSchema.parse(bonding)) });
      const opener = planned.actors.find((one) => one.id === 'opener');
      return (opener?.settings as { reorderMs?: unknown } | undefined)?.reorderMs;
    };
    t.equal(reorderOf({}), 'auto');
    t.equal(reorderOf({ reorder: 'off' }), 0);
    t.equal(reorderOf({ mode: 'per-flow' }), 0);
    t.equal(reorderOf({ mode: 'per-flow', reorder: '40ms' }), 40);
    t.equal(reorderOf({ mode: 'failover' }), 'auto');
  });

  t.test('tells sealer, opener and session-manager of repairs unless flows keep to their paths', async (t) => {
    const repairsOf = (bonding: Record<string, unknown>): unknown[] => {
      const planned = plan({ bonding: buildBonding(bondingSchema.parse(bonding)) });
      const settingsOf = (id: string) =>
        planned.actors.find((one) => one.id === id)?.settings as Record<string, unknown>;
      const sealer = settingsOf('sealer').bonding as { repairsAlone: boolean };
      const { repairsAlone } = settingsOf('session-manager');
      return [sealer.repairsAlone, settingsOf('opener').awaitsRepairs, repairsAlone];
    };
    t.same(repairsOf({}), [true, true, true]);
    t.same(repairsOf({ repair: 'off' }), [false, false, false]);
    t.same(repairsOf({ mode: 'per-flow' }), [false, false, false]);
  });

  t.test('asks for a window one word larger than the replay window (RFC 6479)', async (t) => {
    t.equal(plan().memory.windowBits, 65536 + 64);
  });
});

t.test('diffTopologies()', async (t) => {
  t.test('is empty for the same config', async (t) => {
    const before = plan();
    const diff = diffTopologies(before, plan({}, before));
    t.same(Object.values(diff).flat().filter(Boolean), []);
  });

  t.test('is empty when peers come, go or change', async (t) => {
    const before = plan({ peers: [peer('hub', 1), peer('old', 3)] });
    const changed = { ...peer('hub', 1), keepaliveMs: 25_000 };
    const diff = diffTopologies(before, plan({ peers: [changed, peer('new', 2)] }, before));
    t.same(Object.values(diff).flat().filter(Boolean), []);
  });

  t.test('stops, starts and rewires when links come and go', async (t) => {
    const before = plan({ links: [fibre] });
    const diff = diffTopologies(before, plan({ links: [lte] }, before));
    t.same(diff.stop, ['wan-link.fibre']);
    t.same(diff.start, ['wan-link.lte']);
    t.same(diff.renew, ['sealer', 'opener', 'session-manager']);
    t.same(diff.closeResources, ['udp4.fibre', 'udp6.fibre']);
    t.same(diff.openResources, ['udp4.lte', 'udp6.lte']);
    t.equal(diff.addRings.length, 4);
  });

  t.test('renews a compact thread whose group changed', async (t) => {
    const before = plan({ links: [fibre] }, undefined, 'compact');
    const diff = diffTopologies(before, plan({ links: [fibre, lte] }, before, 'compact'));
    t.same([diff.renew, diff.stop, diff.start], [['outbound', 'inbound', 'session-manager'], [], []]);
  });

  t.test('closes and opens the sockets and renews their links when the port changes', async (t) => {
    const before = plan();
    const diff = diffTopologies(before, plan({ listen: { udp: 4500 } }, before));
    t.same(diff.closeResources, ['udp4.default', 'udp6.default']);
    t.same(diff.openResources, ['udp4.default', 'udp6.default']);
    t.same(diff.renew, ['wan-link.default']);
  });
});

t.test('describeTopology() names threads, rings, descriptors and memory', async (t) => {
  const text = describeTopology(plan({}, undefined, 'compact'));
  t.match(text, /inbound: wan-link\.default, opener, tun-writer/);
  t.match(text, /tun-reader\.outbound -> sealer\.plain {2}2 MiB/);
  t.match(text, /udp6\.default: IPv6, port 51820, any interface/);
  t.match(text, /replay windows of 65536 packets/);
});
