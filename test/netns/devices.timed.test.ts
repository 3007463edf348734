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
t.setTimeout(120_000);
// Each moves a few Mbit/s.
t.jobs = 2;

const hubAddress = '10.9.0.1';
const rates = { up: 4, down: 8 };

/** Of the rate, and of a part: what quiet runs give, with as much again to spare (docs/adr/0040). */
const least = { down: 0.9, up: 0.88 };
const most = { down: 1.03, up: 1.06 };
const fair = { down: 0.1, up: 0.15 };

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

const directions = ['down', 'up'] as const;
type Direction = (typeof directions)[number];

/** Mbit/s. */
interface Measured {
  readonly each: readonly number[];
  readonly sum: number;
  readonly text: string;
}

/** Each device, and all of them together. */
async function measure(
  { daemon, devices }: Pick<Hub, 'daemon' | 'devices'>,
  seconds: number,
): Promise<Record<Direction, Measured>> {
  const measured = await ratesOf(daemon, seconds);
  const of = (direction: Direction): Measured => {
    const each = devices.map(({ name }) => measured.get(name)?.[direction] ?? 0);
    const text = `${each.map((rate) => rate.toFixed(2)).join(' + ')} Mbit/s ${direction}`;
    return { each, sum: each.reduce((all, rate) => all + rate, 0), text };
  };
  return { down: of('down'), up: of('up') };
}

/** Whether each has its part within so much of it. */
function areFair(each: readonly number[], tolerance: number): boolean {
  const part = each.reduce((all, rate) => all + rate, 0) / each.length;
  return each.every((rate) => Math.abs(rate / part - 1) < tolerance);
}

/** All in both directions: their sum is the rate, and each has its part of it. */
function holds(
  t: Test,
  measured: Record<Direction, Measured>,
  limits: Readonly<Record<Direction, number>>,
  what: string,
): void {
  for (const direction of directions) {
    const { each, sum, text } = measured[direction];
    t.comment(`${what}: ${text}, ${(sum / limits[direction]).toFixed(3)} of ${limits[direction]}`);
    t.ok(sum > least[direction] * limits[direction] && sum < most[direction] * limits[direction], `${what}: ${text}`);
    t.ok(areFair(each, fair[direction]), `${what}, each its part: ${text}`);
  }
}

t.test('three devices of one client have its rates together, a third each', { ...options }, async (t) => {
  const hub = await build(t, ['hawser', 'hawser', 'hawser']);
  const { daemon, devices, other } = hub;
  const [first] = devices as readonly [Sender, ...Sender[]];
  const alone = await ping(first.host, hubAddress, { count: 20, intervalMs: 20 });
  for (const direction of directions) for (const device of devices) await bulk(daemon, device, direction);
  await sleep(3000);
  holds(t, await measure(hub, 4), rates, 'three');
  const pings = await ping(first.host, hubAddress, { count: 40, intervalMs: 30 });
  t.ok(pings.averageMs < alone.averageMs + 20, `ping ${alone.averageMs} ms alone, ${pings.averageMs} beside them`);
  await bulk(daemon, other, 'down');
  await sleep(500);
  const bert = await measure({ daemon, devices: [other] }, 2);
  t.comment(bert.down.text);
  t.ok(bert.down.sum > least.down * rates.down, `another client has its own: ${bert.down.text}`);
});

t.test('what the others leave one device has, and gives back', { ...options }, async (t) => {
  const hub = await build(t, ['hawser', 'hawser']);
  const { daemon, devices } = hub;
  const [first, second] = devices as readonly [Sender, Sender];
  const only = { daemon, devices: [first] };
  for (const direction of directions) await bulk(daemon, first, direction);
  await sleep(2000);
  holds(t, await measure(only, 2), rates, 'alone');
  const floods = [flood(second.host, hubAddress, 16), flood(daemon.host, second.address, 16)];
  await sleep(3000);
  holds(t, await measure(hub, 4), rates, 'beside a flood');
  for (const one of floods) one.kill();
  await sleep(3000);
  holds(t, await measure(only, 2), rates, 'back');
});

t.test(
  'stock devices are policed in sum, and one beside a Hawser takes no more than its part',
  skipStock === false ? {} : { skip: skipStock },
  async (t) => {
    const hub = await build(t, ['stock', 'stock', 'hawser']);
    const { daemon, devices } = hub;
    for (const { host } of devices) flood(host, hubAddress, 12);
    for (const { address } of devices) flood(daemon.host, address, 12);
    await sleep(3000);
    holds(t, await measure(hub, 4), rates, 'stock and Hawser');
  },
);

t.test('of a rate that all share a client has one share, however many devices it has', { ...options }, async (t) => {
  const total = { up: 8, down: 8 };
  const hub = await build(t, ['hawser', 'hawser', 'hawser'], total);
  const { daemon, devices, other } = hub;
  for (const one of [...devices, other]) flood(daemon.host, one.address, 12);
  for (const one of [...devices, other]) flood(one.host, hubAddress, 12);
  await sleep(3000);
  const all = await measure({ daemon, devices: [...devices, other] }, 4);
  const shares = (direction: Direction): Measured => {
    const { each, sum, text } = all[direction];
    const bert = each.at(-1) ?? 0;
    return { each: [sum - bert, bert], sum, text };
  };
  holds(t, { down: shares('down'), up: shares('up') }, total, 'two clients');
});
