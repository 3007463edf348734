/**
 * The Debian package on a clean Debian 12 (debootstrap, with systemd): installed, enabled, running with page, history and plugins, upgraded under traffic, removed, purged; and the npm
 * archive in the same root, where there is no compiler. HAWSER_LONG=1; HAWSER_DEBIAN_ROOT names a root to copy instead of fetching one.
 * systemd is there and does not run: `systemctl enable` and `systemd-analyze verify` work in a chroot; what it would do to a service on start and restart is done here by signals.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { Daemon } from '../support/daemon.ts';
import { HttpAsker } from '../support/http-asker.ts';
import { generateKeys } from '../support/keys.ts';
import { isLong } from '../support/long-run.ts';
import { type Host, Lab, runCommand, skipReason } from '../support/netns.ts';
import { buildWire, inside, outside, port } from '../support/pair.ts';
import { echoUdp, ping, probe } from '../support/traffic.ts';
import { until } from '../support/until.ts';

t.setTimeout(1_800_000);
const repository = path.resolve(import.meta.dirname, '../../..');
/** From the stop of one version to traffic by the next. */
const restartGapMs = 1500;
/** It waits for the disk once a file. */
const dpkgSeconds = 90;
const echoPort = 7000;
const apiPort = 8474;

function whyNot(): string | false {
  if (!isLong) return 'takes minutes and fetches Debian: HAWSER_LONG=1';
  const lacks = ['debootstrap', 'dpkg-deb', 'nsenter', 'unshare', 'chroot', 'npm'].filter((name) => {
    return spawnSync('sh', ['-c', `command -v ${name}`]).status !== 0;
  });
  return lacks.length > 0 ? `${lacks.join(', ')} missing` : skipReason();
}

/** A Debian in a folder, with mounts of its own that end with `close`. */
class Root {
  readonly folder: string;
  readonly #holder: ChildProcess;

  constructor(folder: string) {
    this.folder = folder;
    const mounts = [
      'mount --make-rprivate /',
      `mount -t proc proc ${folder}/proc`,
      `mount -t tmpfs tmpfs ${folder}/dev`,
      `mkdir -p ${folder}/dev/net && mknod ${folder}/dev/net/tun c 10 200`,
      ...['null', 'zero', 'random', 'urandom'].map(
        (name) => `touch ${folder}/dev/${name} && mount --bind /dev/${name} ${folder}/dev/${name}`,
      ),
      'echo mounted',
      'exec sleep 3600',
    ];
    this.#holder = spawn('unshare', ['-m', 'sh', '-ec', mounts.join('\n')], { stdio: ['ignore', 'pipe', 'inherit'] });
  }

  async mounted(): Promise<void> {
    for await (const _ of this.#holder.stdout ?? []) return;
    throw new Error('the root was not mounted');
  }

  /** As `nsenter` takes it; `host`: whose network. */
  enter(command: readonly string[], host?: Host): string[] {
    const network = host === undefined ? [] : [`--net=/run/netns/${host.namespace}`];
    return ['-t', String(this.#holder.pid), '-m', ...network, 'chroot', this.folder, ...command];
  }

  run(...command: string[]): { readonly status: number | null; readonly text: string } {
    const { status, stdout, stderr } = spawnSync('nsenter', this.enter(command), {
      encoding: 'utf8',
      env: { PATH: process.env.PATH, LC_ALL: 'C' },
    });
    return { status, text: `${stdout}${stderr}` };
  }

  /** Every file with its mode; mounts, what we brought, and what systemctl notes for itself aside. */
  list(): string[] {
    const aside = ['proc', 'dev', 'tmp', 'root', 'run/systemd']
      .flatMap((name) => ['-path', path.join(this.folder, name), '-o'])
      .slice(0, -1);
    const args = [this.folder, '-xdev', '(', ...aside, ')', '-prune', '-o', '-printf', '%P %m\n'];
    return runCommand('find', args).trim().split('\n').sort();
  }

  close(): void {
    this.#holder.kill('SIGKILL');
    rmSync(this.folder, { recursive: true, force: true });
  }
}

async function makeRoot(folder: string): Promise<Root> {
  const target = path.join(folder, 'debian');
  const given = process.env.HAWSER_DEBIAN_ROOT;
  if (given === undefined) runCommand('debootstrap', ['--variant=minbase', '--include=systemd', 'bookworm', target]);
  else runCommand('cp', ['-a', given, target]);
  const root = new Root(target);
  await root.mounted();
  return root;
}

/** `version` of the package, built from what is compiled here, with the Node that runs this. */
function makeDeb(out: string, version: string): string {
  runCommand(process.execPath, [path.join(repository, 'tools/prebuild.mjs'), '--own']);
  const args = [
    'tools/package.mjs',
    '--built',
    '--no-archive',
    '--compression',
    'none',
    '--out',
    out,
    '--set-version',
    version,
  ];
  const { status, stderr } = spawnSync(process.execPath, args, { cwd: repository, encoding: 'utf8' });
  if (status !== 0) throw new Error(stderr);
  return path.join(out, readdirSync(out).find((name) => name.includes(`_${version}_`)) ?? '');
}

/** `hawser up` of the installed program on a host of the lab. */
function up(root: Root, host: Host): ChildProcess {
  return spawn('nsenter', root.enter(['hawser', 'up', '/etc/hawser/a.yaml'], host), { stdio: 'ignore' });
}

function writePair(lab: Lab, root: Root): { readonly a: Host; readonly b: Daemon } {
  const hosts = buildWire(lab);
  const [keysA, keysB] = [generateKeys(), generateKeys()];
  const b = new Daemon(lab, hosts.b, {
    keys: keysB,
    addresses: [`${inside.b4}/24`],
    port,
    peers: [{ name: 'a', publicKey: keysA.publicKey, allowedIPs: [`${inside.a4}/32`] }],
  });
  const folder = path.join(root.folder, 'etc/hawser');
  writeFileSync(path.join(folder, 'a.key'), `${keysA.privateKey}\n`, { mode: 0o600 });
  const peer = {
    name: 'b',
    publicKey: keysB.publicKey,
    allowedIPs: [`${inside.b4}/32`],
    endpoints: [`${outside.b4}:${port}`],
    keepalive: '25s',
  };
  const plugins = '/usr/share/doc/hawser/plugins';
  const config = {
    identity: { privateKeyFile: 'a.key' },
    tunnel: { addresses: [`${inside.a4}/24`] },
    peers: [peer],
    api: { listen: `127.0.0.1:${apiPort}` },
    history: {},
    plugins: [
      `${plugins}/chat.mjs`,
      { file: `${plugins}/timetable.mjs`, settings: { timezone: 'Europe/Berlin', rules: [] } },
    ],
  };
  // JSON is YAML.
  writeFileSync(path.join(folder, 'a.yaml'), JSON.stringify(config), { mode: 0o600 });
  return { a: hosts.a, b };
}

/** The unit is one that systemd takes, and leads to the start of a boot; that the purge takes it away is in what is left. */
function enable(t: Test, root: Root): void {
  if (root.run('sh', '-c', 'command -v systemctl').status !== 0)
    return void t.comment('this root has no systemd: not enabled');
  const verified = root.run('systemd-analyze', 'verify', '--man=no', 'hawser@a.service');
  t.match(verified, { status: 0, text: /^(?!.*hawser)/s }, 'systemd has nothing to say of the unit');
  t.match(root.run('systemctl', 'enable', 'hawser@a'), {
    status: 0,
    text: /Created symlink .*wants\/hawser@a\.service/,
  });
  t.match(root.run('systemctl', 'is-enabled', 'hawser@a'), { status: 0, text: 'enabled\n' });
}

/** What the installed program serves and asks: the page with its files, the plugins, a configuration on trial. */
async function lookAtParts(t: Test, root: Root, host: Host): Promise<void> {
  const added = root.run('hawser', 'token', 'add', 'test', '--role', 'admin');
  t.equal(added.status, 0, added.text);
  const asker = new HttpAsker(host, apiPort);
  const get = async (route: string) => {
    const headers = { authorization: `Bearer ${added.text.trim()}` };
    return await asker.ask({ path: route, headers }).catch(() => ({ status: 0, headers: {}, body: '' }));
  };
  await until('the page', async () => (await get('/')).status === 200);
  const { body } = await get('/');
  const files = [...body.matchAll(/(?:src|href)="\.?\/?(assets\/[^"]+)"/g)].map(([, file]) => file);
  t.ok(files.length >= 2, 'a page with script and style');
  for (const file of files) t.equal((await get(`/${file}`)).status, 200, String(file));
  t.match((await get('/metrics')).body, /^hawser_peers\{state="connected"\} 1$/m);
  const running = (): number =>
    root.run('hawser', 'plugin', 'list').text.match(/^(chat|timetable) +running/gm)?.length ?? 0;
  await until('both plugins', () => running() === 2);
  asker.close();

  const text = root.run('hawser', 'config', 'read');
  t.equal(text.status, 0, text.text);
  writeFileSync(path.join(root.folder, 'tmp/new.yaml'), text.text.replace('25s', '20s'));
  const applied = root.run('hawser', 'config', 'apply', '/tmp/new.yaml', '--seconds', '60', '--json');
  t.equal(applied.status, 0, applied.text);
  const reverted = root.run('hawser', 'config', 'revert');
  t.equal(reverted.status, 0, reverted.text);
  t.match(readFileSync(path.join(root.folder, 'etc/hawser/a.yaml'), 'utf8'), /25s/, 'taken back');
}

const skip = whyNot();

t.test('the package lives and dies on a clean Debian 12', { skip }, async (t: Test) => {
  const folder = mkdtempSync(path.join(tmpdir(), 'hw-debian-'));
  const root = await makeRoot(folder);
  const lab = new Lab();
  t.teardown(async () => {
    await lab.close();
    root.close();
    rmSync(folder, { recursive: true, force: true });
  });
  const before = root.list();
  const [first, second] = ['1.0.0', '1.1.0'].map((version) => {
    const deb = makeDeb(folder, version);
    mkdirSync(path.join(root.folder, 'tmp'), { recursive: true });
    cpSync(deb, path.join(root.folder, 'tmp', `${version}.deb`));
    return `/tmp/${version}.deb`;
  }) as [string, string];
  const install = (deb: string) => root.run('dpkg', '-i', deb);
  const versions = () => readdirSync(path.join(root.folder, 'usr/lib/hawser')).sort();

  t.match(install(first), { status: 0 }, 'installs with the packages of debootstrap alone');
  t.match(root.run('hawser', '--version'), { status: 0, text: '1.0.0\n' });
  t.match(root.run('hawser', 'doctor').text, /^ok +tun offloads/m);
  const { a, b } = writePair(lab, root);
  enable(t, root);
  await b.start();
  let daemon = up(root, a);
  await until('the daemon', () => root.run('hawser', 'status').status === 0);
  await until('traffic', async () => (await ping(a, inside.b4, { count: 5 })).received > 0);
  await lookAtParts(t, root, a);
  const echo = await echoUdp(a, echoPort);
  t.teardown(() => echo.kill());
  const during = async (seconds: number, what: () => void | Promise<void>) => {
    const probed = probe(b.host, inside.a4, echoPort, { intervalMs: 5, seconds });
    await sleep(1000);
    await what();
    return await probed;
  };

  let upgraded = { status: null as number | null, text: '' };
  const overUpgrade = await during(dpkgSeconds, async () => {
    // In a process of its own: this one goes on reading what the probe says.
    const child = spawn('nsenter', root.enter(['dpkg', '-i', second]), { stdio: ['ignore', 'pipe', 'pipe'] });
    let text = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (part) => (text += part));
    await until('the end of dpkg', () => child.exitCode !== null, dpkgSeconds * 1000);
    upgraded = { status: child.exitCode, text };
  });
  t.match(upgraded, { status: 0, text: /goes on with the version that it started with/ });
  t.comment(
    `upgrade: longest gap ${overUpgrade.maxGapMs.toFixed(0)} ms of ${overUpgrade.sent} sent, ${overUpgrade.received} received`,
  );
  t.ok(overUpgrade.maxGapMs < restartGapMs, 'the tunnel does not notice');
  t.strictSame(versions(), ['1.0.0', '1.1.0', 'current', 'package']);
  t.match(
    root.run('hawser', 'status').text,
    /hawser 1\.0\.0, .*installed +hawser 1\.1\.0: systemctl restart hawser@a/s,
  );
  t.match(
    root.run('hawser', 'actor', 'restart', 'opener'),
    { status: 0 },
    'an actor of the old version is replaced by one of its own',
  );
  t.equal((await ping(a, inside.b4, { count: 3 })).received, 3);

  const overRestart = await during(25, async () => {
    const ended = new Promise((resolve) => daemon.once('exit', resolve));
    daemon.kill('SIGTERM');
    await ended;
    daemon = up(root, a);
  });
  t.comment(`restart: longest gap ${overRestart.maxGapMs.toFixed(0)} ms`);
  t.ok(overRestart.maxGapMs <= restartGapMs, `${overRestart.maxGapMs} ms`);
  t.match(root.run('hawser', 'status').text, /hawser 1\.1\.0, /);
  t.match(root.run('sh', '/usr/lib/hawser/current/bin/sweep'), { text: 'removed /usr/lib/hawser/1.0.0\n' });

  const ended = new Promise((resolve) => daemon.once('exit', resolve));
  t.match(root.run('dpkg', '-r', 'hawser'), { status: 0 });
  await ended;
  t.notMatch(a.ip('-br link'), /hawser/, 'no interface is left');
  t.ok(existsSync(path.join(root.folder, 'etc/hawser/a.key')), 'the keys stay');
  t.notOk(existsSync(path.join(root.folder, 'usr/lib/hawser')));
  t.match(root.run('dpkg', '-P', 'hawser'), { status: 0 });
  t.strictSame(root.list(), before, 'nothing is left');

  // The same root has neither compiler nor Python: the npm archive.
  for (const tool of ['cc', 'g++', 'python3', 'make'])
    t.not(root.run('sh', '-c', `command -v ${tool}`).status, 0, `no ${tool}`);
  runCommand('npm', [
    'pack',
    '--silent',
    '--ignore-scripts',
    '--prefix',
    repository,
    '--pack-destination',
    path.join(root.folder, 'tmp'),
    repository,
  ]);
  const npm = path.dirname(path.dirname(runCommand('sh', ['-c', 'readlink -f "$(command -v npm)"']).trim()));
  mkdirSync(path.join(root.folder, 'usr/local/lib/node_modules'), { recursive: true });
  cpSync(npm, path.join(root.folder, 'usr/local/lib/node_modules/npm'), { recursive: true });
  cpSync(process.execPath, path.join(root.folder, 'usr/local/bin/node'));
  const installed = root.run(
    'sh',
    '-c',
    'node /usr/local/lib/node_modules/npm/bin/npm-cli.js install -g --offline /tmp/hawser-*.tgz',
  );
  t.equal(installed.status, 0, installed.text);
  t.match(root.run('hawser', '--version'), { status: 0, text: readVersion() });
  t.match(root.run('hawser', 'doctor').text, /^ok +tun offloads/m);
});

const readVersion = (): string =>
  `${JSON.parse(readFileSync(path.join(repository, 'package.json'), 'utf8')).version}\n`;
