/** What other programs of a host do to a tunnel that takes everything: each is noticed and lived with, or put right. */

import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import type { PathStatus } from '../../src/control/network-rows.ts';
import { Daemon } from '../support/daemon.ts';
import { generateKeys } from '../support/keys.ts';
import { Lab, skipReason } from '../support/netns.ts';
import { port } from '../support/pair.ts';
import { ping } from '../support/traffic.ts';

const skip = skipReason();
t.setTimeout(240_000);

t.test('a host whose other programs are busy', skip === false ? {} : { skip }, async (t) => {
  const lab = new Lab();
  t.teardown(() => lab.close());
  const [home, hub] = [lab.host('home'), lab.host('hub')];
  for (const n of [1, 2]) {
    const addresses: [string[], string[]] = [[`198.18.${n}.1/24`], [`198.18.${n}.2/24`]];
    lab.join(home, hub, { interfaces: [`wan${n}`, `wan${n}`], addresses });
    home.ip(`route add default via 198.18.${n}.2 dev wan${n} metric 10${n}`);
  }
  hub.ip('address add 203.0.113.1/32 dev lo');
  for (const host of [home, hub])
    for (const one of ['all', 'wan1', 'wan2']) host.setSysctl(`net.ipv4.conf.${one}.rp_filter`, '0');
  const [homeKeys, hubKeys] = [generateKeys(), generateKeys()];
  await new Daemon(lab, hub, {
    keys: hubKeys,
    addresses: ['10.9.0.1/24'],
    port,
    peers: [{ name: 'home', publicKey: homeKeys.publicKey, allowedIPs: ['10.9.0.2/32'] }],
  }).start();
  const daemon = new Daemon(lab, home, {
    keys: homeKeys,
    addresses: ['10.9.0.2/24'],
    peers: [
      {
        name: 'hub',
        publicKey: hubKeys.publicKey,
        allowedIPs: ['0.0.0.0/0'],
        endpoints: [`203.0.113.1:${port}`],
        keepalive: '5s',
      },
    ],
    more: { bonding: { failback: '500ms' }, links: [1, 2].map((n) => ({ name: `wan${n}`, interface: `wan${n}` })) },
  });
  await daemon.start();
  /** Both paths live, and a ping by the tunnel's own route. */
  const isWell = async (): Promise<boolean> => {
    if ((await ping(home, '10.9.0.1', { count: 1 }).catch(() => ({ received: 0 }))).received === 0) return false;
    if (!home.ip('route get 192.0.2.9').includes('dev hawser0')) return false;
    return (await daemon.ask<readonly PathStatus[]>('paths')).filter((one) => one.condition === 'live').length === 2;
  };
  const recovers = async (what: string, seconds = 40): Promise<void> => {
    for (const endMs = performance.now() + seconds * 1000; performance.now() < endMs && !(await isWell()); )
      await sleep(300);
    t.ok(await isWell(), what);
  };
  await recovers('at first');

  const ownRules = () =>
    home
      .ip('rule')
      .split('\n')
      .filter((line) => /^301\d\d:/.test(line)).length;
  const before = home.ip('rule');
  const priorities = [...before.matchAll(/^(\d+):.*fwmark|^(\d+):.*suppress_prefixlength/gm)].map(
    (match) => match[1] ?? match[2],
  );
  t.ok(priorities.length > 0, before);
  for (const priority of priorities) home.ip(`rule del priority ${priority}`);
  await recovers('systemd-networkd deleted our rules (ManageForeignRoutingPolicyRules=yes)');
  for (let tries = 0; tries < 20 && home.ip('rule') !== before; tries += 1) await sleep(200);
  t.equal(home.ip('rule'), before, `each once: ${ownRules()}`);

  home.ip('address flush dev hawser0');
  const addresses = () => home.ip('-br address show dev hawser0');
  for (let tries = 0; tries < 50 && !addresses().includes('10.9.0.2/24'); tries += 1) await sleep(200);
  t.match(addresses(), /10\.9\.0\.2\/24/, 'NetworkManager took the tunnel for one of its own interfaces');
  await recovers('with its routes');
  home.ip('route flush table all proto 77');
  await recovers('systemd-networkd deleted our routes (ManageForeignRoutes=yes)');

  for (const name of ['all', 'wan1', 'wan2', 'hawser0']) home.setSysctl(`net.ipv4.conf.${name}.rp_filter`, '1');
  await sleep(3000);
  await recovers('sysctl --system made the check of sources strict');
  const isStrict = async () =>
    (await daemon.cli('status')).stdout.match(/drops what comes in by wan[12] unless/g)?.length ?? 0;
  for (let tries = 0; tries < 50 && (await isStrict()) !== 2; tries += 1) await sleep(300);
  t.equal(await isStrict(), 2, 'and both links are named');
  t.match((await daemon.cli('explain')).stdout, /sysctl -w net\.ipv4\.conf\.wan2\.rp_filter=2/);
  home.setSysctl('net.ipv4.conf.all.src_valid_mark', '0');
  await sleep(3000);
  await recovers('something took back what lets our answers in');
  for (const name of ['all', 'wan1', 'wan2', 'hawser0']) home.setSysctl(`net.ipv4.conf.${name}.rp_filter`, '0');
  for (let tries = 0; tries < 50 && (await isStrict()) !== 0; tries += 1) await sleep(300);
  t.equal(await isStrict(), 0, 'no longer');

  home.ip('address add 198.18.1.77/24 dev wan1');
  home.ip('route del default dev wan1');
  await sleep(500);
  home.ip('route add default via 198.18.1.2 dev wan1 metric 1024');
  await recovers('a second address, and a lease renewed with another metric');
  home.ip('route del default dev wan2');
  home.ip('route append default via 198.18.2.2 dev wan2 metric 1024');
  await recovers('two default routes of one metric');

  home.ip('link set wan2 down');
  home.ip('link set wan2 name lte0');
  home.ip('link set lte0 up');
  for (let tries = 0; tries < 50 && !/Link wan2 is gone/.test((await daemon.cli('status')).stdout); tries += 1)
    await sleep(200);
  t.match((await daemon.cli('status')).stdout, /warning +Link wan2 is gone/, 'an interface that got another name');
  t.ok((await ping(home, '10.9.0.1', { count: 10, intervalMs: 200 })).received > 0, 'the other link carries');
  home.ip('link set lte0 down');
  home.ip('link set lte0 name wan2');
  home.ip('link set wan2 up');
  home.ip('route append default via 198.18.2.2 dev wan2 metric 1024');
  await recovers('and its own again');

  process.kill(daemon.pid, 'SIGSTOP');
  await sleep(8000);
  process.kill(daemon.pid, 'SIGCONT');
  await recovers('a pause of the whole process');
});

t.test(
  'interfaces that have the name of the tunnel already are left to whoever has them',
  skip === false ? {} : { skip },
  async (t) => {
    const lab = new Lab();
    t.teardown(() => lab.close());
    const home = lab.host('home');
    const create = (instance: string, name: string): Daemon =>
      new Daemon(lab, home, { instance, interface: name, keys: generateKeys(), addresses: ['10.8.0.2/24'], peers: [] });
    await create('first', 'hawser0').start();
    home.ip('tuntap add vpn0 mode tun');
    home.ip('address add 192.168.99.1/24 dev vpn0');
    home.ip('link add veth0 type veth peer name veth1');
    for (const [name, sentence] of [
      ['hawser0', /"hawser0": .* EBUSY .*\(another process holds the device: choose another tunnel\.interface\)/],
      ['veth0', /"veth0": .* EINVAL .*\(an interface of this name exists and is no TUN device of one queue/],
      [
        'vpn0',
        /a TUN device "vpn0" already, and somebody else has given it the address 192\.168\.99\.1 .*`ip link del vpn0`/,
      ],
    ] as const) {
      await t.rejects(create(`for-${name}`, name).start(), { message: sentence });
    }
    t.match(home.ip('-br address show dev vpn0'), /192\.168\.99\.1\/24/, 'it has what it had');
    // What a killed instance leaves is its own.
    const killed = create('killed', 'hawser9');
    await killed.start();
    await killed.stop('SIGKILL');
    t.match(home.ip('-br address show dev hawser9'), /10\.8\.0\.2/);
    await killed.start();
  },
);
