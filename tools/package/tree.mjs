// The program as one folder that needs nothing beside it but the C library: what `npm pack` holds, and a Node of its own.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  closeSync,
  copyFileSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';

const root = path.resolve(import.meta.dirname, '../..');
/** Of a library: nothing loads them. */
const idleFolders = [
  'test',
  'tests',
  'benchmarks',
  'coverage',
  'docs',
  'example',
  'examples',
  '.github',
  '.husky',
  '.vscode',
];
const idleFiles =
  /(\.map|\.d\.[mc]?ts|\.png|\.md|\.html|\.markdown|\.swp|\.yml|\.editorconfig|\.eslintrc|\.npmignore|\.nycrc|\.gitattributes)$/i;
const license = /^(licen[cs]e|copying|notice)/i;

export function run(command, args, options = {}) {
  const result = spawnSync(command, args, { encoding: 'utf8', maxBuffer: 1 << 28, ...options });
  if (result.error) throw new Error(`Cannot run ${command}: ${result.error.message}`);
  if (result.status !== 0) throw new Error(`${command} ${args.join(' ')} failed: ${result.stderr || result.stdout}`);
  return result.stdout;
}

/** Every file below `folder`, relative, sorted by bytes. */
export function filesBelow(folder) {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => path.relative(folder, path.join(entry.parentPath ?? entry.path, entry.name)))
    .sort((a, b) => (a < b ? -1 : 1));
}

/**
 * Fills `tree` (which must not be there). `node`: the program to take along; `processor`: Node's name of what it runs on.
 * `version`: in place of package.json's. Returns the version.
 */
export function makeTree({ tree, node, processor, version, scratch }) {
  const packed = mkdtempSync(path.join(scratch, 'npm-'));
  run('npm', ['pack', '--silent', '--ignore-scripts', '--pack-destination', packed], { cwd: root });
  mkdirSync(tree, { recursive: true });
  run('tar', [
    '-xzf',
    path.join(packed, readdirSync(packed)[0]),
    '-C',
    tree,
    '--strip-components=1',
    '--no-same-owner',
  ]);
  rmSync(packed, { recursive: true });

  prune(tree, processor);
  const description = JSON.parse(readFileSync(path.join(tree, 'package.json'), 'utf8'));
  if (version !== undefined) description.version = version;
  // What a registry or a checkout would want of it.
  for (const key of ['scripts', 'devDependencies', 'files', 'bundleDependencies']) delete description[key];
  writeFileSync(path.join(tree, 'package.json'), `${JSON.stringify(description, null, 2)}\n`);

  const bin = path.join(tree, 'bin');
  mkdirSync(bin);
  copyFileSync(node, path.join(bin, 'node'));
  run(stripFor(processor), ['--strip-unneeded', path.join(bin, 'node')]);
  for (const name of ['hawser', 'sweep']) copyFileSync(path.join(root, 'packaging', name), path.join(bin, name));
  writeFileSync(path.join(tree, 'deb-version'), `${debVersion(description.version)}\n`);
  setModes(tree);
  writeFileSync(path.join(tree, 'build-id'), `${digestOf(tree)}\n`);
  return description.version;
}

/** `1.0.0-rc.1` comes before `1.0.0` (deb-version(7)). */
export const debVersion = (version) => version.replace('-', '~');

function stripFor(processor) {
  if (processor === process.arch) return 'strip';
  return processor === 'arm64' ? 'aarch64-linux-gnu-strip' : 'x86_64-linux-gnu-strip';
}

function prune(tree, processor) {
  for (const name of ['docs', 'packaging', 'README.md', 'CHANGELOG.md'])
    rmSync(path.join(tree, name), { recursive: true, force: true });
  const prebuilds = path.join(tree, 'src/native/prebuilds');
  for (const name of readdirSync(prebuilds))
    if (name !== `linux-${processor}`) rmSync(path.join(prebuilds, name), { recursive: true });
  if (readdirSync(prebuilds).length === 0) throw new Error(`No addon for ${processor} (node tools/prebuild.mjs)`);
  for (const file of filesBelow(path.join(tree, 'node_modules'))) {
    const whole = path.join(tree, 'node_modules', file);
    if (license.test(path.basename(file))) continue;
    // The first folder of a library, scoped or not.
    const own = file.split('node_modules/').at(-1);
    const parts = own.split('/');
    const at = own.startsWith('@') ? 2 : 1;
    const inside = parts.length > at + 1 ? parts[at] : '';
    const isHidden = file.split('/').some((part) => part.startsWith('.'));
    // What is run by itself is a tool of the library's: its interpreter is not here, and nothing imports it.
    if (idleFiles.test(file) || idleFolders.includes(inside) || isHidden || isProgram(whole)) rmSync(whole);
  }
  // bin/hawser starts it, by the Node of this folder and no other.
  const main = path.join(tree, 'build/src/cli/main.js');
  writeFileSync(main, readFileSync(main, 'utf8').replace(/^#!.*/, ''));
  removeEmpty(path.join(tree, 'node_modules'));
}

function removeEmpty(folder) {
  for (const entry of readdirSync(folder, { withFileTypes: true }))
    if (entry.isDirectory()) removeEmpty(path.join(folder, entry.name));
  if (readdirSync(folder).length === 0) rmSync(folder, { recursive: true });
}

/** Everybody reads, and what runs runs: whatever the umask and the archive said. */
export function setModes(folder) {
  chmodSync(folder, 0o755);
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    const whole = path.join(entry.parentPath ?? entry.path, entry.name);
    if (!entry.isSymbolicLink()) chmodSync(whole, entry.isDirectory() || isProgram(whole) ? 0o755 : 0o644);
  }
}

/** A script with its interpreter, or Node. */
function isProgram(file) {
  const head = Buffer.alloc(2);
  const fd = openSync(file, 'r');
  readSync(fd, head, 0, 2, 0);
  closeSync(fd);
  return head.toString('latin1') === '#!' || file.endsWith('/bin/node');
}

/** One time for all: two builds of the same sources are the same bytes. */
export function setTimes(folder, epochS) {
  const all = readdirSync(folder, { recursive: true }).map((name) => path.join(folder, name));
  // Folders last: to write into one changes its time; here nothing is written any more.
  for (const whole of [...all, folder]) lutimesSync(whole, epochS, epochS);
}

function digestOf(tree) {
  const hash = createHash('sha256');
  for (const file of filesBelow(tree)) {
    const whole = path.join(tree, file);
    hash
      .update(`${file}\0${lstatSync(whole).mode}\0`)
      .update(createHash('sha256').update(readFileSync(whole)).digest());
  }
  return hash.digest('hex');
}

/** `SOURCE_DATE_EPOCH`, or when the sources were last committed. */
export function sourceEpochS() {
  const given = process.env.SOURCE_DATE_EPOCH;
  if (given !== undefined) return Number(given);
  const log = spawnSync('git', ['log', '-1', '--format=%ct'], { cwd: root, encoding: 'utf8' });
  return log.status === 0 ? Number(log.stdout) : Math.floor(lstatSync(path.join(root, 'package.json')).mtimeMs / 1000);
}
