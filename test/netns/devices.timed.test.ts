/** Several devices of one client on real packets: they share the rates of their client fairly, and what one leaves the others have. */
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import type { NewClientAnswer } from '../../src/control/client-calls.ts';
import { Daemon } from '../support/daemon.ts';
import { generateKeys, type KeyPair } from '../support/keys.ts';
import { Lab, skipReason } from '../support/netns.ts';
import { port } from '../support/pair.ts';
import { bulk, bulkPort, flood, ratesOf, type Sender } from '../support/rates.ts';
import { ping, serveTcp } from '../support/traffic.ts';
import { stockSkipReason, WireguardGo } from '../support/wireguard-go.ts';

const skip = skipReason();
const options = skip === false ? {} : { skip };
const skipStock = skip || stockSkipReason();
t.setTimeout(300_000);

const hubAddress = '10.9.0.1';
const rates = { up: 4, down: 8 };

type Kind = 'hawser' | 'stock';

interface Hub {
  readonly daemon: Daemon;
  readonly devices: readonly Sender[];
  /** Another client, with one device. */
  readonly other: Sender;
}

/** A hub whose client `anna` has so many devices, each of its kind, and `bert` one. */
async function build(t: Test, kinds: readonly Kind[], total?: { up: number; down: number }): Promise<Hub> {
  const lab = new Lab();
  t.teardown(() => lab.close());
  const host = lab.host('hub');
  const client = total === undefined ? rates : { up: 'off', down: 'off' };
  const quotas = { daily: 'off', monthly: 'off' };
  const daemon = new Daemon(lab, host, {
    keys: generateKeys(),
    addresses: [`${hubAddress}/24`],
    port,
    peers: [],
    more: { server: { pool: '10.9.0.0/24', client: { ...client, ...quotas }, ...(total && { total }) } },
  });
  const all = [
    ...kinds.map((kind, index) => ({ name: index === 0 ? 'anna' : `anna/${index}`, kind })),
    { name: 'bert', kind: 'hawser' as const },
  ];
  const hosts = all.map(({ name }, index) => {
    const its = lab.host(name.replace('/', ''));
    lab.join(host, its, { addresses: [[`10.${index + 20}.0.1/24`], [`10.${index + 20}.0.2/24`]] });
    return its;
  });
  await daemon.start();
  const senders: Sender[] = [];
  for (const [index, { name, kind }] of all.entries()) {
    const keys = generateKeys();
    const address = `10.9.0.${index + 2}`;
    const [client = '', device] = name.split('/');
    const its = { publicKey: keys.publicKey, addresses: [address] };
    const answer =
      device === undefined
        ? await daemon.ask<NewClientAnswer>('client.add', { name: client, ...its })
        : await daemon.ask<NewClientAnswer>('client.device.add', { name: client, device, ...its });
    const sender = { name, host: hosts[index] as Sender['host'], address };
    await (kind === 'hawser' ? connectHawser : connectStock)(lab, sender, keys, answer, `10.${index + 20}.0.1:${port}`);
    senders.push(sender);
  }
  await serveTcp(host, bulkPort);
  for (const sender of senders) await ping(sender.host, hubAddress, { count: 5, intervalMs: 100 });
  return { daemon, devices: senders.slice(0, -1), other: senders.at(-1) as Sender };
}

type Connect = (lab: Lab, sender: Sender, keys: KeyPair, answer: NewClientAnswer, endpoint: string) => Promise<void>;

const connectHawser: Connect = async (lab, { host, address }, keys, { hub, presharedKey }, endpoint) => {
  const allowedIPs = [`${hubAddress}/32`];
  const peers = [{ name: 'hub', publicKey: hub.publicKey, presharedKey, allowedIPs, endpoints: [endpoint] }];
  await new Daemon(lab, host, { keys, addresses: [`${address}/24`], peers }).start();
};

const connectStock: Connect = async (lab, { host, address }, { privateKey }, { hub, presharedKey }, endpoint) => {
  const peers = [{ publicKey: hub.publicKey, presharedKey, allowedIPs: [`${hubAddress}/32`], endpoint }];
  await WireguardGo.start(lab, host, { privateKey, addresses: [`${address}/24`], peers });
};

type Direction = 'down' | 'up';

/** Mbit/s of each device, and of all of them together. */
async function measure({ daemon, devices }: Hub, direction: Direction, seconds: number) {
  const measured = await ratesOf(daemon, seconds);
  const each = devices.map(({ name }) => measured.get(name)?.[direction] ?? 0);
  const text = `${each.map((rate) => rate.toFixed(2)).join(' + ')} Mbit/s ${direction}`;
  return { each, sum: each.reduce((all, rate) => all + rate, 0), text };
}

/** Whether each has its part within so much of it. */
function areFair(each: readonly number[], tolerance: number): boolean {
  const part = each.reduce((all, rate) => all + rate, 0) / each.length;
  return each.every((rate) => Math.abs(rate / part - 1) < tolerance);
}

t.test('three devices of one client have its rates together, a third each', options, async (t) => {
  const hub = await build(t, ['hawser', 'hawser', 'hawser']);
  const { daemon, devices, other } = hub;
  const [first] = devices as readonly [Sender, ...Sender[]];
  const alone = await ping(first.host, hubAddress, { count: 20, intervalMs: 20 });
  for (const device of devices) await bulk(daemon, device, 'down');
  await sleep(3000);
  const down = await measure(hub, 'down', 4);
  t.ok(down.sum > 0.85 * rates.down && down.sum < 1.03 * rates.down, down.text);
  t.ok(areFair(down.each, 0.15), down.text);
  const pings = await ping(first.host, hubAddress, { count: 40, intervalMs: 30 });
  t.ok(pings.averageMs < alone.averageMs + 20, `ping ${alone.averageMs} ms alone, ${pings.averageMs} beside them`);
  for (const device of devices) await bulk(daemon, device, 'up');
  await sleep(4000);
  const up = await measure(hub, 'up', 5);
  t.ok(up.sum > 0.85 * rates.up && up.sum < 1.15 * rates.up, up.text);
  t.ok(areFair(up.each, 0.3), up.text);
  await bulk(daemon, other, 'down');
  await sleep(500);
  const bert = (await ratesOf(daemon, 2)).get('bert')?.down ?? 0;
  t.ok(bert > 0.75 * rates.down, `another client has its own: ${bert.toFixed(2)} Mbit/s`);
});

t.test('what the others leave one device has, and gives back', options, async (t) => {
  const hub = await build(t, ['hawser', 'hawser']);
  const { daemon, devices } = hub;
  const [first, second] = devices as readonly [Sender, Sender];
  for (const direction of ['down', 'up'] as const) await bulk(daemon, first, direction);
  await sleep(3000);
  for (const direction of ['down', 'up'] as const) {
    const alone = await measure(hub, direction, 2);
    t.ok((alone.each[0] ?? 0) > 0.7 * rates[direction], alone.text);
  }
  const floods = [flood(second.host, hubAddress, 16), flood(daemon.host, second.address, 16)];
  await sleep(4000);
  for (const direction of ['down', 'up'] as const) {
    const both = await measure(hub, direction, 4);
    t.ok(both.sum > 0.85 * rates[direction] && both.sum < 1.15 * rates[direction], both.text);
    t.ok(areFair(both.each, 0.3), `a flood takes no more than its part: ${both.text}`);
  }
  for (const one of floods) one.kill();
  await sleep(4000);
  for (const direction of ['down', 'up'] as const) {
    const again = await measure(hub, direction, 2);
    t.ok((again.each[0] ?? 0) > 0.7 * rates[direction], `back: ${again.text}`);
  }
});

t.test(
  'stock devices are policed in sum, and one beside a Hawser takes no more than its part',
  skipStock === false ? {} : { skip: skipStock },
  async (t) => {
    const hub = await build(t, ['stock', 'stock', 'hawser']);
    const { daemon, devices } = hub;
    for (const { host } of devices) flood(host, hubAddress, 12);
    for (const { address } of devices) flood(daemon.host, address, 12);
    await sleep(4000);
    for (const direction of ['up', 'down'] as const) {
      const all = await measure(hub, direction, 4);
      t.ok(all.sum > 0.85 * rates[direction] && all.sum < 1.15 * rates[direction], all.text);
      t.ok(areFair(all.each, 0.3), all.text);
    }
  },
);

t.test('of a rate that all share a client has one share, however many devices it has', options, async (t) => {
  const total = { up: 8, down: 8 };
  const hub = await build(t, ['hawser', 'hawser', 'hawser'], total);
  const { daemon, devices, other } = hub;
  for (const one of [...devices, other]) flood(daemon.host, one.address, 12);
  for (const one of [...devices, other]) flood(one.host, hubAddress, 12);
  await sleep(4000);
  const measured = await ratesOf(daemon, 4);
  for (const direction of ['down', 'up'] as const) {
    const of = ({ name }: Sender): number => measured.get(name)?.[direction] ?? 0;
    const anna = devices.reduce((all, one) => all + of(one), 0);
    const bert = of(other);
    t.ok(
      anna + bert > 0.85 * total[direction] && anna + bert < 1.15 * total[direction],
      `${(anna + bert).toFixed(2)} Mbit/s ${direction} together`,
    );
    t.ok(Math.abs(anna / bert - 1) < 0.2, `${anna.toFixed(2)} and ${bert.toFixed(2)} Mbit/s ${direction}`);
  }
});
