// Puts the compiled addon for each processor into src/native/prebuilds, where an installed package finds it without a compiler.
// `npm pack` runs it. What cannot be built here (no cross compiler) is left out, and said. --own = for this processor only.
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import process from 'node:process';

const root = path.resolve(import.meta.dirname, '..');
const native = path.join(root, 'src/native');
const prebuilds = path.join(native, 'prebuilds');
/** Debian's names of compilers: the package is g++ and then the triplet with dashes. */
const triplets = { x64: 'x86_64-linux-gnu', arm64: 'aarch64-linux-gnu' };

function run(command, args, env = {}) {
  const result = spawnSync(command, args, { encoding: 'utf8', env: { ...process.env, ...env } });
  if (result.status === 0) return;
  console.error(result.stdout?.slice(-8000), result.stderr?.slice(-8000));
  console.error(`Cannot make the prebuilds: ${command} ${args.join(' ')} failed`);
  process.exit(1);
}

/** The addon for `arch`, compiled in a copy of its sources; below node_modules, so that they find node-addon-api. */
function crossBuild(arch, triplet) {
  const folder = path.join(root, 'node_modules/.cache/hawser-prebuild', arch);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  cpSync(native, folder, { recursive: true, filter: (from) => !/native\/(build|prebuilds)(\/|$)/.test(from) });
  const prefix = path.resolve(path.dirname(process.execPath), '..');
  const nodedir = existsSync(path.join(prefix, 'include/node/node_api.h')) ? [`--nodedir=${prefix}`] : [];
  const gyp = createRequire(import.meta.url).resolve('node-gyp/bin/node-gyp.js');
  const tools = { CC: `${triplet}-gcc`, CXX: `${triplet}-g++`, AR: `${triplet}-ar` };
  run(process.execPath, [gyp, 'rebuild', '-j', 'max', '-C', folder, `--arch=${arch}`, ...nodedir], tools);
  return path.join(folder, 'build/Release/hawser.node');
}

const made = new Set();
for (const [arch, triplet] of Object.entries(triplets)) {
  const isOwn = arch === process.arch;
  if (!isOwn && process.argv.includes('--own')) continue;
  if (!isOwn && spawnSync(`${triplet}-g++`, ['--version']).error) {
    console.error(
      `No prebuild for ${arch}: ${triplet}-g++ is missing (apt-get install g++-${triplet.replace('_', '-')})`,
    );
    continue;
  }
  const built = isOwn ? path.join(native, 'build/Release/hawser.node') : crossBuild(arch, triplet);
  const folder = path.join(prebuilds, `linux-${arch}`);
  mkdirSync(folder, { recursive: true });
  // The tag is node-gyp-build's: musl would load it and fail later.
  // Somebody may be packing: each file is there whole, or not yet.
  const draft = path.join(root, 'node_modules/.cache/hawser-prebuild', `${arch}.${process.pid}.node`);
  mkdirSync(path.dirname(draft), { recursive: true });
  run(isOwn ? 'strip' : `${triplet}-strip`, ['-o', draft, built]);
  renameSync(draft, path.join(folder, 'hawser.glibc.node'));
  made.add(`linux-${arch}`);
}
for (const name of readdirSync(prebuilds))
  if (!made.has(name)) rmSync(path.join(prebuilds, name), { recursive: true, force: true });
