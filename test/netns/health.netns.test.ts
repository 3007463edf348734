/** A real daemon that probes hosts past the tunnel by every method, and an operator who changes its links while it runs. */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import type { EventRecord, InstanceEvent } from '../../src/control/events.ts';
import type { Explanation } from '../../src/control/explain.ts';
import type { HealthStatus, LinkStatus, PathStatus } from '../../src/control/network-rows.ts';
import { startBond } from '../support/bond.ts';
import { cliProgram, Daemon } from '../support/daemon.ts';
import { generateKeys } from '../support/keys.ts';
import { type Host, Lab, runCommand, skipReason } from '../support/netns.ts';
import { inside } from '../support/pair.ts';
import { ping } from '../support/traffic.ts';

const skip = skipReason();
const options = skip === false ? {} : { skip };
/** A loaded machine answers late. */
const patienceMs = 20_000;
t.setTimeout(300_000);

async function until(what: string, daemon: Daemon, isSo: () => Promise<boolean>): Promise<void> {
  const endMs = performance.now() + patienceMs;
  while (!(await isSo())) {
    if (performance.now() < endMs) await sleep(100);
    else throw new Error(`never ${what}: ${(await daemon.cli('health')).stdout}\n${daemon.log()}`);
  }
}

const methods = ['icmp', 'icmp6', 'dns', 'tcp', 'http', 'https'] as const;
const place = (index: number) => ({
  far4: `10.66.${index}.2`,
  far6: `fd66:${index}::2`,
  near: [`10.66.${index}.1/24`, `fd66:${index}::1/64`],
  far: [`10.66.${index}.2/24`, `fd66:${index}::2/64`],
});

/** Each link leads to the same host, which is asked by another method on each. */
function targetOf(method: string, index: number): string {
  const { far4, far6 } = place(index);
  if (method === 'icmp6') return `icmp://[${far6}]`;
  if (method === 'tcp') return `tcp://${far4}:80`;
  return method === 'https' ? `https://probe.test/` : `${method}://${far4}`;
}

async function startAnswering(lab: Lab, target: Host): Promise<{ certificate: string; child: ChildProcess }> {
  const [key, certificate] = ['key.pem', 'cert.pem'].map((name) => path.join(lab.folder, name));
  if (key === undefined || certificate === undefined) throw new Error('no files');
  const request = 'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=probe.test';
  const names = ['-addext', 'subjectAltName=DNS:probe.test'];
  runCommand('openssl', [...request.split(' '), ...names, '-keyout', key, '-out', certificate]);
  const program = path.resolve(import.meta.dirname, '../support/answering-program.js');
  const child = target.spawn(process.execPath, [program, key, certificate], { stdio: ['ignore', 'pipe', 'inherit'] });
  if (child.stdout !== null) await once(child.stdout, 'data');
  return { certificate, child };
}

t.test('every method sees its link live, die with its far end, and return', options, async (t) => {
  const lab = new Lab();
  t.teardown(() => lab.close());
  const [home, target] = [lab.host('home'), lab.host('target')];
  for (const [index, method] of methods.entries()) {
    const { near, far } = place(index);
    lab.join(home, target, { interfaces: [method, `${method}-far`], addresses: [near, far] });
  }
  const { certificate } = await startAnswering(lab, target);
  const hosts = path.join('/etc/netns', home.namespace);
  t.teardown(() => runCommand('rm', ['-rf', hosts]));
  // `ip netns exec` shows these files in place of /etc/hosts and /etc/resolv.conf.
  runCommand('sh', [
    '-c',
    `mkdir -p ${hosts} && echo ${place(methods.indexOf('https')).far4} probe.test > ${hosts}/hosts`,
  ]);
  const daemon = new Daemon(lab, home, {
    keys: generateKeys(),
    addresses: ['10.9.0.2/24'],
    peers: [],
    env: { NODE_EXTRA_CA_CERTS: certificate },
    more: {
      links: methods.map((method, index) => ({
        name: method,
        interface: method,
        health: { method: method === 'icmp6' ? 'icmp' : method, targets: [targetOf(method, index)] },
      })),
    },
  });
  await daemon.start();
  const states = async () => (await daemon.ask<HealthStatus[]>('health')).map((one) => `${one.link} ${one.state}`);
  const all = (state: string) => methods.map((method) => `${method} ${state}`).join();
  await until('all up', daemon, async () => (await states()).join() === all('up'));
  for (const one of await daemon.ask<HealthStatus[]>('health')) {
    const { rttMs = 0 } = one;
    t.ok(rttMs > 0 && rttMs < 100, `${one.link}: ${rttMs} ms over a veth`);
  }
  const cutMs = Date.now();
  for (const [index, method] of methods.entries()) {
    for (const address of place(index).far) target.ip(`address del ${address} dev ${method}-far`);
  }
  await until('all down', daemon, async () => (await states()).join() === all('down'));
  const events = await daemon.ask<EventRecord[]>('events');
  const down = events.filter(
    (one): one is EventRecord & InstanceEvent<'health-down'> => one.kind === 'health-down' && one.timeMs >= cutMs,
  );
  t.equal(down.length, methods.length, 'each told once');
  const echo = down.find((one) => one.link === 'icmp');
  t.comment(`a cut is seen by ICMP after ${(echo?.timeMs ?? 0) - cutMs} ms`);
  t.ok((echo?.timeMs ?? Number.POSITIVE_INFINITY) - cutMs < 5000);
  t.match(
    await daemon.ask<LinkStatus[]>('links'),
    methods.map(() => ({ state: 'dead', hasCarrier: true })),
  );
  t.match((await daemon.ask<Explanation[]>('explain'))[0], { severity: 'problem', text: /is dead: probes were not/ });
  for (const [index, method] of methods.entries()) {
    for (const address of place(index).far) {
      target.ip(`address add ${address} dev ${method}-far${address.includes(':') ? ' nodad' : ''}`);
    }
  }
  await until('all up again', daemon, async () => (await states()).join() === all('up'));
  const before = await daemon.ask<HealthStatus[]>('health');
  await daemon.actor('kill', 'health-checker');
  await until('judged by its successor', daemon, async () => (await states()).join() === all('up'));
  const [first] = await daemon.ask<HealthStatus[]>('health');
  t.ok((first?.history.length ?? 0) >= (before[0]?.history.length ?? 0), 'history outlives the checker');
});

t.test('auto finds the methods that a host answers, and one of them is enough', options, async (t) => {
  const lab = new Lab();
  t.teardown(() => lab.close());
  const [home, target] = [lab.host('home'), lab.host('target')];
  lab.join(home, target, { interfaces: ['wan', 'wan-far'], addresses: [['10.66.0.1/24'], ['10.66.0.2/24']] });
  target.setSysctl('net.ipv4.icmp_echo_ignore_all', '1');
  const daemon = new Daemon(lab, home, {
    keys: generateKeys(),
    addresses: ['10.9.0.2/24'],
    peers: [],
    more: { links: [{ name: 'wan', interface: 'wan', health: { targets: ['10.66.0.2'] } }] },
  });
  await daemon.start();
  const health = async () => (await daemon.ask<HealthStatus[]>('health'))[0];
  await until('up', daemon, async () => (await health())?.state === 'up');
  await sleep(3000);
  const { state, methodInUse, scores = {}, lossPercent = 100 } = (await health()) ?? {};
  t.match({ state, methodInUse }, { state: 'up', methodInUse: 'tcp' }, 'a refused connection is an answer');
  t.ok((scores.icmp ?? 1) <= 0.5 && (scores.tcp ?? 0) > 0.5, JSON.stringify(scores));
  t.ok(lossPercent < 10, `failures of the methods that are only tried are not the link's: ${lossPercent} %`);
  t.notOk((await daemon.ask<EventRecord[]>('events')).some((one) => one.kind === 'health-down'));
});

t.test('checks of a link: a captive portal is told from the Internet, and so many must pass', options, async (t) => {
  const lab = new Lab();
  t.teardown(() => lab.close());
  const [home, target] = [lab.host('home'), lab.host('target')];
  lab.join(home, target, { interfaces: ['wan', 'wan-far'], addresses: [['10.66.0.1/24'], ['10.66.0.2/24']] });
  const { child } = await startAnswering(lab, target);
  const checks = [
    { type: 'http', name: 'portal', url: 'http://10.66.0.2/generate_204', status: 204, timeout: '5s' },
    { type: 'dns', server: '10.66.0.2', query: 'localhost', answer: '127.0.0.1', timeout: '5s' },
    { type: 'icmp', target: '10.66.0.2', size: 1000, count: 2, timeout: '5s' },
  ];
  const daemon = new Daemon(lab, home, {
    keys: generateKeys(),
    addresses: ['10.9.0.2/24'],
    peers: [],
    more: { links: [{ name: 'wan', interface: 'wan', health: { checks, need: 'all' } }] },
  });
  const probing = home.run(process.execPath, [cliProgram, 'check', '--probe', daemon.configPath]);
  t.match(probing, /wan +portal +passes +.*status 204/);
  await daemon.start();
  const health = async () => (await daemon.ask<HealthStatus[]>('health'))[0];
  await until('up', daemon, async () => (await health())?.state === 'up');
  child.kill('SIGUSR2');
  await until('down', daemon, async () => (await health())?.state === 'down');
  const states = (await health())?.checks.map((check) => `${check.name} ${check.state}`);
  t.strictSame(states, ['portal down', 'dns-localhost up', 'icmp-10.66.0.2 up']);
  t.match(
    (await daemon.cli('health')).stdout,
    /portal +fails for .*: status 302 to http.*, expected 204: a captive portal\?/,
  );
  const [first] = await daemon.ask<Explanation[]>('explain');
  t.match(first?.text, /^Link wan is dead: check portal: status 302 .*a captive portal\?$/);
  child.kill('SIGUSR2');
  await until('up again', daemon, async () => (await health())?.state === 'up');
});

const fibreAndLte = [
  { name: 'fibre', rateMbit: 50, delayMs: 5 },
  { name: 'lte', rateMbit: 20, delayMs: 20 },
];

t.test('an operator takes links out, puts them back, adds, removes and forces them', options, async (t) => {
  const { lab, net, rope } = await startBond({ emulated: fibreAndLte, use: ['fibre'] });
  t.teardown(() => lab.close());
  const { client } = rope;
  const command = async (...args: string[]) => {
    const { status, stderr } = await client.cli(...args);
    t.equal(status, 0, `hawser ${args.join(' ')} ${stderr}`);
  };
  const paths = async () => (await client.ask<PathStatus[]>('paths')).filter((one) => one.condition === 'live');
  const live = async () => (await paths()).map((one) => one.link).sort();
  const lives = (what: string) => until(what, client, async () => (await live()).join() === what);
  const passes = async () => (await ping(net.client, inside.b4, { count: 10, intervalMs: 50 })).received;
  await lives('fibre');
  await command('link', 'add', 'lte', '--interface', 'lte');
  await lives('fibre,lte');
  await command('link', 'disable', 'fibre');
  await lives('lte');
  t.match(await client.ask('links'), [{ name: 'fibre', state: 'disabled', isEnabled: false }, { state: 'up' }]);
  t.ok((await passes()) > 5, 'the other link carries');
  await command('link', 'enable', 'fibre');
  await lives('fibre,lte');
  // What asks for its size are packets as long as dozens of pings.
  await until('sizes known', client, async () => (await paths()).every(({ mtu }) => mtu !== undefined));
  await command('failover', 'lte');
  const sentBy = async (link: string) => (await paths()).find((one) => one.link === link)?.sentBytes ?? 0;
  const [fibre, lte] = [await sentBy('fibre'), await sentBy('lte')];
  const { received } = await ping(net.client, inside.b4, { count: 40, intervalMs: 25 });
  const [byFibre, byLte] = [(await sentBy('fibre')) - fibre, (await sentBy('lte')) - lte];
  t.ok(received > 30 && byLte > 40 * 100 && byFibre < byLte / 2, `${byLte} bytes by lte, ${byFibre} by fibre`);
  t.match(await client.ask<Explanation[]>('explain'), [
    { severity: 'limit', link: 'lte', remedy: 'hawser failover auto' },
  ]);
  await command('failover', 'auto');
  await command('link', 'remove', 'lte');
  await lives('fibre');
  t.equal((await client.cli('link', 'remove', 'fibre')).status, 1, 'the last one stays');
  t.equal((await client.cli('link', 'add', 'x', '--rate', 'much')).status, 64);
  t.equal((await client.cli('link', 'add', 'x', '--interface', 'x0', '--priority', '999')).status, 78);
  t.ok((await passes()) > 5);
  const kinds = new Set((await client.ask<EventRecord[]>('events')).map((one) => one.kind));
  for (const kind of [
    'link-disabled',
    'link-enabled',
    'link-down',
    'link-up',
    'failover',
    'failback',
    'failover-forced',
  ] as const) {
    t.ok(kinds.has(kind), kind);
  }
});
