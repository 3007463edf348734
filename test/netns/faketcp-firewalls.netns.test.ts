/** FakeTCP on hosts with the firewalls that people have: what Docker, ufw and firewalld load, all at once, at both ends and on a router that translates. */
import { spawnSync } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import type { PathStatus } from '../../src/control/network-rows.ts';
import { Daemon } from '../support/daemon.ts';
import { generateKeys } from '../support/keys.ts';
import { type Host, Lab, skipReason } from '../support/netns.ts';
import { inside, port } from '../support/pair.ts';
import { ping, pull, push, serveTcp } from '../support/traffic.ts';

const hasNft = spawnSync('nft', ['--version']).error === undefined;
const skip = skipReason() || (hasNft ? false : 'needs nft (apt-get install nftables)');
const options = skip === false ? {} : { skip };
t.setTimeout(180_000);
const patienceMs = 40_000;
const trafficPort = 7070;
const third = '10.9.0.3';
const hubAddress = '10.77.2.1';

/**
 * What the programs make of "nothing but what was asked for, and UDP to Hawser" (ufw: before.rules and a default policy of deny; firewalld: a zone
 * that refuses, with ICMP; Docker: forwarding refused, its own networks isolated and translated). TCP to Hawser is let in by none of them.
 */
const firewalls = `
table ip docker_filter {
  chain forward { type filter hook forward priority 0; policy drop; jump user; jump isolate; oifname "docker0" ct state established,related accept; iifname "docker0" accept; }
  chain user { return; }
  chain isolate { iifname "docker0" oifname != "docker0" jump isolate_further; return; }
  chain isolate_further { oifname "docker0" drop; return; }
}
table ip docker_nat {
  chain prerouting { type nat hook prerouting priority -100; fib daddr type local jump published; }
  chain postrouting { type nat hook postrouting priority 100; ip saddr 172.17.0.0/16 oifname != "docker0" masquerade; }
  chain published { iifname "docker0" return; }
}
table inet ufw_like {
  chain input {
    type filter hook input priority 0; policy drop;
    iifname "lo" accept
    ct state established,related accept
    ct state invalid drop
    icmp type { destination-unreachable, time-exceeded, parameter-problem, echo-request } accept
    icmpv6 type { destination-unreachable, packet-too-big, nd-neighbor-solicit, nd-neighbor-advert, nd-router-advert, echo-request } accept
    udp dport ${port} accept
    iifname "hawser*" accept
    iifname "hw*" accept
  }
  chain output { type filter hook output priority 0; policy accept; ct state established,related accept; }
}
table inet firewalld_like {
  chain reverse_path { type filter hook prerouting priority -290; meta nfproto ipv6 fib saddr . mark . iif oif missing drop; }
  chain input {
    type filter hook input priority 10; policy accept;
    ct state { established, related } accept
    ct status dnat accept
    iifname "lo" accept
    ct state invalid drop
    udp dport ${port} accept
    meta l4proto { icmp, icmpv6 } accept
    iifname "hawser*" accept
    iifname "hw*" accept
    reject with icmpx admin-prohibited
  }
  chain forward { type filter hook forward priority 10; policy accept; ct state { established, related } accept; ct state invalid drop; reject with icmpx admin-prohibited; }
  chain output { type filter hook output priority 10; policy accept; ct state { established, related } accept; oifname "lo" accept; }
}`;

/** Follows connections strictly, hides who is behind two of its interfaces, and lets no UDP of theirs pass. */
const router = `
table inet r {
  counter invalid { }
  counter blocked { }
  counter strange { }
  chain forward {
    type filter hook forward priority 0;
    iifname { "ra1", "ra2" } meta l4proto udp counter name blocked drop
    ct state invalid counter name invalid drop
    tcp flags & (syn | fin) == syn | fin counter name strange
  }
  chain nat { type nat hook postrouting priority 100; iifname { "ra1", "ra2" } masquerade; }
}`;

interface World {
  readonly lab: Lab;
  readonly hosts: Readonly<Record<'a' | 'b' | 'c' | 'd' | 'r', Host>>;
  readonly daemons: Readonly<Record<'a' | 'b' | 'c', Daemon>>;
}

function build(): World {
  const lab = new Lab();
  const [a, b, c, d, r] = ['a', 'b', 'c', 'd', 'r'].map((name) => lab.host(name)) as [Host, Host, Host, Host, Host];
  const wires: readonly (readonly [Host, string, string, number, number])[] = [
    [a, 'wan1', 'ra1', 11, 2],
    [a, 'wan2', 'ra2', 12, 2],
    [b, 'wan', 'rb', 2, 1],
    [c, 'wan', 'rc', 3, 1],
  ];
  for (const [host, own, far, net, last] of wires) {
    lab.join(host, r, { interfaces: [own, far], addresses: [[`10.77.${net}.${last}/24`], [`10.77.${net}.254/24`]] });
    host.ip(`route add default via 10.77.${net}.254 metric ${net}`);
  }
  // Behind the hub, which routes for it.
  lab.join(d, b, { interfaces: ['lan', 'lan'], addresses: [['10.77.9.2/24'], ['10.77.9.1/24']] });
  d.ip('route add default via 10.77.9.1');
  r.ip(`route add 10.77.9.0/24 via ${hubAddress}`);
  r.forward();
  b.forward();
  r.setSysctl('net/netfilter/nf_conntrack_tcp_be_liberal', '0');
  r.run('nft', [router]);
  const keys = { a: generateKeys(), b: generateKeys(), c: generateKeys() };
  const hub = { name: 'hub', publicKey: keys.b.publicKey, keepalive: '1s' };
  const [udp, faketcp] = [`${hubAddress}:${port}`, `faketcp://${hubAddress}:${port}`];
  return {
    lab,
    hosts: { a, b, c, d, r },
    daemons: {
      a: new Daemon(lab, a, {
        keys: keys.a,
        addresses: [`${inside.a4}/24`],
        peers: [{ ...hub, allowedIPs: ['0.0.0.0/0'], endpoints: [udp, faketcp] }],
        more: { links: ['wan1', 'wan2'].map((name) => ({ name, interface: name })) },
      }),
      b: new Daemon(lab, b, {
        keys: keys.b,
        addresses: [`${inside.b4}/24`],
        port,
        peers: [
          { name: 'a', publicKey: keys.a.publicKey, allowedIPs: [`${inside.a4}/32`] },
          { name: 'c', publicKey: keys.c.publicKey, allowedIPs: [`${third}/32`] },
        ],
        more: { listen: { udp: port, faketcp: port } },
      }),
      c: new Daemon(lab, c, {
        keys: keys.c,
        addresses: [`${third}/24`],
        peers: [{ ...hub, allowedIPs: [`${inside.b4}/32`], endpoints: [udp] }],
      }),
    },
  };
}

async function until(what: string, world: World, isSo: () => Promise<boolean>): Promise<void> {
  const endMs = performance.now() + patienceMs;
  while (!(await isSo())) {
    if (performance.now() > endMs)
      throw new Error(`never: ${what}\n${world.daemons.a.log()}\n${world.daemons.b.log()}`);
    await sleep(100);
  }
}

async function judged(daemon: Daemon): Promise<number> {
  const all = (await daemon.actors()).filter(({ role }) => role === 'faketcp-stack');
  return all.reduce((sum, { counters }) => sum + (counters.faketcp_stack_judged_segments ?? 0), 0);
}

function counted({ hosts }: World, name: string): number {
  return Number(/packets (\d+)/.exec(hosts.r.run('nft', ['list', 'counter', 'inet', 'r', name]))?.[1]);
}

t.test(
  'whatever firewalls both ends have, FakeTCP carries, and hears nothing that is for others',
  options,
  async (t) => {
    const world = build();
    t.teardown(() => world.lab.close());
    const { hosts, daemons } = world;
    await daemons.b.start();
    await t.test('what the hub only routes to its own port elsewhere is not copied to it', async (t) => {
      await serveTcp(hosts.d, port);
      const before = await judged(daemons.b);
      t.ok((await push(hosts.c, '10.77.9.2', port, 8 << 20)).isIntact);
      const more = (await judged(daemons.b)) - before;
      t.ok(more < 20, `${more} segments were judged of thousands`);
    });
    for (const host of [hosts.a, hosts.b]) host.run('nft', [firewalls]);
    await daemons.a.start();
    await daemons.c.start();
    await serveTcp(hosts.b, trafficPort);
    await until('FakeTCP carries by both links', world, async () => {
      await ping(hosts.a, inside.b4, { count: 3, intervalMs: 20 });
      const paths = await daemons.a.ask<readonly PathStatus[]>('paths');
      return paths.filter(({ transport, condition }) => transport === 'faketcp' && condition === 'live').length === 2;
    });
    t.ok((await push(hosts.a, inside.b4, trafficPort, 8 << 20)).isIntact);
    t.ok((await pull(hosts.a, inside.b4, trafficPort, 8 << 20)).isIntact);
    t.equal((await ping(hosts.a, inside.b4, { count: 20, intervalMs: 20 })).received, 20, 'a full tunnel');
    await until('the peer that knows UDP alone is reached', world, async () => {
      return (await ping(hosts.c, inside.b4, { count: 3, intervalMs: 20 })).received > 0;
    });
    t.ok(counted(world, 'blocked') > 0, 'UDP was tried');
    t.equal(counted(world, 'invalid'), 0);
    t.equal(counted(world, 'strange'), 0);
  },
);
