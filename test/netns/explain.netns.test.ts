/** Things that break on real hosts, staged: what `explain` and `status` say of each, cause and remedy. */
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import type { Explanation } from '../../src/control/explain.ts';
import type { PathStatus } from '../../src/control/network-rows.ts';
import type { Status } from '../../src/control/rows.ts';
import { startBond } from '../support/bond.ts';
import { Daemon } from '../support/daemon.ts';
import { generateKeys } from '../support/keys.ts';
import { linkAddresses } from '../support/link-emulator.ts';
import { Lab, skipReason } from '../support/netns.ts';
import { inside, port } from '../support/pair.ts';
import { ping } from '../support/traffic.ts';

const skip = skipReason();
const options = skip === false ? {} : { skip };
/** Silence, repeated questions and a busy machine. */
const patienceMs = 30_000;
t.setTimeout(400_000);

/** Waits until `explain` has a sentence like `text` with a remedy like `remedy`. */
async function says(t: Test, daemon: Daemon, text: RegExp, remedy: RegExp): Promise<void> {
  const endMs = performance.now() + patienceMs;
  let told: readonly Explanation[] = [];
  while (performance.now() < endMs) {
    told = await daemon.ask<readonly Explanation[]>('explain');
    const found = told.find((one) => text.test(one.text) && remedy.test(one.remedy ?? ''));
    if (found !== undefined) {
      t.pass(`${found.text} → ${found.remedy}`);
      return;
    }
    await sleep(200);
  }
  t.fail(`never said ${text} → ${remedy}`, { told });
}

async function isQuiet(t: Test, daemon: Daemon, about: RegExp): Promise<void> {
  const endMs = performance.now() + patienceMs;
  const problems = async () =>
    (await daemon.ask<readonly Explanation[]>('explain')).filter(
      (one) => one.severity === 'problem' && about.test(one.text),
    );
  while ((await problems()).length > 0 && performance.now() < endMs) await sleep(200);
  t.strictSame(await problems(), [], 'what was mended is told no more');
}

t.test('a bond whose second link is broken in the ways that links are', options, async (t) => {
  const { lab, net, rope } = await startBond({
    emulated: [
      { name: 'fibre', rateMbit: 50, delayMs: 5 },
      { name: 'lte', rateMbit: 20, delayMs: 20 },
    ],
    bonding: { failback: '500ms' },
  });
  t.teardown(() => lab.close());
  const { client, server } = rope;
  const status = () => client.ask<Status>('status');
  t.match(await status(), { peersConnected: 1, cutOff: [], warnings: [] });

  const named = async () => (await server.ask<readonly PathStatus[]>('paths')).map((path) => path.peerLink).sort();
  for (const endMs = performance.now() + patienceMs; performance.now() < endMs && (await named())[1] !== 'lte'; ) {
    await sleep(200);
  }
  t.strictSame(await named(), ['fibre', 'lte'], 'the hub knows what the client calls its links');
  t.match((await server.cli('paths')).stdout, /^client +fibre +live.*\n(.*\n)?client +lte +live/m);

  await client.cli('link', 'disable', 'lte');
  await says(t, client, /^Link lte was taken out by hand/, /^hawser link enable lte$/);
  t.match((await status()).warnings, [/lte is disabled/]);
  await client.cli('link', 'enable', 'lte');
  await isQuiet(t, client, /lte/);

  const { router4 } = linkAddresses(1);
  net.client.ip(`route del default via ${router4} dev lte`);
  await says(
    t,
    client,
    /^Link lte carries nothing: the host has no route to 203\.0\.113\.1:\d+ by lte$/,
    /ip route add default/,
  );
  net.client.ip(`route add default via ${router4} dev lte metric 101`);
  await isQuiet(t, client, /lte/);

  await net.link('lte').set({ loss: { up: 0.5, down: 0 } });
  await says(t, client, /^(About half|[3-7]\d %).* of what is sent by lte does not arrive at server/, /upstream/);
  await net.link('lte').set({ loss: { up: 0, down: 0 } });

  for (const name of ['fibre', 'lte']) await net.link(name).blackhole('both', true);
  await says(
    t,
    client,
    /^Peer server has been cut off for .* by fibre and lte is answered$/,
    /look at server.*drops UDP/,
  );
  t.match(await status(), {
    peersConnected: 0,
    cutOff: [{ peer: 'server' }],
    warnings: [/^Peer server has been cut off/],
  });
  t.match((await client.cli('status')).stdout, /peers +0 of 1 connected, server cut off since/);
  await says(t, server, /^Peer client has been cut off/, /look at client/);
  for (const name of ['fibre', 'lte']) await net.link(name).blackhole('both', false);
  await isQuiet(t, client, /cut off/);
});

t.test('a hub that does not forward between its clients', options, async (t) => {
  const lab = new Lab();
  t.teardown(() => lab.close());
  const hub = lab.host('hub');
  const hubKeys = generateKeys();
  const names = ['home', 'phone'];
  const addresses = ['10.9.0.11', '10.9.0.12'];
  const keys = names.map(() => generateKeys());
  const daemon = new Daemon(lab, hub, {
    keys: hubKeys,
    addresses: [`${inside.b4}/24`],
    port,
    peers: names.map((name, index) => ({
      name,
      publicKey: keys[index]?.publicKey ?? '',
      allowedIPs: [`${addresses[index]}/32`],
    })),
  });
  await daemon.start();
  await says(
    t,
    daemon,
    /^This host does not forward IPv4: its peers \(home and phone\) reach it/,
    /^sysctl -w net\.ipv4\.ip_forward=1$/,
  );
  const clients = names.map((name, index) => {
    const host = lab.host(name);
    lab.join(host, hub, { addresses: [[`10.7${index}.0.2/24`], [`10.7${index}.0.1/24`]] });
    const peer = {
      name: 'hub',
      publicKey: hubKeys.publicKey,
      allowedIPs: ['10.9.0.0/24'],
      endpoints: [`10.7${index}.0.1:${port}`],
      keepalive: '1s',
    };
    return {
      host,
      daemon: new Daemon(lab, host, {
        keys: keys[index] ?? hubKeys,
        addresses: [`${addresses[index]}/24`],
        peers: [peer],
      }),
    };
  });
  for (const client of clients) await client.daemon.start();
  const [home] = clients;
  if (home === undefined) throw new Error('no client');
  t.ok((await ping(home.host, inside.b4, { count: 10, intervalMs: 200 })).received > 0, 'the hub itself answers');
  t.equal((await ping(home.host, '10.9.0.12', { count: 5, intervalMs: 200 })).received, 0, 'the other client does not');
  await says(t, daemon, /IPv4.*and it is refusing packets for others now$/, /ip_forward=1$/);
  hub.forward();
  await isQuiet(t, daemon, /forward/);
  t.ok((await ping(home.host, '10.9.0.12', { count: 10, intervalMs: 200 })).received > 0, 'the remedy helps');
});
