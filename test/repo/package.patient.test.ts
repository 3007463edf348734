/** What `npm pack` makes, installed where there is no compiler and no registry: the commands of a newcomer work. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import process from 'node:process';
import t from 'tap';

/** Packing compresses 10 MB, and npm is no quick starter on a machine that does other things. */
t.setTimeout(0);

const root = path.resolve(import.meta.dirname, '../../..');
const megabytes = 1e6;

function run(command: string, args: readonly string[], env: NodeJS.ProcessEnv = process.env, cwd = root) {
  const { status, stdout, stderr } = spawnSync(command, args, { encoding: 'utf8', env, cwd });
  return { status, text: `${stdout}${stderr}` };
}

const found = run('sh', ['-c', 'for name in npm sh env strip; do command -v $name || exit 1; done']);
const skip = found.status === 0 ? false : 'npm, sh, env and strip are needed';

t.test('the archive installs and runs without a compiler', { skip }, async (t) => {
  const folder = mkdtempSync(path.join(tmpdir(), 'hw-pack-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const prebuilt = run(process.execPath, [path.join(root, 'tools/prebuild.mjs'), '--own']);
  t.equal(prebuilt.status, 0, prebuilt.text);
  const packed = run('npm', ['pack', '--ignore-scripts', '--pack-destination', folder]);
  t.equal(packed.status, 0, packed.text);
  const [archive = ''] = readdirSync(folder);
  t.ok(statSync(path.join(folder, archive)).size < 25 * megabytes);

  const bin = path.join(folder, 'bin');
  mkdirSync(bin);
  for (const tool of found.text.trim().split('\n')) {
    if (path.basename(tool) !== 'strip') symlinkSync(tool, path.join(bin, path.basename(tool)));
  }
  symlinkSync(process.execPath, path.join(bin, 'node'));
  const env = { PATH: bin, HOME: folder };
  const prefix = path.join(folder, 'prefix');
  const install = ['install', '-g', '--prefix', prefix, '--offline', '--no-audit', path.join(folder, archive)];
  const installed = run('npm', install, env, folder);
  t.equal(installed.status, 0, installed.text);
  t.notMatch(installed.text, /install scripts/, 'nothing asks for a script that is not there');

  const hawser = (...args: string[]) => run(path.join(prefix, 'bin/hawser'), args, env, folder);
  t.match(hawser('-v'), { status: 0, text: /^\d+\.\d+\.\d+\n$/ });
  t.match(hawser('init', '--role', 'server', '--endpoint', 'hub.example.net:51820', '--out', folder), { status: 0 });
  t.match(hawser('check', path.join(folder, 'hub.yaml')), { status: 0, text: /no problems/ });
  t.match(hawser('doctor').text, /^ok +node/m);
  // node-gyp-build takes its word for what it would find out (LIBC, npm_config_arch).
  const elsewhere = (more: NodeJS.ProcessEnv) => run(path.join(prefix, 'bin/hawser'), ['doctor'], { ...env, ...more });
  const musl = elsewhere({ LIBC: 'musl' });
  t.match(musl, { status: 1, text: /Cannot load the addon.*this archive holds it for glibc and linux-/s }, 'musl');
  t.match(elsewhere({ npm_config_arch: 'riscv64' }), { status: 1, text: /this archive holds it for glibc and linux-/ });
  const unit = path.join(prefix, 'lib/node_modules/hawser/packaging/hawser@.service');
  t.ok(existsSync(unit), 'the unit comes with it');
});
