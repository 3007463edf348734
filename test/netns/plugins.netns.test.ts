/** Plugins of a real daemon: one of each kind of misbehaviour, and the tunnel carries on; clients that a plugin lets in, and that nobody does. */
import { createHmac } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { HawserError } from '../../src/base/errors.ts';
import { packageRoot } from '../../src/base/package-info.ts';
import type { NewClientAnswer } from '../../src/control/client-calls.ts';
import type { EventRecord } from '../../src/control/events.ts';
import type { Explanation } from '../../src/control/explain.ts';
import type { LinkStatus } from '../../src/control/network-rows.ts';
import type { PluginStatus } from '../../src/control/plugins.ts';
import { processesOf } from '../../src/io/process-facts.ts';
import { Daemon } from '../support/daemon.ts';
import { generateKeys } from '../support/keys.ts';
import { Lab, skipReason } from '../support/netns.ts';
import { buildPair, inside, outside, port } from '../support/pair.ts';
import { childrenOf, pluginSkipReason, writePlugins } from '../support/plugins.ts';
import { ping } from '../support/traffic.ts';
import { type GotWebhook, receiverUrl, receiveWebhooks } from '../support/webhook-receiver.ts';

const skip = skipReason() || pluginSkipReason();
const options = skip === false ? {} : { skip };
t.setTimeout(240_000);

async function becomes(isRight: () => boolean | Promise<boolean>): Promise<boolean> {
  for (let tries = 0; tries < 300; tries += 1) {
    try {
      if (await isRight()) return true;
    } catch (error) {
      // Asked before its thread has begun, or while another one takes its place.
      if (!(error instanceof HawserError) || error.code !== 'SILENT') throw error;
    }
    await sleep(100);
  }
  return false;
}

function residentMiB(pid: number): number {
  return Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024;
}

function change(daemon: Daemon, more: object): void {
  const config = JSON.parse(readFileSync(daemon.configPath, 'utf8')) as object;
  writeFileSync(daemon.configPath, JSON.stringify({ ...config, ...more }, undefined, 2));
}

t.test('whatever plugins do, the tunnel carries on, and explain names each', options, async (t) => {
  const files = writePlugins(t, {
    well: `export const health = () => true; export const events = { kinds: ['link-*'], handle() {} };`,
    throws: `throw new Error('broken on purpose');`,
    loops: `setTimeout(() => { for (;;); }, 500); export const health = () => true;`,
    grows: `const held = []; setInterval(() => held.push(Buffer.alloc(8 << 20, 1)), 5);`,
    floods: `const line = 'x'.repeat(65_536); setInterval(() => { for (let i = 0; i < 64; i += 1) process.stderr.write(line); }, 1);`,
    blocks: `for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP']) process.on(signal, () => {});
process.on('exit', () => { for (;;); }); process.stdin.on('end', () => { for (;;); }); export const health = () => true;`,
  });
  const pair = buildPair();
  const { a, b, hosts, lab } = pair;
  t.teardown(() => lab.close());
  change(a, { plugins: [files.well] });
  await b.start();
  await a.start();
  t.ok(await becomes(async () => (await ping(hosts.a, inside.b4, { count: 1 })).received === 1));
  const list = () => a.ask<readonly PluginStatus[]>('plugin.list');
  t.ok(await becomes(async () => (await list())[0]?.state === 'running'), JSON.stringify(await list()));
  const threads = async () => (await a.actors()).map(({ id, threadId }) => `${id} ${threadId}`);
  const old = await threads();
  const before = residentMiB(a.pid);
  const pings = ping(hosts.a, inside.b4, { count: 500, intervalMs: 20 });
  change(a, { plugins: Object.values(files) });
  t.match((await a.cli('reload')).stdout, /plugins changed/);
  t.strictSame(
    (await threads()).filter((one) => !old.includes(one)).map((one) => one.split(' ')[0]),
    ['plugin-host'],
    'nobody else was renewed',
  );
  const uids = new Set<number>();
  let most = 0;
  const named = async (): Promise<string[]> => {
    for (const { uid } of await list()) if (uid !== undefined) uids.add(uid);
    most = Math.max(most, residentMiB(a.pid));
    const texts = (await a.ask<readonly Explanation[]>('explain')).map(({ text }) => text);
    return ['throws', 'loops', 'grows', 'floods'].filter((name) =>
      texts.some((text) => text.startsWith(`Plugin ${name} `)),
    );
  };
  t.ok(await becomes(async () => (await named()).length === 4), `explain names ${(await named()).join()}`);
  const { sent, received, maxMs } = await pings;
  t.comment(`${received} of ${sent} pings, ${maxMs} ms at most; daemon ${before.toFixed(0)} → ${most.toFixed(0)} MiB`);
  t.equal(received, sent, 'no ping is lost');
  t.ok(most - before < 100, 'the memory of the daemon is bounded');
  const states = Object.fromEntries((await list()).map(({ plugin, state }) => [plugin, state]));
  t.match(states, { well: 'running', blocks: 'running' });
  t.match((await a.cli('plugin', 'list')).stdout, /^throws .*broken on purpose/m);
  const kinds = (await a.ask<EventRecord[]>('events')).map(({ kind }) => kind);
  t.ok(kinds.includes('plugin-failed') && kinds.includes('plugin-ready'));
  t.notOk(kinds.includes('exit') || kinds.includes('cut'), 'no thread died of it');

  change(a, { plugins: [files.well] });
  await a.ask('reload');
  t.ok(await becomes(async () => (await list())[0]?.state === 'running'));
  t.strictSame(
    childrenOf(a.pid).filter(({ state }) => state === 'Z'),
    [],
    'no zombies',
  );
  t.equal(childrenOf(a.pid).length, 1);
  const troubles = (await a.ask<readonly Explanation[]>('explain')).filter(({ text }) => text.startsWith('Plugin'));
  t.strictSame(troubles, [], 'what is gone is no trouble');
  const hostThread = async () =>
    (await a.actors()).find(({ id, state }) => id === 'plugin-host' && state === 'running')?.threadId;
  const killed = await hostThread();
  await a.actor('kill', 'plugin-host');
  const isBack = async () => ![undefined, killed].includes(await hostThread());
  t.ok(await becomes(isBack));
  t.ok(await becomes(async () => (await list())[0]?.state === 'running'), 'a plugin-host that dies begins them anew');
  t.strictSame(
    childrenOf(a.pid).map(({ state }) => state === 'Z'),
    [false],
    'and waits for those of before',
  );
  change(a, { plugins: [files.blocks, files.loops] });
  await a.ask('reload');
  t.ok(await becomes(async () => (await list()).every(({ state }) => state === 'running')));
  for (const { uid } of await list()) if (uid !== undefined) uids.add(uid);
  await a.stop();
  const left = () => processesOf([...uids]);
  t.strictSame(left(), [], 'a stop ends them all');
  await a.start();
  t.ok(
    await becomes(async () => (await list()).some(({ plugin, state }) => plugin === 'blocks' && state === 'running')),
  );
  t.ok(left().length > 0);
  await a.stop('SIGKILL');
  t.ok(await becomes(() => left().length === 0), 'a kill too');
});

t.test('clients come by the yes of a plugin alone', options, async (t) => {
  const gate = writePlugins(t, {
    gate: `let settings; export function start(given) { settings = given.settings; }
export async function authorise({ client, device, endpoint }) {
  if (settings.mode === 'hangs') { for (;;); }
  if (settings.mode === 'silent') return await new Promise(() => {});
  if (settings.mode === 'throws') throw new Error('cannot reach the directory');
  return settings.allowed.includes(client) ? true : { allow: false, reason: client + ' is unknown at ' + endpoint.split(':')[0] };
}`,
  }).gate;
  const lab = new Lab();
  t.teardown(() => lab.close());
  const [hubHost, hostA] = [lab.host('hub'), lab.host('a')];
  lab.join(hostA, hubHost, { addresses: [[`${outside.a4}/24`], [`${outside.b4}/24`]] });
  const server = { pool: '10.9.0.0/24', endpoint: `${outside.b4}:${port}`, authorise: 'gate' };
  const pluginsOf = (settings: object) => ({
    plugins: [{ file: gate, settings: { allowed: ['other'], ...settings } }],
  });
  const hub = new Daemon(lab, hubHost, {
    keys: generateKeys(),
    addresses: ['10.9.0.1/24'],
    port,
    peers: [],
    more: { server, ...pluginsOf({}) },
  });
  await hub.start();
  const isReady = () => becomes(async () => (await hub.ask<PluginStatus[]>('plugin.list'))[0]?.state === 'running');
  t.ok(await isReady());
  const keys = generateKeys();
  const answer = await hub.ask<NewClientAnswer>('client.add', { name: 'kiosk', publicKey: keys.publicKey });
  const client = new Daemon(lab, hostA, {
    keys,
    addresses: ['10.9.0.2/32'],
    peers: [
      {
        name: 'hub',
        publicKey: answer.hub.publicKey,
        presharedKey: answer.presharedKey,
        allowedIPs: ['10.9.0.1/32'],
        endpoints: [`${outside.b4}:${port}`],
        keepalive: '1s',
      },
    ],
  });
  await client.start();
  const refusals = async () =>
    (await hub.ask<EventRecord[]>('events')).flatMap((event) =>
      event.kind === 'handshake-refused' ? event.reason : [],
    );
  const reload = async (settings: object) => {
    change(hub, pluginsOf(settings));
    await hub.ask('reload');
    t.ok(await isReady());
  };
  t.ok(await becomes(async () => (await refusals()).length > 0));
  t.match(await refusals(), [/does not let it in: kiosk is unknown at 10\.77\.0\.1$/]);
  t.equal((await ping(hostA, '10.9.0.1', { count: 2 })).received, 0);
  t.match(
    (await hub.cli('client', 'show', 'kiosk')).stdout,
    /refused \d+ times, .*: the plugin of server\.authorise does not let it in/,
  );
  t.match((await hub.cli('explain')).stdout, /Client kiosk is not let in by the plugin of server\.authorise/);

  await reload({ mode: 'silent' });
  // A question that fell into the plugin's restart may have been told before, and the next of its kind is told after a minute.
  t.ok(await becomes(async () => (await refusals()).some((reason) => /does not say who may/.test(reason))));
  t.equal((await ping(hostA, '10.9.0.1', { count: 2 })).received, 0, 'silence is no yes');
  t.match((await hub.cli('client', 'show', 'kiosk')).stdout, /does not say whether it may \(hawser plugin list\)/);
  t.match((await hub.cli('explain')).stdout, /Plugin gate fails: plugin gate did not answer within 500 ms/);

  await reload({ allowed: ['kiosk'] });
  const isIn = () => becomes(async () => (await ping(hostA, '10.9.0.1', { count: 1 })).received === 1);
  t.ok(await isIn(), 'the yes lets it in');
  t.notMatch((await hub.cli('client', 'show', 'kiosk')).stdout, /refused/);
  const pings = ping(hostA, '10.9.0.1', { count: 150, intervalMs: 20 });
  await reload({ mode: 'hangs', allowed: ['kiosk'] });
  await client.ask('peer.rekey', { name: 'hub' });
  const { sent, received } = await pings;
  t.equal(received, sent, 'who is in stays in while the plugin hangs');

  await client.stop();
  change(hub, {
    ...pluginsOf({ allowed: ['kiosk'] }),
    server: { pool: '10.9.0.0/24', endpoint: `${outside.b4}:${port}` },
  });
  await hub.ask('reload');
  await client.start();
  t.ok(await isIn(), 'without server.authorise nobody is asked for');
});

t.test('the shipped plugins work in a daemon, and suggestions reach the links', options, async (t) => {
  const own = writePlugins(t, {
    tariff: `export const bonding = { everySeconds: 1, suggest: ({ links }) => links.map(({ link }) => ({ link, role: 'metered', weight: 9 })) };`,
    modem: `export const health = ({ argument, link }) => ({ ok: argument === 'well', rttMs: 7, detail: 'signal of ' + link });`,
  });
  const { a, b, hosts, lab, ports } = buildPair();
  t.teardown(() => lab.close());
  const shipped = writePlugins(t, {
    chat: readFileSync(path.join(packageRoot(), 'packaging/plugins/chat.mjs'), 'utf8').replace(
      /^export const hawserPlugin.*$/m,
      '',
    ),
  });
  const folder = path.dirname(a.configPath);
  const secretFile = path.join(folder, 'hook.secret');
  writeFileSync(secretFile, Buffer.alloc(32, 7).toString('base64'), { mode: 0o600 });
  const got = receiveWebhooks(t, hosts.a, path.join(folder, 'got'));
  const checks = ['well', 'ill'].map((argument) => ({
    type: 'plugin',
    name: argument,
    plugin: 'modem',
    argument,
    interval: '1s',
  }));
  change(a, {
    plugins: [shipped.chat, own.tariff, own.modem],
    webhooks: [{ url: receiverUrl, events: ['link-enabled'], secretFile, allowPrivate: true, format: 'chat' }],
    bonding: { suggestions: 'tariff' },
    links: [{ name: 'wan', interface: ports[0].interface, health: { checks, need: 'any' } }],
  });
  await b.start();
  await a.start();
  t.ok(
    await becomes(async () => (await a.ask<PluginStatus[]>('plugin.list')).every(({ state }) => state === 'running')),
  );
  const link = async () => (await a.ask<readonly LinkStatus[]>('links'))[0];
  t.ok(await becomes(async () => (await link())?.suggested.role === 'metered'), JSON.stringify(await link()));
  t.match((await a.cli('links')).stdout, /metered \(plugin; always\)/);
  t.ok(
    await becomes(async () => (await ping(hosts.a, inside.b4, { count: 1 })).received === 1),
    'the only link carries all the same',
  );
  t.ok(
    await becomes(async () => /well +.*signal of wan/.test((await a.cli('health')).stdout)),
    (await a.cli('health')).stdout,
  );
  t.ok(
    (await a.ask<EventRecord[]>('events')).some(({ kind }) => kind === 'check-failed'),
    'and the other one fails',
  );
  for (const verb of ['link.disable', 'link.enable'] as const) await a.ask(verb, { name: 'wan' });
  t.ok(await becomes(() => got().length > 0), (await a.cli('webhook', 'list')).stdout);
  const [{ headers, body } = { headers: {}, body: '' }] = got() as GotWebhook[];
  t.match(JSON.parse(body), { text: /Hawser a: link-enabled link=wan/ });
  const signed = createHmac('sha256', Buffer.alloc(32, 7)).update(
    `${headers['webhook-id']}.${headers['webhook-timestamp']}.${body}`,
  );
  t.equal(headers['webhook-signature'], `v1,${signed.digest('base64')}`, 'what it made is what is signed');
  change(a, { bonding: {} });
  await a.ask('reload');
  t.ok(await becomes(async () => (await link())?.suggested.role === undefined), 'taken back');
});
