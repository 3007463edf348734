/** Two real daemons behind a router that drops UDP, or all of it from some moment on: FakeTCP carries, and the router sees nothing but sound TCP. */
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import type { PathStatus } from '../../src/control/network-rows.ts';
import { cliProgram, Daemon } from '../support/daemon.ts';
import { generateKeys } from '../support/keys.ts';
import { type Host, Lab, skipReason } from '../support/netns.ts';
import { inside, port } from '../support/pair.ts';
import { ping, pull, push, serveTcp } from '../support/traffic.ts';

const hasNft = spawnSync('nft', ['--version']).error === undefined;
const skip = skipReason() || (hasNft ? false : 'needs nft (apt-get install nftables)');
const options = skip === false ? {} : { skip };
t.setTimeout(240_000);
const patienceMs = 30_000;
const trafficPort = 7070;
const far = { a4: '10.77.1.1', b4: '10.77.2.1', a6: 'fd77:1::1', b6: 'fd77:2::1' } as const;

interface Routed {
  readonly lab: Lab;
  readonly a: Daemon;
  readonly b: Daemon;
  readonly hosts: { readonly a: Host; readonly b: Host };
  readonly router: Host;
  /** Of `a`, before anything ran there. */
  readonly before: Readonly<Record<string, string>>;
}

/** What FakeTCP is done with elsewhere: firewall rules, forwarding, sockets that stay. */
function traces(host: Host): Record<string, string> {
  const settings = [
    'ipv4/ip_forward',
    'ipv6/conf/all/forwarding',
    'ipv4/conf/wan/accept_local',
    'ipv4/conf/wan/rp_filter',
  ];
  return {
    rules: host.run('nft', ['list', 'ruleset']),
    settings: host.run(
      'cat',
      settings.map((name) => `/proc/sys/net/${name}`),
    ),
    sockets: host.run('sh', ['-c', "cat /proc/net/packet; grep -h ' 0A ' /proc/net/tcp /proc/net/tcp6 || true"]),
    links: host.ip('-br link'),
  };
}

/** `a` and `b` on either side of a router that follows connections, strictly, and counts what it thinks wrong. */
function build(endpoints: readonly string[]): Routed {
  const lab = new Lab();
  const [a, router, b] = [lab.host('a'), lab.host('r'), lab.host('b')];
  lab.join(a, router, {
    interfaces: ['wan', 'ra'],
    addresses: [
      [`${far.a4}/24`, `${far.a6}/64`],
      ['10.77.1.254/24', 'fd77:1::fe/64'],
    ],
  });
  lab.join(b, router, {
    interfaces: ['wan', 'rb'],
    addresses: [
      [`${far.b4}/24`, `${far.b6}/64`],
      ['10.77.2.254/24', 'fd77:2::fe/64'],
    ],
  });
  router.forward();
  for (const [host, side] of [[a, 1] as const, [b, 2] as const]) {
    host.ip(`route add default via 10.77.${side}.254`);
    host.ip(`-6 route add default via fd77:${side}::fe`);
  }
  router.run('nft', [
    `table inet router {
      counter invalid { }
      counter resets { }
      chain forward {
        type filter hook forward priority 0;
        tcp flags rst counter name resets
        ct state invalid counter name invalid drop
      }
      chain blocked { type filter hook forward priority 10; }
    }`,
  ]);
  const [keysA, keysB] = [generateKeys(), generateKeys()];
  const peer = { name: 'peer', keepalive: '1s' };
  const bonding = { failback: '2s' };
  return {
    lab,
    router,
    before: traces(a),
    hosts: { a, b },
    a: new Daemon(lab, a, {
      keys: keysA,
      addresses: [`${inside.a4}/24`],
      peers: [{ ...peer, publicKey: keysB.publicKey, allowedIPs: [`${inside.b4}/32`], endpoints }],
      more: { bonding, links: [{ name: 'wan', interface: 'wan' }] },
    }),
    b: new Daemon(lab, b, {
      keys: keysB,
      addresses: [`${inside.b4}/24`],
      port,
      peers: [{ ...peer, publicKey: keysA.publicKey, allowedIPs: [`${inside.a4}/32`] }],
      more: { bonding, listen: { udp: port, faketcp: port } },
    }),
  };
}

/** The router drops UDP silently, or no more. */
function blockUdp({ router }: Routed, isBlocked: boolean): void {
  const rule = isBlocked ? 'add rule inet router blocked meta l4proto udp drop' : 'flush chain inet router blocked';
  router.run('nft', [rule]);
}

function counted({ router }: Routed, name: string): number {
  return Number(/packets (\d+)/.exec(router.run('nft', ['list', 'counter', 'inet', 'router', name]))?.[1]);
}

/** `udp up`, `faketcp standby`: of those that live. */
async function carriers(end: Daemon): Promise<string> {
  const live = (await end.ask<readonly PathStatus[]>('paths')).filter(({ condition }) => condition === 'live');
  const texts = live.map(({ transport, state }) => `${transport} ${state}`);
  return texts.sort().join(', ');
}

async function until(what: string, routed: Routed, isSo: () => boolean | Promise<boolean>): Promise<void> {
  const endMs = performance.now() + patienceMs;
  while (!(await isSo())) {
    if (performance.now() > endMs) {
      const seen = JSON.stringify([await carriers(routed.a), await carriers(routed.b)]);
      throw new Error(`never: ${what}: ${seen}\n${routed.a.log()}\n${routed.b.log()}`);
    }
    await sleep(50);
  }
}

function carries(routed: Routed, transport: string): Promise<void> {
  return until(`${transport} carries`, routed, async () => {
    await ping(routed.hosts.a, inside.b4, { count: 3, intervalMs: 20 });
    const seen = [await carriers(routed.a), await carriers(routed.b)];
    return seen.every((text) => text.includes(`${transport} up`));
  });
}

/** Both directions at full speed, one after the other, by TCP within the tunnel. */
async function pour({ hosts }: Routed, bytes: number): Promise<boolean> {
  const there = await push(hosts.a, inside.b4, trafficPort, bytes);
  const back = await pull(hosts.a, inside.b4, trafficPort, bytes);
  return there.isIntact && back.isIntact;
}

async function started(t: Test, endpoints: readonly string[], isBlocked: boolean): Promise<Routed> {
  const routed = build(endpoints);
  t.teardown(() => routed.lab.close());
  if (isBlocked) blockUdp(routed, true);
  await routed.b.start();
  await routed.a.start();
  await serveTcp(routed.hosts.b, trafficPort);
  return routed;
}

t.test(
  'where UDP is dropped FakeTCP carries from the start, and a router that follows connections sees nothing wrong',
  options,
  async (t) => {
    const routed = await started(t, [`${far.b4}:${port}`, `faketcp://${far.b4}:${port}`], true);
    const { before } = routed;
    await carries(routed, 'faketcp');
    t.ok(await pour(routed, 40 << 20));
    t.equal((await ping(routed.hosts.a, inside.b4, { count: 20, intervalMs: 20 })).received, 20);
    t.equal(counted(routed, 'invalid'), 0);
    t.equal(counted(routed, 'resets'), 0, 'the kernels at both ends are silent');
    const shown = await routed.a.cli('paths', '--wide');
    t.match(shown.stdout, /wan\/faketcp +live/);
    t.match(shown.stdout, /faketcp:\/\/10\.77\.2\.1:51820/);
    const [peer] = await routed.b.peers();
    t.match(peer, { transport: 'faketcp', endpoint: /^faketcp:\/\/10\.77\.1\.1:\d+/ });
    // The carrier dies, and whoever comes next goes on with its connections.
    await routed.a.actor('kill', 'faketcp-stack');
    await routed.b.actor('kill', 'faketcp-stack');
    t.equal((await ping(routed.hosts.a, inside.b4, { count: 10, intervalMs: 50 })).received > 5, true);
    t.equal(counted(routed, 'resets'), 0);
    t.same((await routed.b.peers())[0]?.endpoint, peer?.endpoint, 'by the same ports');
    // Both ends again, killed and started: nothing is left of the old connections.
    for (const end of [routed.b, routed.a]) {
      await end.stop('SIGKILL');
      await end.start();
    }
    await carries(routed, 'faketcp');
    await routed.a.stop('SIGKILL');
    const released = [
      '--name',
      'a',
      '--interface',
      routed.a.interface,
      '--run-directory',
      path.join(routed.lab.folder, 'run'),
    ];
    routed.hosts.a.run(process.execPath, [cliProgram, 'release', ...released]);
    t.same(traces(routed.hosts.a), before, 'and nothing is left of them on the host');
  },
);

t.test(
  'what is dropped from some moment on leaves its data to FakeTCP, and takes it back; over IPv6',
  options,
  async (t) => {
    const routed = await started(t, [`[${far.b6}]:${port}`, `faketcp://[${far.b6}]:${port}`], false);
    await until('both are proven', routed, async () => {
      await ping(routed.hosts.a, inside.b4, { count: 3, intervalMs: 20 });
      const seen = [await carriers(routed.a), await carriers(routed.b)];
      return seen.every((text) => text === 'faketcp standby, udp up');
    });
    blockUdp(routed, true);
    await carries(routed, 'faketcp');
    t.ok(await pour(routed, 20 << 20));
    t.equal(counted(routed, 'invalid'), 0);
    t.match(routed.a.log(), /transport-failover: peer=peer link=wan from=udp to=faketcp/);
    blockUdp(routed, false);
    await carries(routed, 'udp');
    // The control-server tells it at its next look.
    const told = /transport-failback: peer=peer link=wan from=faketcp to=udp/;
    await until('its return is told', routed, () => told.test(routed.a.log()));
  },
);
