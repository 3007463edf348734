/** A quota on real packets: who has used it up is cut off to the packet, over a SIGKILL too, and is back after another quota. */
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import type { ClientRow, ClientUsage, NewClientAnswer } from '../../src/control/client-calls.ts';
import type { EventRecord } from '../../src/control/events.ts';
import { Daemon } from '../support/daemon.ts';
import { generateKeys, type KeyPair } from '../support/keys.ts';
import { type Host, Lab, skipReason } from '../support/netns.ts';
import { port } from '../support/pair.ts';
import { begin, ping, serveTcp } from '../support/traffic.ts';
import { stockSkipReason, WireguardGo } from '../support/wireguard-go.ts';

const skip = skipReason();
const options = skip === false ? {} : { skip };
const skipStock = skip || stockSkipReason();
t.setTimeout(240_000);
t.jobs = 2;

const quotaBytes = 20e6;
/** Of the issue: 0.1 %. */
const tolerance = 0.001;
const hubAddress = '10.9.0.1';
const bulkPort = 7000;

interface Hub {
  readonly daemon: Daemon;
  readonly phone: Host;
}

type Connect = (lab: Lab, phone: Host, keys: KeyPair, hub: NewClientAnswer['hub'], psk: string) => Promise<void>;

const connectHawser: Connect = async (lab, phone, keys, hub, psk) => {
  const peers = [
    {
      name: 'hub',
      publicKey: hub.publicKey,
      presharedKey: psk,
      allowedIPs: [`${hubAddress}/32`],
      endpoints: [`10.77.0.2:${port}`],
    },
  ];
  await new Daemon(lab, phone, { keys, addresses: ['10.9.0.2/24'], peers }).start();
};

const connectStock: Connect = async (lab, phone, keys, hub, psk) => {
  const peers = [
    { publicKey: hub.publicKey, presharedKey: psk, allowedIPs: [`${hubAddress}/32`], endpoint: `10.77.0.2:${port}` },
  ];
  await WireguardGo.start(lab, phone, { privateKey: keys.privateKey, addresses: ['10.9.0.2/24'], peers });
};

async function build(t: Test, connect: Connect): Promise<Hub> {
  const lab = new Lab();
  t.teardown(() => lab.close());
  const [host, phone] = [lab.host('hub'), lab.host('phone')];
  lab.join(phone, host, { addresses: [['10.77.0.1/24'], ['10.77.0.2/24']] });
  const daemon = new Daemon(lab, host, {
    keys: generateKeys(),
    addresses: [`${hubAddress}/24`],
    port,
    peers: [],
    more: { server: { pool: '10.9.0.0/24', client: { up: 'off', down: 80, daily: '20MB' } } },
  });
  await daemon.start();
  const keys = generateKeys();
  const { hub, presharedKey } = await daemon.ask<NewClientAnswer>('client.add', {
    name: 'phone',
    publicKey: keys.publicKey,
    addresses: ['10.9.0.2'],
  });
  await connect(lab, phone, keys, hub, presharedKey);
  await serveTcp(host, bulkPort);
  for (let tries = 0; tries < 20; tries += 1)
    if ((await ping(phone, hubAddress, { count: 2 })).received > 0) return { daemon, phone };
  throw new Error('the client does not connect');
}

const stateOf = async ({ daemon }: Hub): Promise<ClientRow> =>
  await daemon.ask<ClientRow>('client.show', { name: 'phone' });

async function usedToday({ daemon }: Hub): Promise<number> {
  const { periods } = await daemon.ask<ClientUsage>('client.usage', { name: 'phone' });
  return periods.find(({ period }) => period === 'day')?.usedBytes ?? 0;
}

const patienceMs = 45_000;

async function until(isSo: () => Promise<boolean>): Promise<boolean> {
  const endMs = performance.now() + patienceMs;
  while (performance.now() < endMs) {
    if (await isSo()) return true;
    await sleep(50);
  }
  return false;
}

/** What is more than the quota, as a part of it. */
async function excess(hub: Hub, bytes: number): Promise<number> {
  return ((await usedToday(hub)) - bytes) / bytes;
}

for (const [name, connect, its] of [
  ['Hawser', connectHawser, { ...options }],
  ['stock WireGuard', connectStock, skipStock === false ? {} : { skip: skipStock }],
] as const)
  t.test(`a client with ${name} is cut off at its quota to 0.1 %, and back after another one`, its, async (t) => {
    const hub = await build(t, connect);
    const { daemon, phone } = hub;
    const transfers = (['pull', 'push'] as const).map((way) => begin(way, phone, hubAddress, bulkPort, 60e6));
    t.ok(await until(async () => (await stateOf(hub)).state === 'quota'), 'cut off');
    const over = await excess(hub, quotaBytes);
    t.ok(over >= 0 && over <= tolerance, `by ${(over * 100).toFixed(3)} %`);
    t.comment(`over by ${(over * 100).toFixed(4)} %`);
    t.equal((await ping(phone, hubAddress, { count: 3, intervalMs: 200 })).received, 0);
    t.equal(await excess(hub, quotaBytes), over, 'nothing came after that');
    const events = async (): Promise<EventRecord[]> => await daemon.ask<EventRecord[]>('events');
    const told = (await events()).flatMap((event) =>
      event.kind === 'session-closed' ? [event.reason] : event.kind.startsWith('quota-') ? [event.kind] : [],
    );
    t.same(
      told.sort(),
      ['quota', 'quota-exceeded', 'quota-warning'].filter((kind) => told.includes(kind)),
      told.join(),
    );
    t.ok(told.includes('quota') && told.includes('quota-exceeded'));
    const refusals = async (): Promise<number> => (await stateOf(hub)).devices[0]?.refusal?.count ?? 0;
    t.ok(await until(async () => (await refusals()) > 0), 'its calls are refused');
    t.match((await stateOf(hub)).devices[0]?.refusal, { reason: 'quota' });
    t.ok((await events()).some((event) => event.kind === 'handshake-refused' && /quota/.test(event.reason)));

    // They would go on, and use up the second quota before anybody has looked.
    for (const one of transfers) one.kill('SIGKILL');
    await daemon.ask('client.set', { name: 'phone', quota: { dailyBytes: 2 * quotaBytes } });
    const isBack = await until(async () => (await ping(phone, hubAddress, { count: 1 })).received > 0);
    t.ok(isBack, 'back', { hub: isBack ? '' : daemon.log().slice(-8_000), client: await stateOf(hub) });
    t.match(await stateOf(hub), { state: 'enabled', quota: { isExceeded: false } });
    t.ok((await events()).some(({ kind }) => kind === 'quota-reset'));
    begin('pull', phone, hubAddress, bulkPort, 60e6);
    t.ok(await until(async () => (await stateOf(hub)).state === 'quota'), 'and cut off again');
    const again = await excess(hub, 2 * quotaBytes);
    t.ok(again >= 0 && again <= tolerance, `by ${(again * 100).toFixed(3)} %`);
  });

t.test(
  'a hub that is killed loses ten seconds of usage at most, and keeps out who was out',
  { ...options },
  async (t) => {
    const hub = await build(t, connectHawser);
    const { daemon, phone } = hub;
    begin('pull', phone, hubAddress, bulkPort, 60e6);
    t.ok(await until(async () => (await stateOf(hub)).state === 'quota'));
    const used = await usedToday(hub);
    await daemon.stop('SIGKILL');
    await daemon.start();
    t.equal((await stateOf(hub)).state, 'quota');
    t.equal(await usedToday(hub), used);
    t.equal((await ping(phone, hubAddress, { count: 3, intervalMs: 200 })).received, 0);
    const events = await daemon.ask<EventRecord[]>('events');
    t.notOk(
      events.some(({ kind }) => kind.startsWith('quota-')),
      'and nothing is told twice',
    );
    await daemon.ask('client.set', { name: 'phone', quota: { dailyBytes: 0 } });
    t.ok(await until(async () => (await ping(phone, hubAddress, { count: 1 })).received > 0), 'back');
  },
);
