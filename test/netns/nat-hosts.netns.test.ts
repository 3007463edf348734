/** Address translation on hosts as people have them: firewalls, clients of the store, no nft. */
import { spawnSync } from 'node:child_process';
import { existsSync, rmSync } from 'node:fs';
import path from 'node:path';
import t from 'tap';
import type { Explanation } from '../../src/control/explain.ts';
import type { NatStatus } from '../../src/control/nat-rows.ts';
import { callMirror, serveMirror } from '../support/nat.ts';
import {
  buildNatWorld,
  hubAddress,
  hubAnswers,
  inner,
  options,
  outAddress,
  startNatWorld,
} from '../support/nat-world.ts';
import { port } from '../support/pair.ts';
import { ping } from '../support/traffic.ts';
import { until } from '../support/until.ts';

t.setTimeout(180_000);

t.test('isolation keeps clients apart, and not from the rest', options, async (t) => {
  const world = buildNatWorld({ nat: { mode: 'masquerade' }, isolation: true });
  t.teardown(() => world.lab.close());
  await startNatWorld(world);
  t.equal((await ping(world.a, inner.c)).received, 0);
  t.ok((await ping(world.a, outAddress)).received > 0);
  t.ok((await ping(world.a, inner.hub)).received > 0);
});

t.test(
  'a firewall that drops what clients send is named, with what to do; and no longer when it lets them',
  options,
  async (t) => {
    const world = buildNatWorld({ nat: { mode: 'masquerade' } });
    t.teardown(() => world.lab.close());
    const { hub, a, daemons } = world;
    // As Docker leaves a host.
    hub.run('nft', [
      'add table ip filter; add chain ip filter FORWARD { type filter hook forward priority 0; policy drop; }; add chain ip filter DOCKER-USER; add rule ip filter FORWARD jump DOCKER-USER',
    ]);
    await startNatWorld(world);
    const troubles = async () =>
      (await daemons.hub.ask<readonly Explanation[]>('explain')).filter(({ text }) => text.includes('firewall'));
    await until('explain names it', async () => {
      await ping(a, outAddress, { count: 3, intervalMs: 20 });
      return (await troubles()).length > 0;
    });
    const [trouble] = await troubles();
    t.match(trouble, {
      text: /Docker \(table ip filter, chain FORWARD \(policy drop\)\)/,
      remedy: /^iptables -I DOCKER-USER -i hawser0 -j ACCEPT/,
    });
    t.match(daemons.hub.log(), /A firewall of this host drops what clients send/);
    hub.run('nft', [
      'add rule ip filter DOCKER-USER iifname "hawser0" accept; add rule ip filter DOCKER-USER oifname "hawser0" accept',
    ]);
    await until('it is over', async () => {
      await ping(a, outAddress, { count: 3, intervalMs: 20 });
      return (await troubles()).length === 0;
    });
    t.ok((await ping(a, outAddress)).received > 0);
  },
);

t.test('without nft a hub that shall translate does not start, and says what to do', options, async (t) => {
  const world = buildNatWorld({ nat: { mode: 'masquerade' } });
  t.teardown(() => world.lab.close());
  const { lab, hub } = world;
  const folder = path.join(lab.folder, 'bin');
  hub.run('sh', ['-c', `mkdir ${folder}; for p in node ip; do ln -s $(command -v $p) ${folder}/; done`]);
  const run = spawnSync(
    'ip',
    [
      'netns',
      'exec',
      hub.namespace,
      'env',
      `PATH=${folder}`,
      'node',
      path.resolve(import.meta.dirname, '../../src/cli/main.js'),
      'up',
      world.daemons.hub.configPath,
    ],
    { encoding: 'utf8' },
  );
  t.equal(run.status, 1);
  t.match(run.stdout + run.stderr, /nft is not installed.*apt-get install nftables/);
  t.notOk(existsSync(path.join(lab.folder, 'run', 'hub.nat')));
  rmSync(folder, { recursive: true });
});

t.test('a port leads to a client of the store, and not where a program of the hub listens', options, async (t) => {
  const world = buildNatWorld({ nat: { mode: 'masquerade' } }, ['a']);
  t.teardown(() => world.lab.close());
  const { lab, hub, out, a, c, keys, daemons } = world;
  await daemons.hub.start();
  await daemons.hub.ask('client.add', {
    name: 'c',
    publicKey: keys.c.publicKey,
    addresses: [inner.c],
    presharedKey: false,
  });
  await Promise.all([daemons.a.start(), daemons.c.start()]);
  await hubAnswers(a, c);
  await Promise.all([serveMirror(c, 8443), serveMirror(hub, 9443)]);
  const scene = { lab, hub, clients: a, outside: out, ipv4: [], ipv6: [] };
  const calls = { protocol: 'tcp', sources: [outAddress], each: 1, target: hubAddress, port: 443 } as const;
  const outcome = async () => (await callMirror(scene, out, calls)).results[0];
  t.match(await outcome(), { error: 'ECONNREFUSED' });
  t.match(
    (await daemons.hub.cli('client', 'forward', 'c', '443:8443/tcp')).stdout,
    /ports that lead to it: 443:8443\/tcp/,
  );
  await until('it leads there', async () => (await outcome())?.error === undefined);
  t.match(await outcome(), { outside: new RegExp(`^${outAddress}\\|`) }, 'the caller keeps its address');
  const { leases } = await daemons.hub.ask<NatStatus>('nat');
  t.match(
    leases.find(({ client }) => client === 'c'),
    { forwards: ['443:8443/tcp'] },
  );
  for (const taken of ['9443/tcp', `${port}/udp`]) {
    const refused = await daemons.hub.cli('client', 'forward', 'c', taken);
    t.equal(refused.status, 1);
    t.match(refused.stderr, /A program of this host listens on port/);
  }
  await daemons.hub.stop();
  await daemons.hub.start();
  await hubAnswers(a, c);
  t.equal((await outcome())?.error, undefined, 'also after a restart');
  t.equal((await daemons.hub.cli('client', 'forward', 'c', '443/tcp', '--off')).status, 0);
  await until('it leads nowhere', async () => (await outcome())?.error === 'ECONNREFUSED');
  hub.ip(`route add default via ${outAddress}`);
  hub.ip('address add 203.0.113.50/24 dev wan');
  const own = await daemons.hub.cli('client', 'set', 'c', '--public-address', hubAddress);
  t.equal(own.status, 1);
  t.match(own.stderr, /203\.0\.113\.1 is the address of this host by its default route/);
  t.equal((await daemons.hub.cli('client', 'set', 'c', '--public-address', '203.0.113.50')).status, 0, 'a second one');
});
