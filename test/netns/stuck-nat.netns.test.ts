/**
 * A home router whose provider gives it another address: it goes on translating the flows that it knows to the address that is gone, and
 * probes and keepalives keep these entries alive for ever. What helps is a flow that the router does not know.
 */
import t from 'tap';
import type { EventRecord } from '../../src/control/events.ts';
import { startHomeAndHub } from '../support/home-hub.ts';
import { type Host, Lab, skipReason } from '../support/netns.ts';
import { port } from '../support/pair.ts';
import { until } from '../support/until.ts';

const skip = skipReason();
const options = skip === false ? {} : { skip };
t.setTimeout(300_000);

/** As a router does it whose address is known. */
function translate(router: Host, address: string): void {
  const chain = 'add chain ip nat post { type nat hook postrouting priority 100; }';
  const rule = `add rule ip nat post oifname "out" snat to ${address}`;
  router.run('nft', [`add table ip nat; flush table ip nat; ${chain}; ${rule}`]);
}

t.test('a NAT that goes on with an address that is gone is left by a new port', options, async (t) => {
  const lab = new Lab();
  t.teardown(() => lab.close());
  const [home, router, hub] = [lab.host('home'), lab.host('router'), lab.host('hub')];
  lab.join(home, router, { interfaces: ['wan1', 'lan'], addresses: [['192.168.1.2/24'], ['192.168.1.1/24']] });
  lab.join(router, hub, { interfaces: ['out', 'in'], addresses: [['192.0.2.2/24'], ['192.0.2.1/24']] });
  hub.ip('address add 203.0.113.1/32 dev lo');
  home.ip('route add default via 192.168.1.1');
  router.ip('route add default via 192.0.2.1');
  router.forward();
  translate(router, '192.0.2.2');
  const daemons = await startHomeAndHub(lab, home, hub, {
    endpoint: `203.0.113.1:${port}`,
    keepalive: '25s',
    links: ['wan1'],
  });
  const { isThrough } = daemons;
  await until('packets flow', isThrough);
  const renewals = async (): Promise<readonly EventRecord[]> =>
    (await daemons.home.ask<EventRecord[]>('events')).filter(({ kind }) => kind === 'port-moved');
  t.same(await renewals(), []);
  router.ip('address del 192.0.2.2/24 dev out');
  router.ip('address add 192.0.2.9/24 dev out');
  router.ip('route replace default via 192.0.2.1');
  translate(router, '192.0.2.9');
  // Else what is sent to the old address reaches the router for some seconds more.
  hub.ip('neigh flush dev in');
  t.notOk(await isThrough(), 'the router goes on with the old address');
  await until('another port was taken', async () => (await renewals()).length > 0, 60_000);
  await until('packets flow again', isThrough);
  const [peer] = await daemons.hub.peers();
  const [moved] = await renewals();
  t.match(peer?.endpoint, /^192\.0\.2\.9:/, 'the hub answers where the router is now');
  t.match(moved, { link: 'wan1', transport: 'udp' });
  t.match(daemons.home.log(), /nothing came back by udp for \d+ s; sends by port \d+ now/);
});
