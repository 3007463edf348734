/** `hawser update` against a server of its own: whatever goes wrong, the old version runs on, and its files are there. */
import { type ChildProcess, execFile, spawnSync } from 'node:child_process';
import { createHash, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { once } from 'node:events';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import type { ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';

t.setTimeout(240_000);
t.jobs = 3;

const root = path.resolve(import.meta.dirname, '../../..');
const program = path.join(root, 'build/src/cli/main.js');
const lacks = ['openssl', 'setsid', 'sh', 'tar'].filter(
  (command) => spawnSync(command, ['--help']).error !== undefined,
);
const skip = lacks.length === 0 ? false : `${lacks.join(', ')} missing`;
const home = mkdtempSync(path.join(tmpdir(), 'hw-update-'));
t.teardown(() => rmSync(home, { recursive: true, force: true }));
const certificate = path.join(home, 'cert.pem');
const dayMs = 86_400_000;

/** What `hawser up` of a version does; `$S` is the folder of its service. */
const lives = {
  good: 'touch $S/ready; exec sleep 600',
  crashing: 'exit 1',
  silent: 'exec sleep 600',
  brief: 'touch $S/ready; sleep 0.3; exit 1',
  lame: 'echo "home is up; starting: api-server" >$S/status; touch $S/ready; sleep 1; echo "home is up; failed: api-server" >$S/status; exec sleep 600',
  late: 'echo "home is up; starting: api-server" >$S/status; touch $S/ready; sleep 1; echo "home is up" >$S/status; exec sleep 600',
} as const;

/** systemd as far as it is asked here: restarts what ends, and says how often it did. */
const systemctl = `#!/bin/sh
for last; do :; done
S=$FAKE/$last; export S
case $1 in
list-units) for one in "$FAKE"/hawser@*; do [ -d "$one" ] && echo "\${one##*/} loaded active running x"; done ;;
restart)
    # A group of its own, so that all of it ends at once.
    [ -e "$S/runner" ] && kill -9 -- "-$(cat "$S/runner")" 2>/dev/null
    rm -f "$S/ready" "$S/pid"
    echo 0 >"$S/restarts"
    setsid sh "$FAKE/service" "$last" >/dev/null 2>&1 </dev/null &
    echo $! >"$S/runner"
    ;;
show)
    state=activating
    if [ -e "$S/ready" ] && kill -0 "$(cat "$S/pid")" 2>/dev/null; then state=active; fi
    echo "ActiveState=$state"; echo "StatusText=$(cat "$S/status" 2>/dev/null)"; echo Result=success; echo "NRestarts=$(cat "$S/restarts")"; echo Job=
    ;;
esac
`;

/** One service, until its folder is gone: it outlives a test that is killed by no more than that. */
const service = `while [ -d "$S" ]; do
    rm -f "$S/ready" "$S/status"
    "$BASE/current/bin/hawser" up "$1" &
    echo $! >"$S/pid"
    wait $!
    echo $(($(cat "$S/restarts") + 1)) >"$S/restarts"
    sleep 0.1
done
`;

interface World {
  readonly base: string;
  readonly folder: string;
  readonly key: KeyObject;
  readonly files: Map<string, Buffer | ((response: ServerResponse) => void)>;
  /** Signs `changes` to an ordinary index and puts it on the server. */
  publish(changes?: Readonly<Record<string, unknown>>, archive?: Buffer): void;
  /** The archive of a version. */
  archive(version: string, life: keyof typeof lives, more?: string): Buffer;
  run(verb: string, ...more: readonly string[]): Promise<{ readonly status: number; readonly text: string }>;
  /** Version that the service's process is of, once it has one. */
  running(service?: string): Promise<string>;
}

function makeTree(folder: string, version: string, life: keyof typeof lives, more = ''): void {
  mkdirSync(path.join(folder, 'bin'), { recursive: true });
  writeFileSync(path.join(folder, 'package.json'), JSON.stringify({ version }));
  writeFileSync(path.join(folder, 'build-id'), `${version} ${life} ${more}\n`);
  copyFileSync(path.join(root, 'packaging/sweep'), path.join(folder, 'bin/sweep'));
  const script = `#!/bin/sh
case $1 in
--version) echo ${version} ;;
up) echo ${version} >$S/version; ${lives[life]} ;;
${more}
esac
`;
  writeFileSync(path.join(folder, 'bin/hawser'), script, { mode: 0o755 });
}

/** Version 1.0.0 runs as one service or more; the server has nothing yet. */
async function makeWorld(t: Test, services: readonly string[] = ['home']): Promise<World> {
  const folder = mkdtempSync(path.join(home, 'world-'));
  const [base, fake, bin] = ['base', 'services', 'bin'].map((name) => path.join(folder, name)) as [
    string,
    string,
    string,
  ];
  for (const one of [base, fake, bin]) mkdirSync(one);
  makeTree(path.join(base, '1.0.0'), '1.0.0', 'good');
  symlinkSync('1.0.0', path.join(base, 'current'));
  writeFileSync(path.join(bin, 'systemctl'), systemctl, { mode: 0o755 });
  writeFileSync(path.join(fake, 'service'), service);
  const env = {
    ...process.env,
    PATH: `${bin}:${process.env.PATH}`,
    BASE: base,
    FAKE: fake,
    NODE_EXTRA_CA_CERTS: certificate,
  };
  for (const name of services) {
    mkdirSync(path.join(fake, `hawser@${name}.service`));
    writeFileSync(path.join(folder, `${name}.yaml`), 'checked by the new version alone\n');
    spawnSync(path.join(bin, 'systemctl'), ['restart', `hawser@${name}.service`], { env });
  }

  const files: World['files'] = new Map();
  const server = serve(files);
  await once(server, 'listening');
  const url = `https://localhost:${(server.address() as AddressInfo).port}/index.json`;
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const key = Buffer.from(publicKey.export({ format: 'jwk' }).x ?? '', 'base64url').toString('base64');
  const config = path.join(folder, 'main.yaml');
  const own = Buffer.alloc(32, 7).toString('base64');
  writeFileSync(path.join(folder, 'main.key'), `${own}\n`, { mode: 0o600 });
  writeFileSync(
    config,
    `identity: { privateKeyFile: main.key }\ntunnel: { addresses: [10.9.0.1/24] }\nruntime: { stateDirectory: ${folder}/state }\nupdate: { index: "${url}", key: "${key}" }\n`,
  );
  const options = ['--config', config, '--installation', base, '--ready', '3s', '--idle', '20s'];
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
    for (const name of services) endService(path.join(fake, `hawser@${name}.service`, 'runner'));
  });

  return {
    base,
    folder,
    key: privateKey,
    files,
    publish: (changes = {}, archive = Buffer.alloc(0)) => {
      const file = {
        url: 'archive.tar.gz',
        size: archive.length,
        sha256: createHash('sha256').update(archive).digest('hex'),
      };
      const ordinary = { format: 'hawser-update-index/1', serial: 5, version: '2.0.0', date: at(-1), expires: at(10) };
      const bytes = Buffer.from(
        JSON.stringify({ ...ordinary, files: { [`linux-${process.arch}`]: file }, ...changes }),
      );
      files.set('/archive.tar.gz', archive);
      files.set('/index.json', bytes);
      files.set('/index.json.sig', Buffer.from(sign(null, bytes, privateKey).toString('base64')));
    },
    archive: (version, life, more) => {
      const tree = mkdtempSync(path.join(folder, 'tree-'));
      makeTree(path.join(tree, `hawser-${version}`), version, life, more);
      return spawnSync('tar', ['-czf', '-', '-C', tree, `hawser-${version}`]).stdout;
    },
    run: (verb, ...more) => runProgram(['update', verb, ...options, ...more], env),
    running: async (service = services[0]) => {
      const file = path.join(fake, `hawser@${service}.service/version`);
      for (let tries = 0; !existsSync(file) && tries < 200; tries += 1) await sleep(50);
      return readFileSync(file, 'utf8').trim();
    },
  };
}

const at = (days: number): string => new Date(Date.now() + days * dayMs).toISOString();

function endService(pidFile: string): void {
  if (existsSync(pidFile)) spawnSync('kill', ['-9', '--', `-${readFileSync(pidFile, 'utf8').trim()}`]);
}

function serve(files: World['files']): Server {
  const pem = readFileSync(certificate);
  const server = createServer({ cert: pem, key: readFileSync(path.join(home, 'key.pem')) }, (request, response) => {
    const file = files.get(request.url ?? '');
    if (typeof file === 'function') file(response);
    else response.writeHead(file === undefined ? 404 : 200).end(file);
  });
  return server.listen(0, 'localhost');
}

function runProgram(args: readonly string[], env: NodeJS.ProcessEnv): Promise<{ status: number; text: string }> {
  return new Promise((resolve) => {
    const child: ChildProcess = execFile(process.execPath, [program, ...args], { env }, (error, stdout, stderr) => {
      resolve({ status: error === null ? 0 : (child.exitCode ?? -1), text: `${stdout}${stderr}` });
    });
  });
}

/** The old version is what it was: linked, running, and nothing lies beside it. */
async function expectOld(t: Test, world: World): Promise<void> {
  t.equal(readlinkSync(path.join(world.base, 'current')), '1.0.0');
  t.strictSame(readdirSync(world.base).sort(), ['1.0.0', 'current'], 'nothing is left');
  t.equal(await world.running(), '1.0.0');
}

if (skip === false) {
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'];
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', path.join(home, 'key.pem')];
  spawnSync('openssl', ['req', '-x509', ...key, '-out', certificate, '-days', '2', ...subject]);
}

t.test('apply installs what is newer, restarts each service and removes the old version', { skip }, async (t) => {
  const world = await makeWorld(t, ['home', 'office']);
  world.publish({}, world.archive('2.0.0', 'good'));
  t.match(await world.run('check'), { status: 0, text: /^hawser 2\.0\.0 of .* is there .*, 1\.0\.0 is installed/ });
  t.match(await world.run('apply'), { status: 0, text: /hawser@home\.service, hawser@office\.service restarted/ });
  t.strictSame([await world.running('home'), await world.running('office')], ['2.0.0', '2.0.0']);
  t.equal(readlinkSync(path.join(world.base, 'current')), '2.0.0');
  t.strictSame(readdirSync(world.base).sort(), ['2.0.0', 'current']);
  t.match(await world.run('apply'), { status: 0, text: /^hawser 2\.0\.0 is the newest/ });
  const json = await world.run('check', '--json');
  t.match(JSON.parse(json.text), { installed: '2.0.0', offered: '2.0.0', isNewer: false, serial: 5 });
});

t.test('apply waits until all actors of a new version run', { skip }, async (t) => {
  const world = await makeWorld(t);
  world.publish({}, world.archive('2.0.0', 'late'));
  const { status, text } = await world.run('apply', '--json');
  t.equal(status, 0, text);
  const seconds = Number(/"hawser@home\.service": ?([\d.]+)/.exec(text)?.[1]);
  t.ok(seconds >= 4, `a second until it was whole, and three of being so: ${seconds} s`);
  t.equal(await world.running(), '2.0.0');
});

t.test('an index that another key signed, or that was changed, is refused before it is read', { skip }, async (t) => {
  const world = await makeWorld(t);
  world.publish({}, world.archive('2.0.0', 'good'));
  const bytes = world.files.get('/index.json') as Buffer;
  world.files.set('/index.json', Buffer.concat([bytes, Buffer.from(' ')]));
  t.match(await world.run('apply'), { status: 1, text: /not signed by the key of update\.key/ });
  world.files.set('/index.json', bytes);
  const other = generateKeyPairSync('ed25519').privateKey;
  world.files.set('/index.json.sig', Buffer.from(sign(null, bytes, other).toString('base64')));
  t.match(await world.run('apply'), { status: 1, text: /not signed by the key of update\.key/ });
  world.files.set('/index.json.sig', Buffer.from('AAAA'));
  t.match(await world.run('apply'), { status: 1, text: /not signed by the key of update\.key/ });
  await expectOld(t, world);
});

t.test(
  'no downgrade, no older index, no expired one, none from the future, none of another form',
  { skip },
  async (t) => {
    const world = await makeWorld(t);
    const archive = world.archive('0.9.0', 'good');
    world.publish({ version: '0.9.0', serial: 7 }, archive);
    t.match(await world.run('apply'), { status: 0, text: /^hawser 1\.0\.0 is the newest \(index 7 offers 0\.9\.0\)/ });
    world.publish({ serial: 6 }, world.archive('2.0.0', 'good'));
    t.match(await world.run('apply'), { status: 1, text: /older than one that was seen here: serial 6, and 7 before/ });
    world.publish({ serial: 8, expires: at(-1) }, archive);
    t.match(await world.run('apply'), { status: 1, text: /has expired on .*the publisher signs a new one/ });
    world.publish({ serial: 8, date: at(3) }, archive);
    t.match(await world.run('apply'), { status: 1, text: /set the clock/ });
    world.publish({ serial: 8, format: 'hawser-update-index/2' }, archive);
    t.match(await world.run('apply'), { status: 1, text: /none that this version reads: format/ });
    world.publish({ serial: 8, files: {} }, archive);
    t.match(await world.run('apply'), { status: 1, text: /this is linux-/ });
    await expectOld(t, world);
  },
);

t.test('what does not come whole, or is not what was signed, is refused', { skip }, async (t) => {
  const world = await makeWorld(t);
  const archive = world.archive('2.0.0', 'good');
  world.publish({}, archive);
  world.files.set('/archive.tar.gz', (response) => {
    response.writeHead(200, { 'content-length': archive.length });
    response.write(archive.subarray(0, 100), () => response.destroy());
  });
  t.match(await world.run('apply'), {
    status: 1,
    text: /Cannot get .*archive\.tar\.gz: the connection broke after 100 bytes/,
  });
  world.files.set('/archive.tar.gz', archive.subarray(0, 100));
  t.match(await world.run('apply'), { status: 1, text: /has 100 bytes, and the index says/ });
  world.files.set('/archive.tar.gz', Buffer.concat([archive, archive]));
  t.match(await world.run('apply'), { status: 1, text: /more than \d+ bytes/ });
  world.files.set('/archive.tar.gz', (response) => {
    const more = (): void => void response.write(Buffer.alloc(65_536), (error) => (error ? undefined : more()));
    more();
  });
  t.match(await world.run('apply'), { status: 1, text: /more than \d+ bytes/ }, 'without end');
  const changed = Buffer.from(archive);
  changed[50] = (changed[50] ?? 0) ^ 1;
  world.files.set('/archive.tar.gz', changed);
  t.match(await world.run('apply'), { status: 1, text: /not what the index says \(SHA-256\)/ });
  await expectOld(t, world);
});

t.test('a server that hangs, that is not there or hands on to plain HTTP keeps nobody waiting', { skip }, async (t) => {
  const world = await makeWorld(t);
  world.publish({}, world.archive('2.0.0', 'good'));
  world.files.set('/archive.tar.gz', (response) => void response.write('x'));
  t.match(await world.run('apply', '--idle', '1s'), { status: 1, text: /silent for 1 s/ });
  world.files.set(
    '/archive.tar.gz',
    (response) => void response.writeHead(302, { location: 'http://localhost/x' }).end(),
  );
  t.match(await world.run('apply'), { status: 1, text: /not encrypted/ });
  world.files.set('/index.json', () => undefined);
  t.match(await world.run('check', '--idle', '1s'), { status: 1, text: /silent for 1 s/ });
  world.files.delete('/index.json.sig');
  t.match(await world.run('check'), { status: 1, text: /the server answers 404/ });
  await expectOld(t, world);
});

t.test('a version that cannot run here, or does not take a configuration, is not switched to', { skip }, async (t) => {
  const world = await makeWorld(t);
  world.publish({}, world.archive('2.0.0', 'good', 'check) echo "line 3: no longer known"; exit 78 ;;'));
  t.match(await world.run('apply'), {
    status: 1,
    text: /fails at `hawser check .*home\.yaml`: line 3: no longer known/,
  });
  world.publish({}, world.archive('1.5.0', 'good'));
  t.match(await world.run('apply'), { status: 1, text: /holds 1\.5\.0, and the index says 2\.0\.0/ });
  world.publish({}, Buffer.from('no archive'));
  t.match(await world.run('apply'), { status: 1, text: /Cannot unpack/ });
  await expectOld(t, world);
});

for (const [life, why] of [
  ['crashing', /it ended \d+ times while it started/],
  ['silent', /not ready after 3 s/],
  ['brief', /ended/],
  ['lame', /it runs without api-server/],
] as const) {
  t.test(`back to the old version when the new one is ${life}`, { skip }, async (t) => {
    const world = await makeWorld(t, ['home', 'office']);
    const archive = world.archive('2.0.0', life);
    world.publish({}, archive);
    const { status, text } = await world.run('apply');
    t.equal(status, 1);
    t.match(text, /Version 2\.0\.0 did not get ready .*1\.0\.0 runs again/);
    t.match(text, why);
    await expectOld(t, world);
    t.match(await world.run('apply'), { status: 1, text: /did not get ready here before \(--again/ });
  });
}

t.test('an actor that did not run before the update either takes no version back', { skip }, async (t) => {
  const world = await makeWorld(t);
  await world.running();
  await sleep(500);
  writeFileSync(
    path.join(world.folder, 'services/hawser@home.service/status'),
    'home is up; starting: plugin-host; failed: api-server\n',
  );
  world.publish({}, world.archive('2.0.0', 'lame'));
  t.match(await world.run('apply'), { status: 0, text: /hawser@home\.service restarted/ });
  t.equal(await world.running(), '2.0.0');
});

const mountable = process.getuid?.() === 0 ? skip : 'needs root to mount a small disk';
t.test('a full disk stops it before anything is touched, and while it unpacks', { skip: mountable }, async (t) => {
  const world = await makeWorld(t);
  const small = path.join(world.folder, 'small');
  mkdirSync(small);
  if (spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', small]).status !== 0) {
    t.pass('no tmpfs here');
    return;
  }
  t.teardown(() => void spawnSync('umount', [small]));
  makeTree(path.join(small, '1.0.0'), '1.0.0', 'good');
  symlinkSync('1.0.0', path.join(small, 'current'));
  const tree = mkdtempSync(path.join(world.folder, 'big-'));
  makeTree(path.join(tree, 'hawser-2.0.0'), '2.0.0', 'good');
  writeFileSync(path.join(tree, 'hawser-2.0.0/zeros'), Buffer.alloc(4 << 20));
  const archive = spawnSync('tar', ['-czf', '-', '-C', tree, 'hawser-2.0.0'], { maxBuffer: 1 << 24 }).stdout;
  const sha256 = createHash('sha256').update(archive).digest('hex');
  const file = { url: 'archive.tar.gz', size: archive.length, sha256 };
  const platform = `linux-${process.arch}`;
  world.publish({ files: { [platform]: { ...file, unpacked: 4 << 20 } } }, archive);
  t.match(await world.run('apply', '--installation', small), {
    status: 1,
    text: /needs 5 MiB in .*small, and 1 MiB are free/,
  });
  world.publish({ files: { [platform]: file } }, archive);
  t.match(await world.run('apply', '--installation', small), { status: 1, text: /Cannot unpack.*make room there/s });
  t.strictSame(readdirSync(small).sort(), ['1.0.0', 'current']);
  await expectOld(t, world);
});

t.test('without a key, or without an installation of versions, it says what to do', { skip }, async (t) => {
  const world = await makeWorld(t, []);
  world.publish();
  const config = path.join(world.folder, 'plain.yaml');
  writeFileSync(config, 'identity: { privateKeyFile: main.key }\ntunnel: { addresses: [10.9.0.1/24] }\n');
  t.match(await world.run('check', '--config', config), { status: 64, text: /has `update`.*update: \{ index/s });
  t.match(await world.run('check', '--installation', world.folder), {
    status: 1,
    text: /no installation.*npm install -g/,
  });
});

t.test('tools/sign-index.mjs signs what `hawser update` takes', { skip }, async (t) => {
  const world = await makeWorld(t);
  const tool = (...args: string[]) =>
    spawnSync(process.execPath, [path.join(root, 'tools/sign-index.mjs'), ...args], { encoding: 'utf8' });
  const keyFile = path.join(world.folder, 'publisher.pem');
  const key = tool('--new-key', keyFile).stdout.trim();
  const config = path.join(world.folder, 'main.yaml');
  writeFileSync(config, readFileSync(config, 'utf8').replace(/key: "[^"]+" \}\n$/, `key: "${key}" }\n`));
  const name = `hawser-2.0.0-linux-${process.arch}.tar.gz`;
  const archive = world.archive('2.0.0', 'good');
  writeFileSync(path.join(world.folder, name), archive);
  const signed = tool('--key', keyFile, '--out', world.folder, '--serial', '1', path.join(world.folder, name));
  t.equal(signed.status, 0, signed.stderr);
  for (const file of ['index.json', 'index.json.sig', name])
    world.files.set(`/${file}`, readFileSync(path.join(world.folder, file)));
  t.match(await world.run('apply'), { status: 0, text: /hawser 2\.0\.0 is installed/ });
  t.equal(await world.running(), '2.0.0');
  t.match(tool('--key', keyFile, '--out', world.folder, path.join(world.folder, name)), {
    status: 1,
    stderr: /--serial/,
  });
});
