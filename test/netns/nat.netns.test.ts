/** A hub that translates its clients' addresses: real packets, what `hawser nat` tells, and that everything is given back. */
import path from 'node:path';
import t from 'tap';
import type { NatStatus } from '../../src/control/nat-rows.ts';
import { callMirror, serveMirror } from '../support/nat.ts';
import { buildNatWorld, hubAddress, inner, mirror, options, outAddress, startNatWorld } from '../support/nat-world.ts';
import { ping, pull, serveTcp } from '../support/traffic.ts';
import { until } from '../support/until.ts';

t.setTimeout(180_000);

t.test(
  'a client reaches a third host by TCP and UDP, and everything is given back, also after SIGKILL',
  options,
  async (t) => {
    const world = buildNatWorld({ nat: { mode: 'masquerade' } });
    t.teardown(() => world.lab.close());
    const { lab, hub, out, a, daemons } = world;
    const forwarding = () =>
      hub
        .run('cat', ['/proc/sys/net/ipv4/ip_forward', '/proc/sys/net/netfilter/nf_conntrack_acct'])
        .split('\n')
        .slice(0, 2);
    const ruleset = () => hub.run('nft', ['list', 'ruleset']).trim();
    const before = [ruleset(), ...forwarding()];
    await startNatWorld(world);
    await serveMirror(out, mirror);
    const scene = { lab, hub, clients: a, outside: out, ipv4: [], ipv6: [] };
    for (const protocol of ['tcp', 'udp'] as const) {
      const held = await callMirror(scene, a, {
        protocol,
        sources: [inner.a],
        each: 3,
        target: outAddress,
        port: mirror,
      });
      t.same([...new Set(held.results.map(({ outside }) => outside?.split('|')[0]))], [hubAddress], protocol);
      held.end();
    }
    await serveTcp(out, 9090);
    t.ok((await pull(a, outAddress, 9090, 8 << 20)).isIntact);
    t.ok((await ping(a, outAddress)).received > 0);
    await t.test('hawser nat tells of it', async (t) => {
      const status = await daemons.hub.ask<NatStatus>('nat', { mappings: true });
      t.match(status, { isOn: true, ports: '10000-65535', connectionLimit: 4096, ipv4: 'masquerade' });
      const lease = status.leases.find(({ client }) => client === 'a');
      t.ok((lease?.receivedBytes ?? 0) > 8 << 20, `${lease?.receivedBytes} bytes`);
      const mapping = status.mappings?.find(
        ({ remote, protocol }) => protocol === 'tcp' && remote === `${outAddress}:9090`,
      );
      t.match(mapping, {
        client: 'a',
        direction: 'out',
        inside: new RegExp(`^${inner.a}:`),
        outside: new RegExp(`^${hubAddress}:[1-6]\\d{4}$`),
      });
      t.ok((mapping?.receivedBytes ?? 0) > 8 << 20);
      t.ok((mapping?.ageMs ?? Number.NaN) < 60_000);
      t.match(
        (await daemons.hub.cli('nat', '--mappings')).stdout,
        /IPv4 masquerade.*\n[\s\S]*CLIENT +IPV4[\s\S]*a +tcp +10\.100\.0\.2:\d+ +→/,
      );
    });
    await t.test('clients reach each other unless they are isolated', async (t) => {
      t.ok((await ping(a, inner.c)).received > 0);
    });
    await t.test('a table that somebody flushed comes back', async (t) => {
      hub.run('nft', ['flush', 'ruleset']);
      await until('it is back', async () => ruleset() !== '');
      t.ok((await ping(a, outAddress)).received > 0);
      t.match(daemons.hub.log(), /Somebody removed the nft table inet hawser_/);
    });
    await t.test('SIGKILL leaves what the next run or hawser release takes away', async (t) => {
      await daemons.hub.stop('SIGKILL');
      t.match(ruleset(), /masquerade/);
      await daemons.hub.start();
      await until('it works again', async () => (await ping(a, outAddress)).received > 0);
      await daemons.hub.stop('SIGKILL');
      t.match(
        hub.run('node', [
          path.resolve(import.meta.dirname, '../../src/cli/main.js'),
          'release',
          '--name',
          'hub',
          '--interface',
          'hawser0',
          '--run-directory',
          path.join(lab.folder, 'run'),
        ]),
        /removed nft table inet hawser_[\s\S]*the change of net\.ipv4\.ip_forward/,
      );
      t.same([ruleset(), ...forwarding()], before);
    });
    await t.test('an orderly stop leaves nothing', async (t) => {
      await daemons.hub.start();
      t.equal(await daemons.hub.stop(), 0);
      t.same([ruleset(), ...forwarding()], before);
    });
  },
);
