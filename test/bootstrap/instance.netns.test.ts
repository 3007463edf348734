/** A whole instance on one host: its start, its lock, reload, the end by SIGTERM and by SIGKILL, and what systemd hears. */
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import type { EventRecord } from '../../src/control/events.ts';
import { cliProgram, Daemon, type DaemonOptions } from '../support/daemon.ts';
import { generateKeys } from '../support/keys.ts';
import { type Host, Lab, skipReason } from '../support/netns.ts';

t.setTimeout(900_000);

const skip = skipReason();
const options = skip === false ? {} : { skip };

interface Bench {
  readonly lab: Lab;
  readonly host: Host;
  readonly daemon: Daemon;
  create(more?: Partial<DaemonOptions>): Daemon;
}

function bench(t: Test): Bench {
  const lab = new Lab();
  t.teardown(() => lab.close());
  const host = lab.host('a');
  const peer = { name: 'hub', publicKey: generateKeys().publicKey, allowedIPs: ['10.9.0.0/24', 'fd00:9::/64'] };
  const create = (more: Partial<DaemonOptions> = {}): Daemon =>
    new Daemon(lab, host, {
      keys: generateKeys(),
      addresses: ['10.9.0.2/24', 'fd00:9::2/64'],
      port: 51820,
      peers: [peer],
      more: { runtime: { placement: 'dedicated' } },
      ...more,
    });
  return { lab, host, daemon: create(), create };
}

interface ConfigFile {
  readonly tunnel: object;
  readonly peers: object[];
}

/** Changes the daemon's configuration file, which is JSON. */
function editConfig(daemon: Daemon, edit: (config: ConfigFile) => void): void {
  const config = JSON.parse(readFileSync(daemon.configPath, 'utf8')) as ConfigFile;
  edit(config);
  writeFileSync(daemon.configPath, JSON.stringify(config));
}

async function until(condition: () => boolean | Promise<boolean>, limitMs = 20_000): Promise<void> {
  for (const endMs = performance.now() + limitMs; performance.now() < endMs; await sleep(10)) {
    if (await condition()) return;
  }
  throw new Error(`The condition did not hold within ${limitMs} ms`);
}

t.test('SIGTERM ends an instance with exit 0 and leaves nothing', options, async (t) => {
  const { lab, host, daemon } = bench(t);
  const before = host.snapshot();
  await daemon.start();
  t.match(host.snapshot().addresses, /hawser0.*10\.9\.0\.2\/24/);
  t.ok((await daemon.actors()).every((actor) => actor.state === 'running'));
  t.equal(await daemon.stop(), 0);
  t.same(host.snapshot(), before);
  t.same(readdirSync(path.join(lab.folder, 'run')), []);
});

t.test('SIGTERM in the middle of the start, or twice, leaves nothing either', options, async (t) => {
  const { lab, host, daemon } = bench(t);
  const before = host.snapshot();
  for (const pauseMs of [150, 250, 350]) {
    const started = daemon.start().catch(() => undefined);
    await sleep(pauseMs);
    await daemon.stop();
    await started;
    t.same(host.snapshot(), before, `stopped after ${pauseMs} ms`);
  }
  await daemon.start();
  const ended = daemon.ended();
  process.kill(daemon.pid, 'SIGTERM');
  process.kill(daemon.pid, 'SIGINT');
  await ended;
  t.same(host.snapshot(), before, 'stopped twice');
  t.same(readdirSync(path.join(lab.folder, 'run')), []);
});

t.test('a second process of the same name is refused with the name and the pid of the first', options, async (t) => {
  const { host, daemon } = bench(t);
  await daemon.start();
  const args = ['netns', 'exec', host.namespace, process.execPath, cliProgram, 'up', daemon.configPath];
  const second = spawnSync('ip', args, { encoding: 'utf8' });
  t.equal(second.status, 1);
  t.match(second.stderr, new RegExp(`"${daemon.name}" runs already, as process ${daemon.pid}`));
  t.equal((await daemon.cli('status')).status, 0, 'the first is not disturbed');
  t.equal(await daemon.stop(), 0);
});

t.test('an instance that cannot have its device leaves the one that has it alone', options, async (t) => {
  const { lab, host, daemon, create } = bench(t);
  await daemon.start();
  const running = host.snapshot();
  const other = create({ port: 51821 });
  const config = JSON.parse(readFileSync(other.configPath, 'utf8'));
  const file = path.join(lab.folder, 'other.yaml');
  writeFileSync(file, JSON.stringify({ ...config, name: 'other' }));
  const args = ['netns', 'exec', host.namespace, process.execPath, cliProgram, 'up', file];
  const second = spawnSync('ip', args, { encoding: 'utf8' });
  t.equal(second.status, 1);
  t.match(second.stderr, /Cannot open TUN device "hawser0": .*EBUSY.*choose another tunnel\.interface/);
  t.same(host.snapshot(), running);
  t.equal(await daemon.stop(), 0);
});

t.test(
  'after SIGKILL the device, its addresses and routes stay, and the next start takes them over',
  options,
  async (t) => {
    const { host, daemon } = bench(t);
    const before = host.snapshot();
    await daemon.start();
    const indexOf = () => /^(\d+): hawser0/m.exec(host.ip('-o link show hawser0'))?.[1];
    const index = indexOf();
    const routes = () => host.ip('-4 route show table all dev hawser0').replace(/ linkdown/g, '');
    const running = routes();
    t.equal(await daemon.stop('SIGKILL'), 'SIGKILL');
    t.equal(indexOf(), index);
    t.equal(routes(), running);
    const startMs = await daemon.start();
    t.match(daemon.log(), /by the configuration of the run before/);
    t.comment(`started again and answering after ${startMs.toFixed(0)} ms`);
    t.equal(indexOf(), index, 'the same device');
    t.equal(routes(), running);
    await daemon.stop('SIGKILL');
    editConfig(daemon, (config) => Object.assign(config.tunnel, { mtu: 1300 }));
    await daemon.start();
    t.match(host.ip('link show hawser0'), /mtu 1300/, 'a file that was changed meanwhile is read');
    t.equal(await daemon.stop(), 0);
    t.same(host.snapshot(), before);
  },
);

t.test('SIGHUP applies what changed and touches no other actor', options, async (t) => {
  const { host, daemon } = bench(t);
  await daemon.start();
  const threads = async () => new Map((await daemon.actors()).map((actor) => [actor.id, actor.threadId]));
  const before = await threads();
  const peer = { name: 'new', publicKey: generateKeys().publicKey, allowedIPs: ['10.44.0.0/16'] };
  editConfig(daemon, (config) => {
    config.peers.push(peer);
    Object.assign(config.tunnel, { addresses: ['10.9.0.3/24'], mtu: 1300 });
  });
  process.kill(daemon.pid, 'SIGHUP');
  await until(() => host.ip('route show table all').includes('10.44.0.0/16'));
  t.match(host.ip('-o -4 address show dev hawser0'), /10\.9\.0\.3\/24/);
  t.notMatch(host.ip('-o -4 address show dev hawser0'), /10\.9\.0\.2\/24/);
  t.match(host.ip('link show hawser0'), /mtu 1300/);
  const after = await threads();
  for (const id of ['tun-reader', 'tun-writer', 'wan-link.default', 'session-manager', 'control-server']) {
    t.equal(after.get(id), before.get(id), `${id} was not touched`);
  }

  const log = daemon.log().length;
  editConfig(daemon, (config) => Object.assign(config.tunnel, { mtu: 'huge' }));
  process.kill(daemon.pid, 'SIGHUP');
  await until(() => daemon.log().slice(log).includes('reload-failed'));
  t.match(host.ip('link show hawser0'), /mtu 1300/, 'a wrong file changes nothing');
  t.equal(await daemon.stop(), 0);
});

t.test('links come and go by a reload, which drops one added by hand', options, async (t) => {
  const { lab, host, create } = bench(t);
  const other = lab.host('b');
  lab.join(host, other, { interfaces: ['wan0', 'b0'], addresses: [['10.1.0.1/24'], ['10.1.0.2/24']] });
  lab.join(host, other, { interfaces: ['wan1', 'b1'], addresses: [['10.2.0.1/24'], ['10.2.0.2/24']] });
  const link = (name: string, device: string) => ({ name, interface: device, priority: 0 });
  const daemon = create({ more: { links: [link('fibre', 'wan0')] } });
  await daemon.start();
  editConfig(daemon, (config) => Object.assign(config, { links: [link('fibre', 'wan0'), link('lte', 'wan1')] }));
  process.kill(daemon.pid, 'SIGHUP');
  const ids = async () => (await daemon.actors()).filter((one) => one.state === 'running').map((one) => one.id);
  await until(async () => (await ids()).includes('wan-link.lte'));
  editConfig(daemon, (config) => Object.assign(config, { links: [link('lte', 'wan1')] }));
  process.kill(daemon.pid, 'SIGHUP');
  await until(async () => !(await ids()).includes('wan-link.fibre'));
  await until(async () => (await ids()).length === 7);
  t.match(await daemon.cli('link', 'add', 'cable', '--interface', 'wan0'), {
    status: 0,
    stdout: `goes by ${daemon.configPath} and drops "cable" again.\nTo keep it, add to "links" in ${daemon.configPath}:\n{"name":"cable"`,
  });
  await until(async () => (await ids()).includes('wan-link.cable'));
  process.kill(daemon.pid, 'SIGHUP');
  await until(async () => !(await ids()).includes('wan-link.cable'));
  t.equal(await daemon.stop(), 0);
});

t.test('a reload that cannot be done leaves everything as it was', options, async (t) => {
  const { host, daemon } = bench(t);
  const taken = `import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(("", 4500))
print("bound", flush=True); s.recv(1)`;
  const holder = host.spawn('python3', ['-c', taken], { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(holder.stdout ?? holder, 'data');
  await daemon.start();
  editConfig(daemon, (config) => Object.assign(config, { listen: { udp: 4500 } }));
  const { status, stderr } = await daemon.cli('reload');
  t.not(status, 0);
  t.match(stderr, /UDP port 4500: .*EADDRINUSE.*choose another listen\.udp/);
  t.ok((await daemon.actors()).every((actor) => actor.state === 'running'));
  t.match(host.run('cat', ['/proc/net/udp']), /:CA6C /, 'port 51820 is open again');
  t.equal(await daemon.stop(), 0);
});

t.test('too many restarts end the process with the reason, and nothing is left', options, async (t) => {
  const { host, create } = bench(t);
  const daemon = create({ more: { runtime: { restartLimit: 1, placement: 'dedicated' } } });
  const before = host.snapshot();
  await daemon.start();
  const ended = daemon.ended();
  await daemon.actor('kill', 'opener');
  await until(async () => (await daemon.actors()).some((one) => one.restarts === 1 && one.state === 'running'));
  await daemon.actor('kill', 'opener');
  t.equal(await ended, 1);
  t.match(daemon.log(), /opener died more than 1 times within 10 s; the last time: opener: ActorKilled/);
  t.same(host.snapshot(), before);
});

t.test('a TUN device that is deleted ends the process with the reason and the remedy', options, async (t) => {
  const { host, daemon } = bench(t);
  const before = host.snapshot();
  await daemon.start();
  const ended = daemon.ended();
  host.ip('link del hawser0');
  t.equal(await ended, 1);
  t.match(daemon.log(), /The TUN device \\?"hawser0\\?" was deleted \(restart the instance, which makes it again\)/);
  t.same(host.snapshot(), before);
  await daemon.start();
  t.match(host.snapshot().addresses, /hawser0.*10\.9\.0\.2\/24/, 'the next start makes it again');
  t.equal(await daemon.stop(), 0);
});

t.test('a TUN device that is moved to another network namespace goes on', options, async (t) => {
  const { lab, host, daemon } = bench(t);
  const other = lab.host('inside');
  await daemon.start();
  host.ip(`link set hawser0 netns ${other.namespace}`);
  await until(() => daemon.log().includes('interface-gone'));
  await sleep(300);
  const actors = await daemon.actors();
  t.ok(actors.every((actor) => actor.state === 'running' && actor.restarts === 0));
  await daemon.stop();
});

t.test('what the host lacks is named before anything is opened', options, async (t) => {
  const { lab, host, daemon } = bench(t);
  const drop = ['--bounding-set=-net_admin', '--inh-caps=-net_admin', process.execPath, cliProgram, 'up'];
  const args = ['netns', 'exec', host.namespace, 'setpriv', ...drop, daemon.configPath];
  const run = spawnSync('ip', args, { encoding: 'utf8' });
  t.equal(run.status, 1);
  t.match(run.stderr, /Cannot start: the process lacks CAP_NET_ADMIN \(run as root, or by the systemd unit\)/);
  t.notOk(readdirSync(lab.folder).includes('run'), 'not even the lock');
});

t.test('systemd hears READY=1, WATCHDOG=1 and STOPPING=1', options, async (t) => {
  const { lab, host, create } = bench(t);
  const socketPath = path.join(lab.folder, 'notify');
  const listen = `import socket
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); s.bind("${socketPath}"); print("bound", flush=True)
while True: print(s.recv(4096).decode().replace("\\n", " "), flush=True)`;
  const listener = host.spawn('python3', ['-c', listen], { stdio: ['ignore', 'pipe', 'inherit'] });
  let heard = '';
  listener.stdout?.on('data', (chunk: Buffer) => {
    heard += chunk.toString();
  });
  await once(listener.stdout ?? listener, 'data');
  const daemon = create({ env: { NOTIFY_SOCKET: socketPath, WATCHDOG_USEC: '200000' } });
  await daemon.start();
  await until(() => /READY=1.*\n(WATCHDOG=1\n){2}/.test(heard));
  await daemon.stop();
  await until(() => heard.includes('STOPPING=1'));
});

t.test('an instance is ready before its API, history and plugins are, and who asks them waits', options, async (t) => {
  const { lab, create } = bench(t);
  const daemon = create({ more: { history: {}, api: { tokensFile: path.join(lab.folder, 'tokens') } } });
  await daemon.start();
  const info = await daemon.ask<{ readonly keepS: object }>('history.info');
  t.ok(info.keepS, 'asked as soon as the socket answers');
  await t.rejects(
    daemon.ask('login.open', { role: 'viewer' }),
    { code: 'API_OFF', message: /there is no token/ },
    'not an address where nobody listens',
  );
  const kinds = (await daemon.ask<readonly EventRecord[]>('events', { since: 0 })).map(
    ({ source, kind }) => `${source} ${kind}`,
  );
  const readyAt = kinds.indexOf('supervisor ready');
  for (const id of ['api-server', 'history-keeper']) t.ok(kinds.indexOf(`${id} started`) > readyAt, `${id} came later`);
  t.equal(await daemon.stop(), 0);
});
