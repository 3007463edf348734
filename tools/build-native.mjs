// Builds the addon with node-gyp, and skips the work when neither a source nor this Node has changed since.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import process from 'node:process';

const root = path.resolve(import.meta.dirname, '..');
const native = path.join(root, 'src/native');
const output = path.join(native, 'build/Release/hawser.node');
const stamp = path.join(native, 'build/stamp');

function* sources(folder) {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const file = path.join(folder, entry.name);
    if (entry.isDirectory() && entry.name !== 'build') yield* sources(file);
    else if (/\.(cc|h|gyp)$/.test(entry.name)) yield file;
  }
}

const hash = createHash('sha256').update(process.version).update(process.arch);
for (const file of [...sources(native)].sort()) hash.update(file).update(readFileSync(file));
const digest = hash.digest('hex');
if (existsSync(output) && existsSync(stamp) && readFileSync(stamp, 'utf8') === digest) process.exit(0);

for (const [tool, remedy] of [
  ['g++', 'apt-get install g++'],
  ['make', 'apt-get install make'],
  ['python3', 'apt-get install python3'],
]) {
  if (spawnSync(tool, ['--version']).error) {
    console.error(`Cannot build the addon: ${tool} is missing (${remedy})`);
    process.exit(1);
  }
}

// The headers lie beside Node where it was installed from an archive; otherwise node-gyp fetches them once.
const prefix = path.resolve(path.dirname(process.execPath), '..');
const nodedir = existsSync(path.join(prefix, 'include/node/node_api.h')) ? [`--nodedir=${prefix}`] : [];
const gyp = createRequire(import.meta.url).resolve('node-gyp/bin/node-gyp.js');
const jobs = ['-j', 'max'];
const result = spawnSync(
  process.execPath,
  // Configured anew each time: the Makefile lists the sources that were there then. Objects that are newer stay.
  [gyp, 'configure', 'build', ...jobs, '-C', native, ...nodedir],
  {
    stdio: ['ignore', 'pipe', 'pipe'],
    encoding: 'utf8',
  },
);
if (result.status !== 0) {
  console.error(result.stdout.slice(-8000), result.stderr.slice(-8000));
  console.error('Cannot build the addon: see the compiler messages above');
  process.exit(1);
}
mkdirSync(path.dirname(stamp), { recursive: true });
writeFileSync(stamp, digest);
