/** A full path hurts nobody else: a ping beside bulk keeps its round trip, and a second peer its rate. */
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { Daemon } from '../support/daemon.ts';
import { generateKeys, type KeyPair } from '../support/keys.ts';
import { type Host, Lab, limitRate, skipReason } from '../support/netns.ts';
import { port } from '../support/pair.ts';
import { ping, pull, serveTcp } from '../support/traffic.ts';

const skip = skipReason();
const options = skip === false ? {} : { skip };
t.setTimeout(900_000);
const rateMbit = 50;
/** The must-show line: at most 5 ms above the idle round trip. */
const addedLimitMs = 5;

interface Client {
  readonly host: Host;
  readonly number: number;
  readonly keys: KeyPair;
}

function createHub(lab: Lab, hub: Host, keys: KeyPair, clients: readonly Client[], more: object): Daemon {
  return new Daemon(lab, hub, {
    keys,
    addresses: ['10.9.0.1/24'],
    port,
    peers: clients.map((client) => ({
      name: client.host.name,
      publicKey: client.keys.publicKey,
      allowedIPs: [`10.9.0.${client.number}/32`],
    })),
    more: { ...more },
  });
}

function createClient(lab: Lab, client: Client, hubKeys: KeyPair): Daemon {
  return new Daemon(lab, client.host, {
    keys: client.keys,
    addresses: [`10.9.0.${client.number}/24`],
    peers: [
      {
        name: 'hub',
        publicKey: hubKeys.publicKey,
        allowedIPs: ['10.9.0.1/32'],
        endpoints: [`10.${client.number}.0.1:${port}`],
        keepalive: '25s',
      },
    ],
  });
}

/** hub — router — client: the bottleneck is the hub's own device, or the router's. */
async function buildBottleneck(lab: Lab, place: 'own device' | 'router') {
  const [hub, router, host] = [lab.host('hub'), lab.host('router'), lab.host('a')];
  const [fromHub] = lab.join(hub, router, { addresses: [['10.2.0.1/24'], ['10.2.0.254/24']] });
  const [fromRouter] = lab.join(router, host, { addresses: [['10.3.0.254/24'], ['10.3.0.1/24']] });
  router.forward();
  hub.ip('route add default via 10.2.0.254');
  host.ip('route add default via 10.3.0.254');
  limitRate(place === 'router' ? fromRouter : fromHub, { rateMbit, queueMs: 100 });
  const client = { host, number: 2, keys: generateKeys() };
  const keys = generateKeys();
  // A bottleneck elsewhere must be told (or learnt, in a later version); the daemon sees only its own device.
  const links =
    place === 'router' ? { links: [{ name: 'wan', interface: fromHub.interface, rate: 0.9 * rateMbit }] } : {};
  await createHub(lab, hub, keys, [client], links).start();
  await createClient(lab, client, keys).start();
  return { hub, client: host };
}

for (const place of ['own device', 'router'] as const) {
  t.test(
    `a ping beside bulk stays within ${addedLimitMs} ms at ${rateMbit} Mbit/s with the bottleneck at the ${place}`,
    options,
    async (t) => {
      const lab = new Lab();
      t.teardown(() => lab.close());
      const { hub, client } = await buildBottleneck(lab, place);
      await ping(client, '10.9.0.1', { count: 5, intervalMs: 100 });
      const idle = await ping(client, '10.9.0.1', { count: 50, intervalMs: 20 });
      await serveTcp(hub, 7000);
      const bulk = pull(client, '10.9.0.1', 7000, 30e6);
      await sleep(1500);
      const loaded = await ping(client, '10.9.0.1', { count: 100, intervalMs: 20 });
      const { ms, isIntact } = await bulk;
      t.ok(isIntact);
      const mbit = (30e6 * 8) / 1e3 / ms;
      t.ok(mbit > 0.7 * rateMbit, `bulk at ${mbit.toFixed(1)} Mbit/s`);
      const addedMs = loaded.averageMs - idle.averageMs;
      t.ok(
        addedMs <= addedLimitMs,
        `ping ${idle.averageMs} ms idle, ${loaded.averageMs} ms beside bulk (largest ${loaded.maxMs})`,
      );
      t.ok(loaded.received >= 98, `${loaded.received} of 100 pings`);
    },
  );
}

t.test('a peer on a slow path does not slow another', options, async (t) => {
  const lab = new Lab();
  t.teardown(() => lab.close());
  const hub = lab.host('hub');
  const clients = ['slow', 'fast'].map((name, i) => ({ host: lab.host(name), number: i + 2, keys: generateKeys() }));
  for (const { host, number } of clients) {
    const addresses = [[`10.${number}.0.1/24`], [`10.${number}.0.2/24`]] as const;
    const [fromHub] = lab.join(hub, host, { addresses });
    limitRate(fromHub, { rateMbit: host.name === 'slow' ? rateMbit : 400 });
  }
  const keys = generateKeys();
  const daemons = [createHub(lab, hub, keys, clients, {}), ...clients.map((client) => createClient(lab, client, keys))];
  for (const daemon of daemons) await daemon.start();
  await serveTcp(hub, 7000);
  const [slow, fast] = clients.map((client) => client.host);
  if (slow === undefined || fast === undefined) return;
  for (const host of [slow, fast]) await ping(host, '10.9.0.1', { count: 5, intervalMs: 100 });
  const alone = await pull(fast, '10.9.0.1', 7000, 60e6);
  const bulk = pull(slow, '10.9.0.1', 7000, 40e6);
  await sleep(1000);
  const beside = await pull(fast, '10.9.0.1', 7000, 60e6);
  t.match(await bulk, { isIntact: true });
  t.ok(alone.isIntact && beside.isIntact);
  const ratio = alone.ms / beside.ms;
  // All of it is CPU on this machine, the slow client's share too; without fairness it would be a tenth.
  t.ok(ratio > 0.6, `${ratio.toFixed(2)} of the rate it has alone`);
});
