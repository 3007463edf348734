/** Rates of a hub's clients on real packets: what is sent and taken keeps to them, pings beside it do not wait, others notice nothing. */
import { readFileSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { Daemon, type PeerOptions } from '../support/daemon.ts';
import { generateKeys, type KeyPair } from '../support/keys.ts';
import { Lab, skipReason } from '../support/netns.ts';
import { port } from '../support/pair.ts';
import { bulk, bulkPort, flood, ratesOf, type Sender } from '../support/rates.ts';
import { ping, serveTcp } from '../support/traffic.ts';
import { stockSkipReason, WireguardGo } from '../support/wireguard-go.ts';

const skip = skipReason();
const options = skip === false ? {} : { skip };
const skipStock = skip || stockSkipReason();
t.setTimeout(600_000);
const hubAddress = '10.9.0.1';
const limits = { up: 10, down: 20 };

interface Client extends Sender {
  readonly keys: KeyPair;
}

interface Hub {
  readonly lab: Lab;
  readonly daemon: Daemon;
  readonly clients: readonly Client[];
}

/** A hub with its clients, each on a wire of its own; `connect` says how each comes. */
async function build(
  t: Test,
  its: Readonly<Record<string, PeerOptions['limits']>>,
  more: object = {},
  connect = connectHawser,
): Promise<Hub> {
  const lab = new Lab();
  t.teardown(() => lab.close());
  const host = lab.host('hub');
  const clients = Object.keys(its).map((name, index) => {
    const client = { name, host: lab.host(name), keys: generateKeys(), address: `10.9.0.${index + 2}` };
    lab.join(host, client.host, { addresses: [[`10.${index + 2}.0.1/24`], [`10.${index + 2}.0.2/24`]] });
    return client;
  });
  const keys = generateKeys();
  const daemon = new Daemon(lab, host, {
    keys,
    addresses: [`${hubAddress}/24`],
    port,
    peers: clients.map((client) => ({
      name: client.name,
      publicKey: client.keys.publicKey,
      allowedIPs: [`${client.address}/32`],
      limits: its[client.name],
    })),
    more: { ...more },
  });
  await daemon.start();
  for (const [index, client] of clients.entries()) await connect(lab, client, keys, `10.${index + 2}.0.1:${port}`);
  await serveTcp(host, bulkPort);
  for (const client of clients) await ping(client.host, hubAddress, { count: 5, intervalMs: 100 });
  return { lab, daemon, clients };
}

async function connectHawser(lab: Lab, client: Client, hub: KeyPair, endpoint: string): Promise<void> {
  const peers = [{ name: 'hub', publicKey: hub.publicKey, allowedIPs: [`${hubAddress}/32`], endpoints: [endpoint] }];
  await new Daemon(lab, client.host, { keys: client.keys, addresses: [`${client.address}/24`], peers }).start();
}

async function connectStock(lab: Lab, client: Client, hub: KeyPair, endpoint: string): Promise<void> {
  const peers = [{ publicKey: hub.publicKey, allowedIPs: [`${hubAddress}/32`], endpoint }];
  await WireguardGo.start(lab, client.host, {
    privateKey: client.keys.privateKey,
    addresses: [`${client.address}/24`],
    peers,
  });
}

t.test(
  'TCP keeps to the limits of its client in both directions at once, and pings do not wait for it',
  options,
  async (t) => {
    const hub = await build(t, { client: limits });
    const [client] = hub.clients as readonly [Client];
    const idle = await ping(client.host, hubAddress, { count: 40, intervalMs: 20 });
    for (const direction of ['down', 'up'] as const) await bulk(hub.daemon, client, direction);
    await sleep(500);
    const [rates, loaded] = await Promise.all([
      ratesOf(hub.daemon, 4),
      ping(client.host, hubAddress, { count: 80, intervalMs: 40 }),
    ]);
    const { down = 0, up = 0 } = rates.get('client') ?? {};
    t.ok(down > 0.95 * limits.down && down < 1.02 * limits.down, `${down.toFixed(2)} Mbit/s down`);
    t.ok(up > 0.95 * limits.up && up < 1.02 * limits.up, `${up.toFixed(2)} Mbit/s up`);
    t.ok(loaded.averageMs < idle.averageMs + 20, `ping ${idle.averageMs} ms idle, ${loaded.averageMs} beside both`);
    const [peer] = await hub.daemon.peers();
    t.ok(peer?.limits.reached.includes('send'), 'and it is said that the limit is reached');
    t.equal(peer?.limits.policedPackets, 0, 'a Hawser keeps to what it is told, so nothing of it is dropped');
  },
);

t.test('a flood of UDP gets the limit and no more, and pings pass it', options, async (t) => {
  const hub = await build(t, { client: limits });
  const [client] = hub.clients as readonly [Client];
  const idle = await ping(client.host, hubAddress, { count: 20, intervalMs: 20 });
  flood(client.host, hubAddress, 50);
  flood(hub.daemon.host, client.address, 50);
  await sleep(1500);
  const [rates, loaded] = await Promise.all([
    ratesOf(hub.daemon, 3),
    ping(client.host, hubAddress, { count: 60, intervalMs: 40 }),
  ]);
  const { down = 0, up = 0 } = rates.get('client') ?? {};
  t.ok(down > 0.95 * limits.down && down < 1.05 * limits.down, `${down.toFixed(2)} Mbit/s down`);
  t.ok(up > 0.95 * limits.up && up < 1.05 * limits.up, `${up.toFixed(2)} Mbit/s up`);
  t.ok(loaded.averageMs < idle.averageMs + 20, `ping ${idle.averageMs} ms idle, ${loaded.averageMs} beside both`);
  t.ok(loaded.received >= 58, `${loaded.received} of 60 pings`);
});

t.test('a reload changes the limits of one client at once, and another one notices nothing', options, async (t) => {
  const hub = await build(t, { anna: limits, bert: undefined });
  const [anna, bert] = hub.clients as readonly [Client, Client];
  await bulk(hub.daemon, anna, 'down');
  await bulk(hub.daemon, bert, 'up');
  const before = await hub.daemon.peers();
  const pinging = ping(bert.host, hubAddress, { count: 60, intervalMs: 50 });
  const text = readFileSync(hub.daemon.configPath, 'utf8');
  writeFileSync(hub.daemon.configPath, text.replace('"down": 20', '"down": 5'));
  await hub.daemon.ask('reload');
  await sleep(500);
  const rates = await ratesOf(hub.daemon, 2);
  const down = rates.get('anna')?.down ?? 0;
  t.ok(down > 4.5 && down < 5.3, `${down.toFixed(2)} Mbit/s after the reload`);
  t.ok((rates.get('bert')?.up ?? 0) > 100, `the other one has ${rates.get('bert')?.up.toFixed(0)} Mbit/s`);
  const pings = await pinging;
  t.ok(pings.received >= 59, `${pings.received} of 60 pings of the other one`);
  const after = await hub.daemon.peers();
  for (const name of ['anna', 'bert']) {
    const generation = (peers: typeof after) => peers.find((one) => one.name === name)?.generation;
    t.equal(generation(after), generation(before), `${name} has its keys still`);
  }
});

t.test('priorities 80 and 20 share a total of 20 Mbit/s four to one, down and up', options, async (t) => {
  const server = { pool: '10.200.0.0/24', total: { down: 20, up: 20 } };
  const hub = await build(t, { anna: { priority: 80 }, bert: { priority: 20 } }, { server });
  const [anna, bert] = hub.clients as readonly [Client, Client];
  for (const client of [anna, bert]) await bulk(hub.daemon, client, 'down');
  for (const client of [anna, bert]) flood(client.host, hubAddress, 30);
  await sleep(3000);
  const rates = await ratesOf(hub.daemon, 4);
  const of = (name: string) => rates.get(name) ?? { down: 0, up: 0 };
  for (const direction of ['down', 'up'] as const) {
    const [first, second] = [of('anna')[direction], of('bert')[direction]];
    const sum = first + second;
    t.ok(sum > 18.5 && sum < 20.6, `${sum.toFixed(2)} Mbit/s ${direction} together`);
    t.ok(Math.abs(first / second / 4 - 1) < 0.15, `${first.toFixed(2)} and ${second.toFixed(2)} Mbit/s ${direction}`);
  }
});

t.test(
  'a stock client is served down to the limit and policed up to it',
  skipStock === false ? {} : { skip: skipStock },
  async (t) => {
    const hub = await build(t, { client: limits }, {}, connectStock);
    const [client] = hub.clients as readonly [Client];
    await bulk(hub.daemon, client, 'down');
    await sleep(500);
    const down = (await ratesOf(hub.daemon, 3)).get('client')?.down ?? 0;
    t.ok(down > 0.95 * limits.down && down < 1.02 * limits.down, `${down.toFixed(2)} Mbit/s down`);
    await bulk(hub.daemon, client, 'up');
    await sleep(1000);
    const up = (await ratesOf(hub.daemon, 6)).get('client')?.up ?? 0;
    t.ok(up > 0.8 * limits.up && up < 1.05 * limits.up, `${up.toFixed(2)} Mbit/s up`);
    const [peer] = await hub.daemon.peers();
    t.ok((peer?.limits.policedPackets ?? 0) > 0, 'by dropping what is too much');
  },
);
