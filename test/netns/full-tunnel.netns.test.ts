/**
 * Everything through the tunnel, with a host name as the endpoint: the daemon's own packets and its questions to the name server
 * stay outside, and a stop restores what was there (`onExit: open`) or blocks (`onExit: closed`).
 */
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import t from 'tap';
import { Daemon } from '../support/daemon.ts';
import { generateKeys } from '../support/keys.ts';
import { type Host, Lab, skipReason } from '../support/netns.ts';
import { port } from '../support/pair.ts';
import { ping, pull, serveTcp } from '../support/traffic.ts';

const skip = skipReason();
const options = skip === false ? {} : { skip };
t.setTimeout(900_000);
const dnsProgram = path.join(import.meta.dirname, '../support/dns-program.js');
/** Hosts of the Internet, on the router's loopback. */
const far4 = '198.51.100.1';
const far6 = '2001:db8:100::1';

/** home — internet — hub; the internet knows the way back to both tunnel networks through the hub. */
async function build(lab: Lab, onExit: 'open' | 'closed') {
  const [home, internet, hub] = [lab.host('home'), lab.host('internet'), lab.host('hub')];
  const homeSide = [
    ['192.0.2.2/24', '2001:db8:2::2/64'],
    ['192.0.2.1/24', '2001:db8:2::1/64'],
  ] as const;
  const hubSide = [
    ['203.0.113.1/24', '2001:db8:3::1/64'],
    ['203.0.113.2/24', '2001:db8:3::2/64'],
  ] as const;
  lab.join(home, internet, { addresses: homeSide });
  lab.join(internet, hub, { addresses: hubSide });
  for (const [host, gate4, gate6] of [
    [home, '192.0.2.1', '2001:db8:2::1'],
    [hub, '203.0.113.1', '2001:db8:3::1'],
  ] as const) {
    host.ip(`route add default via ${gate4}`);
    host.ip(`-6 route add default via ${gate6}`);
  }
  internet.forward();
  hub.forward();
  internet.ip(`address add ${far4}/32 dev lo`);
  internet.ip(`address add ${far6}/128 dev lo`);
  internet.ip('route add 10.9.0.0/24 via 203.0.113.2');
  internet.ip('-6 route add fd09::/64 via 2001:db8:3::2');
  await startNameServer(internet, home);
  const [homeKeys, hubKeys] = [generateKeys(), generateKeys()];
  const hubDaemon = new Daemon(lab, hub, {
    keys: hubKeys,
    addresses: ['10.9.0.1/24', 'fd09::1/64'],
    port,
    peers: [{ name: 'home', publicKey: homeKeys.publicKey, allowedIPs: ['10.9.0.2/32', 'fd09::2/128'] }],
  });
  const homeDaemon = new Daemon(lab, home, {
    keys: homeKeys,
    addresses: ['10.9.0.2/24', 'fd09::2/64'],
    peers: [
      {
        name: 'hub',
        publicKey: hubKeys.publicKey,
        allowedIPs: ['0.0.0.0/0', '::/0'],
        endpoints: [`hub.example.net:${port}`],
        keepalive: '25s',
      },
    ],
    more: { routing: { onExit } },
  });
  return { home, internet, homeDaemon, hubDaemon };
}

/** `ip netns exec` shows a process the files of /etc/netns/<namespace> as its /etc; the lab removes them. */
async function startNameServer(internet: Host, home: Host): Promise<void> {
  const zone = { 'hub.example.net': { a: ['203.0.113.2'] } };
  const child = internet.spawn(process.execPath, [dnsProgram, JSON.stringify(zone)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  if (child.stdout === null) throw new Error('name server without a pipe');
  await once(child.stdout, 'data');
  child.stdout.resume();
  mkdirSync(`/etc/netns/${home.namespace}`, { recursive: true });
  writeFileSync(`/etc/netns/${home.namespace}/resolv.conf`, 'nameserver 192.0.2.1\n');
}

t.test(
  '0.0.0.0/0 and ::/0 go through the tunnel, its own packets stay outside, and a stop restores all',
  options,
  async (t) => {
    const lab = new Lab();
    t.teardown(() => lab.close());
    const { home, internet, homeDaemon, hubDaemon } = await build(lab, 'open');
    t.match(await ping(home, far4, { count: 2 }), { received: 2 }, 'the far host answers without the tunnel');
    const before = home.snapshot();
    await hubDaemon.start();
    await homeDaemon.start();
    await ping(home, far4, { count: 5, intervalMs: 200 });
    for (const address of [far4, far6]) {
      t.match(home.ip(`route get ${address}`), 'dev hawser0', `${address} goes into the tunnel`);
      const result = await ping(home, address, { count: 5, intervalMs: 50 });
      t.ok(result.received >= 4, `${result.received} of 5 pings to ${address}`);
    }
    await serveTcp(internet, 7000);
    t.match(await pull(home, far4, 7000, 20e6), { isIntact: true });
    const [peer] = await homeDaemon.peers();
    t.ok((peer?.receivedBytes ?? 0) > 20e6, `${peer?.receivedBytes} bytes came through the tunnel`);
    t.match(peer?.endpoint, '203.0.113.2:51820');
    t.equal(await homeDaemon.stop(), 0, 'an orderly stop');
    t.strictSame(home.snapshot(), before);
    t.match(await ping(home, far4, { count: 2 }), { received: 2 }, 'open: traffic takes the ordinary route again');

    // The name is asked for again with the routes of a killed predecessor still there.
    await homeDaemon.start();
    await homeDaemon.stop('SIGKILL');
    await homeDaemon.start();
    const again = await ping(home, far4, { count: 20, intervalMs: 100 });
    t.ok(again.received >= 10, `${again.received} of 20 pings after SIGKILL and a new start`);
    t.equal(await homeDaemon.stop(), 0);
    t.strictSame(home.snapshot(), before);
  },
);

t.test('with onExit: closed nothing passes after a stop, until the next one', options, async (t) => {
  const lab = new Lab();
  t.teardown(() => lab.close());
  const { home, homeDaemon, hubDaemon } = await build(lab, 'closed');
  await hubDaemon.start();
  await homeDaemon.start();
  const through = await ping(home, far4, { count: 10, intervalMs: 100 });
  t.ok(through.received > 0, `${through.received} pings through the tunnel`);
  t.equal(await homeDaemon.stop(), 0, 'an orderly stop');
  for (const address of [far4, far6]) {
    const blocked = await ping(home, address, { count: 2 }).catch((error: Error) => error.message);
    t.ok(typeof blocked === 'string' || blocked.received === 0, `${address} is blocked`);
  }
  await homeDaemon.start();
  const again = await ping(home, far4, { count: 20, intervalMs: 100 });
  t.ok(again.received > 0, `${again.received} pings after the next start`);
});
