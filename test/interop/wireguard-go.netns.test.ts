/**
 * Hawser beside wireguard-go, as client and as server, with and without a preshared key, over IPv4 and IPv6. The peer is found on
 * PATH or named by WIREGUARD_GO. The long run adds the rekey after 120 s under load.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { Daemon, type DaemonOptions, sameMomentMs } from '../support/daemon.ts';
import { generateKeys, generatePresharedKey } from '../support/keys.ts';
import { isLong } from '../support/long-run.ts';
import { cutFrames, Lab, skipReason } from '../support/netns.ts';
import { buildWire, inside, outside, port } from '../support/pair.ts';
import { echoUdp, ping, probe, pull, push, serveTcp } from '../support/traffic.ts';
import { stockSkipReason, WireguardGo } from '../support/wireguard-go.ts';

const skip = skipReason() || stockSkipReason();
const options = skip === false ? {} : { skip };
t.setTimeout(900_000);
const transferBytes = 100e6;
/** REKEY_AFTER_TIME is 120 s (WireGuard, section 6.1). */
const rekeySeconds = 125;

interface Meeting {
  readonly hawserRole: 'client' | 'server';
  readonly hasPresharedKey: boolean;
  readonly family: 4 | 6;
}

/** Hawser is on `a`, wireguard-go on `b`; the client knows where the server is. */
async function meet(
  lab: Lab,
  { hawserRole, hasPresharedKey, family }: Meeting,
  more: DaemonOptions['more'] = {},
  wire = buildWire(lab),
) {
  const { a, b } = wire;
  const [ours, theirs] = [generateKeys(), generateKeys()];
  const shared = hasPresharedKey ? { presharedKey: generatePresharedKey() } : {};
  const endpointOf = (side: 'a' | 'b') =>
    family === 4 ? `${outside[`${side}4`]}:${port}` : `[${outside[`${side}6`]}]:${port}`;
  const stock = await WireguardGo.start(lab, b, {
    privateKey: theirs.privateKey,
    addresses: [`${inside.b4}/24`, `${inside.b6}/64`],
    port: hawserRole === 'client' ? port : 0,
    peers: [
      {
        ...shared,
        publicKey: ours.publicKey,
        allowedIPs: [`${inside.a4}/32`, `${inside.a6}/128`],
        ...(hawserRole === 'server' ? { endpoint: endpointOf('a') } : {}),
      },
    ],
  });
  const hawser = new Daemon(lab, a, {
    keys: ours,
    addresses: [`${inside.a4}/24`, `${inside.a6}/64`],
    ...(hawserRole === 'server' ? { port } : {}),
    more,
    peers: [
      {
        ...shared,
        name: 'stock',
        publicKey: theirs.publicKey,
        allowedIPs: [`${inside.b4}/32`, `${inside.b6}/128`],
        ...(hawserRole === 'client' ? { endpoints: [endpointOf('b')] } : {}),
      },
    ],
  });
  await hawser.start();
  return { a, b, stock, hawser };
}

const meetings: readonly Meeting[] = [
  { hawserRole: 'client', hasPresharedKey: false, family: 4 },
  { hawserRole: 'client', hasPresharedKey: true, family: 6 },
  { hawserRole: 'server', hasPresharedKey: true, family: 4 },
  { hawserRole: 'server', hasPresharedKey: false, family: 6 },
];

for (const meeting of meetings) {
  const key = meeting.hasPresharedKey ? 'with' : 'without';
  const title = `hawser as ${meeting.hawserRole} of wireguard-go moves 100 MB each way ${key} a preshared key over IPv${meeting.family}`;
  t.test(title, options, async (t) => {
    const lab = new Lab();
    t.teardown(() => lab.close());
    const { a, b, hawser } = await meet(lab, meeting);
    // The client speaks first: the server does not know where it is.
    const [client, target] = meeting.hawserRole === 'client' ? [a, 'b'] : [b, 'a'];
    for (const family of [4, 6]) {
      const address = target === 'a' ? inside[family === 4 ? 'a4' : 'a6'] : inside[family === 4 ? 'b4' : 'b6'];
      const result = await ping(client, address, { count: 5, intervalMs: 100 });
      t.ok(result.received >= 4, `${result.received} of 5 pings over IPv${family} inside`);
    }
    await serveTcp(b, 7000);
    t.match(await pull(a, inside.b4, 7000, transferBytes), { bytes: transferBytes, isIntact: true });
    t.match(await push(a, inside.b4, 7000, transferBytes), { isIntact: true });
    t.match(await pull(a, inside.b6, 7000, transferBytes / 10), { isIntact: true });
    t.match(await push(a, inside.b6, 7000, transferBytes / 10), { isIntact: true });
    const [peer] = await hawser.peers();
    t.match(peer, { state: 'connected', cipher: /chacha20/ });
    t.not(peer?.isHawser, true);
    t.equal(await hawser.stop(), 0, 'an orderly stop');
  });
}

t.test(
  'a stock peer behind a link of 1430 bytes is reached in both directions, without fragments',
  options,
  async (t) => {
    const lab = new Lab();
    t.teardown(() => lab.close());
    const meeting = { hawserRole: 'client', hasPresharedKey: false, family: 4 } as const;
    const links = [{ name: 'narrow', interface: 'to-b' }];
    const wire = buildWire(lab);
    for (const one of wire.ports) {
      cutFrames(one);
      // Joined packets are longer than the rule below lets through.
      one.host.run('ethtool', ['-K', one.interface, 'gro', 'off']);
      one.host.ip(`link set ${one.interface} mtu 1430`);
      const rules = `table inet m { chain i { type filter hook prerouting priority -450;
      iifname ${one.interface} meta length > 1430 drop; ip frag-off & 0x3fff != 0 counter; }; }`;
      one.host.run('nft', [rules]);
    }
    const { a, b, hawser } = await meet(lab, meeting, { links }, wire);
    await ping(a, inside.b4, { count: 10, intervalMs: 200 });
    await serveTcp(b, 7000);
    t.match(await pull(a, inside.b4, 7000, transferBytes / 5), { isIntact: true });
    t.match(await push(a, inside.b4, 7000, transferBytes / 5), { isIntact: true });
    t.match(await push(a, inside.b6, 7000, transferBytes / 5), { isIntact: true });
    const fragments = Number(/counter packets (\d+)/.exec(b.run('nft', ['list', 'table', 'inet', 'm']))?.[1]);
    t.ok(fragments < 200, `${fragments} fragments of some 50,000 packets`);
    t.equal(await hawser.stop(), 0);
  },
);

t.test('hawser follows a stock client that moves to another port', options, async (t) => {
  const lab = new Lab();
  t.teardown(() => lab.close());
  const { b, stock, hawser } = await meet(lab, { hawserRole: 'server', hasPresharedKey: false, family: 4 });
  t.ok((await ping(b, inside.a4, { count: 20, intervalMs: 100 })).received > 0);
  const before = (await hawser.peers())[0];
  const handshakeAtMs = await hawser.handshakeAtMs();
  await stock.set(['listen_port=40404']);
  const result = await ping(b, inside.a4, { count: 10, intervalMs: 50 });
  t.ok(result.received >= 9, `${result.received} of 10 pings after the move`);
  const after = (await hawser.peers())[0];
  t.match(after?.endpoint, ':40404');
  t.not(after?.endpoint, before?.endpoint);
  t.ok(Math.abs((await hawser.handshakeAtMs()) - handshakeAtMs) < sameMomentMs, 'no new handshake');
});

const long = isLong ? options : { skip: 'takes 5 minutes: npm run test:long' };
for (const hawserRole of ['client', 'server'] as const) {
  t.test(`hawser as ${hawserRole} of wireguard-go rekeys under load without a lost packet`, long, async (t) => {
    const lab = new Lab();
    t.teardown(() => lab.close());
    const { a, b, hawser } = await meet(lab, { hawserRole, hasPresharedKey: true, family: 4 });
    if (hawserRole === 'client') await ping(a, inside.b4, { count: 3, intervalMs: 100 });
    else await ping(b, inside.a4, { count: 3, intervalMs: 100 });
    const handshakeAtMs = await hawser.handshakeAtMs();
    await echoUdp(b, 7001);
    await serveTcp(b, 7000);
    const probed = probe(a, inside.b4, 7001, { intervalMs: 5, seconds: rekeySeconds });
    const endMs = performance.now() + rekeySeconds * 1000;
    while (performance.now() < endMs) {
      // 20 MB at a time, with pauses: a full machine would drop probes for want of a CPU.
      t.match(await pull(a, inside.b4, 7000, 20e6), { isIntact: true });
      await sleep(500);
    }
    const result = await probed;
    t.equal(
      result.received,
      result.sent,
      `${result.received} of ${result.sent} probes, longest gap ${result.maxGapMs} ms`,
    );
    t.ok((await hawser.handshakeAtMs()) - handshakeAtMs > 60_000, 'a new handshake');
  });
}
