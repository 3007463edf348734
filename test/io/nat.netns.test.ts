/** Address translation by the kernel, with a veth in the place of the tunnel: hundreds of clients, real packets, no daemon. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import t, { type Test } from 'tap';
import { parseForward } from '../../src/config/nat-schema.ts';
import type { NatLease, NatPlan } from '../../src/io/nat/plan.ts';
import {
  applyNat,
  buildNatScene,
  callMirror,
  type HeldCalls,
  type NatScene,
  natCall,
  natPlan,
  place,
  serveMirror,
} from '../support/nat.ts';
import { skipReason } from '../support/netns.ts';

const hasNft = spawnSync('nft', ['--version']).error === undefined;
const skip = skipReason() || (hasNft ? false : 'needs nft (apt-get install nftables)');
const options = skip === false ? {} : { skip };
t.setTimeout(120_000);
const port = 7070;

interface Given {
  readonly clients?: number;
  readonly plan?: Partial<NatPlan>;
  readonly leases?: (scene: NatScene) => readonly NatLease[];
}

async function stage(t: Test, { clients = 4, plan = {}, leases = () => [] }: Given = {}) {
  const scene = buildNatScene(clients);
  t.teardown(() => scene.lab.close());
  const whole = natPlan(scene, plan);
  const given = leases(scene);
  t.same(applyNat(scene, whole, given), { warnings: [] });
  await serveMirror(scene.outside, port);
  return { scene, plan: whole, leases: given };
}

function leaseEach({ ipv4, ipv6 }: NatScene): NatLease[] {
  return ipv4.map((address, index) => ({ name: `c${index}`, ipv4: address, ipv6: ipv6[index] }));
}

const portOf = (outside = ''): number => Number(outside.split('|')[1]);
const addressOf = (outside = ''): string => outside.split('|')[0] ?? '';
const errorsOf = ({ results }: HeldCalls) => results.flatMap(({ error }) => error ?? []);

t.test('300 clients share the ports of one address, each mapping its own', options, async (t) => {
  const { scene, plan } = await stage(t, { clients: 300 });
  for (const protocol of ['tcp', 'udp'] as const) {
    const calls = { protocol, sources: scene.ipv4, each: 3, target: place.out, port, sourcePort: 30_000 };
    const held = await callMirror(scene, scene.clients, calls);
    t.same(errorsOf(held), [], protocol);
    t.same([...new Set(held.results.map(({ outside }) => addressOf(outside)))], [place.hub]);
    const ports = held.results.map(({ outside }) => portOf(outside));
    t.equal(new Set(ports).size, 900, 'no two share a port to one destination');
    t.ok(ports.every((one) => one >= 10_000 && one <= 65_535));
    const { connections = [] } = natCall(scene, { action: 'list', plan });
    const own = connections.filter(({ original }) => original.destinationPort === port);
    t.ok(own.length >= 900);
    t.ok(
      own.every(({ sentBytes = 0, startedMs = 0 }) => sentBytes > 0 && Date.now() - startedMs < 60_000),
      'traffic and age',
    );
    held.end();
  }
  const one = { protocol: 'tcp', sources: scene.ipv4.slice(0, 1), each: 20, target: place.out, port } as const;
  const { results } = await callMirror(scene, scene.clients, { ...one, sourcePort: 40_000 });
  const kept = results.map(({ outside }) => portOf(outside)).filter((own) => own >= 40_000 && own < 40_020);
  t.ok(kept.length < 5, `random ports, not those of the client: ${kept}`);
});

t.test('IPv6 is translated as well, or routed as it is', options, async (t) => {
  const { scene, plan } = await stage(t);
  const calls = { protocol: 'tcp', sources: scene.ipv6, each: 1, target: place.out6, port } as const;
  const held = await callMirror(scene, scene.clients, calls);
  t.same(
    held.results.map(({ outside }) => addressOf(outside)),
    scene.ipv6.map(() => place.hub6),
  );
  applyNat(scene, { ...plan, masquerade: { 4: true, 6: false } });
  scene.outside.ip(`-6 route add fd00:100::/64 via ${place.hub6}`);
  const routed = await callMirror(scene, scene.clients, calls);
  t.same(routed.results.map(({ outside }) => addressOf(outside)).sort(), [...scene.ipv6].sort());
});

t.test('200 clients have blocks of their own that do not overlap, over two addresses', options, async (t) => {
  const { scene, plan, leases } = await stage(t, {
    clients: 201,
    plan: { perClient: 256, ports: { first: 10_000, last: 40_000 }, addresses: [place.hub, place.hub2].flatMap(cidr) },
    leases: (all) => leaseEach(all).slice(0, 200),
  });
  const calls = { protocol: 'tcp', sources: scene.ipv4, each: 2, target: place.out, port } as const;
  const held = await callMirror(scene, scene.clients, calls);
  const served = held.results.filter(({ source }) => source !== scene.ipv4[200]);
  t.same(
    served.flatMap(({ error }) => error ?? []),
    [],
  );
  const blocks = new Map<string, string>();
  for (const { source, outside } of served) {
    const block = `${addressOf(outside)} ${Math.floor((portOf(outside) - 10_000) / 256)}`;
    t.equal(blocks.get(block) ?? source, source, `one client in block ${block}`);
    blocks.set(block, source);
  }
  t.equal(blocks.size, 200);
  t.same([...new Set([...blocks.keys()].map((block) => block.split(' ')[0]))].sort(), [place.hub, place.hub2]);
  t.same(
    held.results.filter(({ source }) => source === scene.ipv4[200]).map(({ error }) => error),
    ['ECONNREFUSED', 'ECONNREFUSED'],
    'who has no block is told so',
  );
  t.same(natCall(scene, { action: 'list', plan, leases }).refused, [scene.ipv4[200]]);
});

t.test(
  'a client that has used up its ports is refused at once, others are not, and it is known who',
  options,
  async (t) => {
    const { scene, plan } = await stage(t, { plan: { connections: 20 } });
    const [greedy = '', modest = ''] = scene.ipv4;
    const many = { protocol: 'tcp', sources: [greedy], each: 30, target: place.out, port } as const;
    const held = await callMirror(scene, scene.clients, many);
    t.same(errorsOf(held), new Array(10).fill('ECONNREFUSED'));
    const byUdp = await callMirror(scene, scene.clients, { ...many, protocol: 'udp', each: 1 });
    t.match(errorsOf(byUdp), [/EHOSTUNREACH|EACCES/], 'by ICMP');
    const others = await callMirror(scene, scene.clients, { ...many, sources: [modest], each: 20 });
    t.same(errorsOf(others), []);
    const { refused, counters } = natCall(scene, { action: 'list', plan });
    t.same(refused, [greedy]);
    t.ok((counters?.refused ?? 0) >= 11);
    held.end();
    await held.ended;
    const later = await callMirror(scene, scene.clients, { ...many, each: 15 });
    t.same(errorsOf(later), [], 'what has ended counts no more');
  },
);

t.test('a block that is full gives no port of another client', options, async (t) => {
  const { scene } = await stage(t, {
    plan: { perClient: 16, ports: { first: 20_000, last: 20_063 }, addresses: cidr(place.hub) },
    leases: leaseEach,
  });
  const [first = '', second = ''] = scene.ipv4;
  const calls = { protocol: 'tcp', sources: [first], each: 24, target: place.out, port } as const;
  const full = await callMirror(scene, scene.clients, calls);
  t.equal(errorsOf(full).length, 8);
  const ports = full.results.flatMap(({ outside }) => (outside === undefined ? [] : portOf(outside)));
  t.ok(
    ports.every((one) => one >= 20_000 && one < 20_016),
    String(ports),
  );
  t.same(errorsOf(await callMirror(scene, scene.clients, { ...calls, sources: [second], each: 16 })), []);
});

t.test(
  'ports lead to clients, by addresses of the hub, and from one client to another by the outside address',
  options,
  async (t) => {
    const forwards = ['2121:21/tcp', '5353/udp'].flatMap((text) => parseForward(text) ?? []);
    const { scene, plan, leases } = await stage(t, {
      leases: (all) => leaseEach(all).map((one, index) => (index === 0 ? { ...one, forwards } : one)),
    });
    await serveMirror(scene.clients, 21);
    await serveMirror(scene.clients, 5353);
    const call = (protocol: 'tcp' | 'udp', target: string, to: number, source = place.out as string) => {
      const host = source.startsWith('203') || source.startsWith('2001') ? scene.outside : scene.clients;
      return callMirror(scene, host, { protocol, sources: [source], each: 1, target, port: to });
    };
    for (const target of [place.hub, place.hub2]) {
      t.same(
        (await call('tcp', target, 2121)).results.map(({ outside }) => addressOf(outside)),
        [place.out],
        'the caller keeps its address',
      );
    }
    t.same(errorsOf(await call('udp', place.hub, 5353)), []);
    t.same(errorsOf(await call('tcp', place.hub6, 2121, place.out6)), []);
    const hairpin = await call('tcp', place.hub, 2121, scene.ipv4[1]);
    t.same(
      hairpin.results.map(({ outside }) => addressOf(outside)),
      [place.tunnel],
      'and no client sees the inner address of another',
    );
    t.match(natCall(scene, { action: 'change', plan, before: leases, leases: leaseEach(scene) }), {});
    t.same(errorsOf(await call('tcp', place.hub, 2121)), ['ECONNREFUSED'], 'no longer');
  },
);

t.test('a client with an outside address of its own has all of it', options, async (t) => {
  const { scene } = await stage(t, {
    plan: { addresses: cidr(place.hub), connections: 1 },
    leases: (all) => leaseEach(all).map((one, index) => (index === 0 ? { ...one, publicAddress: place.hub2 } : one)),
  });
  const [own = '', other = ''] = scene.ipv4;
  const calls = { protocol: 'tcp', sources: [own], each: 3, target: place.out, port, sourcePort: 4000 } as const;
  const out = await callMirror(scene, scene.clients, calls);
  t.same(
    out.results.map(({ outside }) => outside).sort(),
    [4000, 4001, 4002].map((one) => `${place.hub2}|${one}`),
    'its ports too, and no limit',
  );
  await serveMirror(scene.clients, 9999);
  const into = { protocol: 'tcp', sources: [place.out], each: 1, target: place.hub2, port: 9999 } as const;
  t.same(errorsOf(await callMirror(scene, scene.outside, into)), []);
  t.same(errorsOf(await callMirror(scene, scene.outside, { ...into, target: place.hub })), ['ECONNREFUSED']);
  const shared = await callMirror(scene, scene.clients, { ...calls, sources: [other], each: 1 });
  t.same(
    shared.results.map(({ outside }) => addressOf(outside)),
    [place.hub],
  );
});

t.test(
  'a mapping of UDP lasts as long as it is said to, and one of a well-known port not for long without an answer',
  options,
  async (t) => {
    const { scene, plan } = await stage(t, { plan: { timeoutSeconds: 300 } });
    const sources = scene.ipv4.slice(0, 1);
    await callMirror(scene, scene.clients, { protocol: 'udp', sources, each: 1, target: place.out, port });
    await callMirror(scene, scene.clients, { protocol: 'udp', sources, each: 1, target: place.out, port: 53 });
    const { connections = [] } = natCall(scene, { action: 'list', plan });
    const leftOf = (to: number) =>
      connections.find(({ original }) => original.destinationPort === to)?.timeoutSeconds ?? 0;
    t.ok(leftOf(port) > 290 && leftOf(port) <= 300, `${leftOf(port)} s`);
    t.ok(leftOf(53) > 50 && leftOf(53) <= 60, `${leftOf(53)} s`);
  },
);

t.test('removeNat() gives the host back as it was, and what another instance needs stays', options, async (t) => {
  const scene = buildNatScene(1);
  t.teardown(() => scene.lab.close());
  const read = () => [
    ...keys.map((key) => scene.hub.run('cat', [`/proc/sys/${key}`]).trim()),
    scene.hub.run('nft', ['list', 'ruleset']),
  ];
  const keys = [
    'net/ipv4/ip_forward',
    'net/ipv6/conf/all/forwarding',
    'net/ipv6/conf/wan/accept_ra',
    'net/netfilter/nf_conntrack_acct',
  ];
  scene.hub.setSysctl('net.ipv6.conf.wan.accept_ra', '1');
  const before = read();
  const plan = natPlan(scene);
  applyNat(scene, plan);
  t.same(read().slice(0, 4), ['1', '1', '2', '1']);
  applyNat(scene, { ...plan, name: 'other' });
  t.same(natCall(scene, { action: 'remove', plan }), { warnings: [] });
  t.same(read().slice(0, 4), ['1', '1', '2', '1'], 'the other one needs them');
  natCall(scene, { action: 'remove', plan: { ...plan, name: 'other' } });
  t.same(read(), before);
  applyNat(scene, plan);
  scene.hub.ip('link add docker0 type bridge');
  t.match(
    natCall(scene, { action: 'remove', plan }).warnings,
    [/forward.* stays 1, and was 0: what is behind docker0 needs it/, /forwarding stays 1/, /accept_ra stays 2/].map(
      (one) => one,
    ),
  );
});

t.test('an end while nft is under way leaves no table and no setting behind', options, async (t) => {
  const scene = buildNatScene(1);
  t.teardown(() => scene.lab.close());
  const folder = path.join(scene.lab.folder, 'bin');
  mkdirSync(folder);
  // The first one takes its time.
  const real = scene.hub.run('sh', ['-c', 'command -v nft']).trim();
  const script = `#!/bin/sh\nif mkdir ${folder}/began 2>/dev/null; then sleep 1; fi\nexec ${real} "$@"\n`;
  writeFileSync(path.join(folder, 'nft'), script, { mode: 0o755 });
  t.same(natCall(scene, { action: 'end', plan: natPlan(scene), folder }), { warnings: [], tables: [], held: [] });
});

function cidr(address: string) {
  return [
    {
      family: 4 as const,
      addressHex: Buffer.from(address.split('.').map(Number)).toString('hex'),
      address,
      prefix: 32,
    },
  ];
}
