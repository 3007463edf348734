/** A provider gives another prefix of IPv6: the old addresses stay on the host for hours, deprecated or not, and nobody routes them any more. */
import t, { type Test } from 'tap';
import type { ActorStatus } from '../../src/control/rows.ts';
import type { Daemon } from '../support/daemon.ts';
import { startHomeAndHub } from '../support/home-hub.ts';
import { type Host, Lab, skipReason } from '../support/netns.ts';
import { port } from '../support/pair.ts';
import { until } from '../support/until.ts';

const skip = skipReason();
const options = skip === false ? {} : { skip };
t.setTimeout(300_000);
const hubAddress = '2001:db8:b::1';
const [before, after] = ['2001:db8:18::2', '2001:db8:19::2'];

interface World {
  readonly home: Host;
  readonly router: Host;
  readonly daemon: Daemon;
  readonly isThrough: () => Promise<boolean>;
}

async function begin(t: Test, links: readonly string[]): Promise<World> {
  const lab = new Lab();
  t.teardown(() => lab.close());
  const [home, router, hub] = [lab.host('home'), lab.host('router'), lab.host('hub')];
  lab.join(home, router, {
    interfaces: ['wan1', 'lan'],
    addresses: [[`${before}/64`], ['fe80::1/64', '2001:db8:18::1/64']],
  });
  lab.join(router, hub, { interfaces: ['out', 'in'], addresses: [['2001:db8:b::2/64'], [`${hubAddress}/64`]] });
  home.ip('-6 route add default via fe80::1 dev wan1');
  hub.ip('-6 route add default via 2001:db8:b::2');
  router.forward();
  const { home: daemon, isThrough } = await startHomeAndHub(lab, home, hub, {
    endpoint: `[${hubAddress}]:${port}`,
    keepalive: '25s',
    links,
  });
  await until('packets flow', isThrough);
  return { home, router, daemon, isThrough };
}

async function callsOf(daemon: Daemon): Promise<number> {
  const manager = (await daemon.ask<ActorStatus[]>('actors')).find(({ id }) => id === 'session-manager');
  return manager?.counters.session_manager_initiation_messages ?? Number.NaN;
}

for (const links of [[], ['wan1']])
  t.test(
    `packets go on from the new prefix, with ${links.length === 0 ? 'no' : 'a'} link named`,
    options,
    async (t) => {
      const { home, router, daemon, isThrough } = await begin(t, links);
      const calls = await callsOf(daemon);
      const gone = (end: string): string => `add rule ip6 gone f ip6 ${end} 2001:db8:18::/64 drop`;
      const chain = 'add chain ip6 gone f { type filter hook forward priority 0; }';
      router.run('nft', [`add table ip6 gone; ${chain}; ${gone('daddr')}; ${gone('saddr')}`]);
      router.ip('address add 2001:db8:19::1/64 dev lan nodad');
      home.ip(`address add ${after}/64 dev wan1 nodad`);
      home.ip(`address change ${before}/64 dev wan1 preferred_lft 0`);
      await until('packets flow from the new address', isThrough);
      // A call that left by the old address would be repeated after five seconds, and until then nothing flows.
      const more = (await callsOf(daemon)) - calls;
      t.ok(more <= 1, `${more} calls`);
    },
  );
