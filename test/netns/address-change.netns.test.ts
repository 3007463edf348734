/** A host that moves under its tunnel: another lease, another default route, an interface that somebody took down and up. */
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { startHomeAndHub } from '../support/home-hub.ts';
import { Lab, skipReason } from '../support/netns.ts';
import { inside, outside, port, startPair } from '../support/pair.ts';
import { echoUdp, ping, probe } from '../support/traffic.ts';

const skip = skipReason();
const options = skip === false ? {} : { skip };
/** Waits of a loaded machine add up. */
t.setTimeout(900_000);
const echoPort = 7001;
const probing = { intervalMs: 20, seconds: 6 };

t.test('traffic goes on within two seconds when the outside address is replaced', options, async (t) => {
  const pair = await startPair();
  t.teardown(() => pair.lab.close());
  const { a, b } = pair.hosts;
  await echoUdp(b, echoPort);
  const answers = probe(a, inside.b4, echoPort, probing);
  await sleep(2000);
  const wire = pair.ports[0].interface;
  a.ip(`address del ${outside.a4}/24 dev ${wire}`);
  a.ip(`address add 10.77.0.9/24 dev ${wire}`);
  const { maxGapMs, sent, received } = await answers;
  t.ok(maxGapMs < 2000 && received > sent * 0.8, `longest gap ${maxGapMs} ms, ${received} of ${sent} answers`);
  const [peer] = await pair.b.peers();
  t.match(peer?.endpoint, /^10\.77\.0\.9:/, 'the other side followed');
});

t.test('routes and IPv6 addresses come back when the tunnel was taken down and up', options, async (t) => {
  const pair = await startPair();
  t.teardown(() => pair.lab.close());
  const { a } = pair.hosts;
  a.ip('link set hawser0 down');
  await sleep(200);
  t.notMatch(a.ip('link show hawser0'), 'UP', 'what an administrator took down stays down');
  a.ip('link set hawser0 up');
  await sleep(300);
  t.match(a.ip('-br address show hawser0'), inside.a6);
  t.match(await ping(a, inside.b6, { count: 3, intervalMs: 50 }), { received: 3 });
});

t.test('traffic goes on within two seconds when the default route moves to another uplink', options, async (t) => {
  const lab = new Lab();
  t.teardown(() => lab.close());
  const [home, internet, hub] = [lab.host('home'), lab.host('internet'), lab.host('hub')];
  lab.join(home, internet, { interfaces: ['fibre', 'fibre-end'], addresses: [['192.0.2.2/24'], ['192.0.2.1/24']] });
  lab.join(home, internet, { interfaces: ['lte', 'lte-end'], addresses: [['192.0.3.2/24'], ['192.0.3.1/24']] });
  lab.join(internet, hub, { addresses: [['203.0.113.1/24'], ['203.0.113.2/24']] });
  internet.forward();
  // As a provider does: what comes in has to come from the network that is there.
  for (const name of ['fibre-end', 'lte-end']) internet.setSysctl(`net.ipv4.conf.${name}.rp_filter`, '1');
  home.ip('route add default via 192.0.2.1');
  hub.ip('route add default via 203.0.113.1');
  const daemons = await startHomeAndHub(lab, home, hub, { endpoint: `203.0.113.2:${port}` });
  await echoUdp(hub, echoPort);
  t.match(await ping(home, inside.b4, { count: 10, intervalMs: 100 }), { sent: 10 });
  const answers = probe(home, inside.b4, echoPort, probing);
  await sleep(2000);
  home.ip('route replace default via 192.0.3.1');
  const { maxGapMs, sent, received } = await answers;
  // The packets of the first 50 ms ask for the new gateway with the old address; ARP asks again after a second.
  t.ok(maxGapMs < 2000 && received > sent * 0.8, `longest gap ${maxGapMs} ms, ${received} of ${sent} answers`);
  const [peer] = await daemons.hub.peers();
  t.match(peer?.endpoint, /^192\.0\.3\.2:/);
});
