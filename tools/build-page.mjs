// Builds the web page (src/page) into build/page, and fails when a browser would have to load more than it may. What is there already and
// was made of the same files stays: a build of everything else should not wait for this one.
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { gzipSync } from 'node:zlib';
import { build } from 'vite';

/** All that the browser loads, compressed: an operator on a train looks at it over the link that has just failed over. */
const mostBytes = 60 * 1024;

const root = path.resolve(import.meta.dirname, '..');
const source = path.join(root, 'src/page');
const target = path.join(root, 'build/page');
const stampFile = path.join(root, 'build/.page-stamp');

/** Of everything that goes into it: the page, what it shares with the daemon, the libraries, this file. */
function stamp() {
  const hash = createHash('sha256');
  const folders = ['src/page', 'src/control', 'src/contract', 'src/base'];
  const files = folders.flatMap((folder) =>
    readdirSync(path.join(root, folder), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => path.join(entry.parentPath, entry.name)),
  );
  for (const file of [...files.sort(), path.join(root, 'package-lock.json'), import.meta.filename])
    hash.update(file).update('\0').update(readFileSync(file));
  return hash.digest('hex');
}

/** Bytes on the wire of all that a browser may load. */
function sizes() {
  return readdirSync(target, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.(html|js|css|svg)$/.test(entry.name))
    .map((entry) => path.join(entry.parentPath, entry.name))
    .map((file) => ({ name: path.relative(target, file), bytes: gzipSync(readFileSync(file), { level: 9 }).length }));
}

const now = stamp();
if (process.argv.includes('--force') || !existsSync(stampFile) || readFileSync(stampFile, 'utf8') !== now) {
  await build({
    configFile: false,
    root: source,
    base: './',
    logLevel: 'warn',
    publicDir: false,
    oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
    build: {
      outDir: target,
      emptyOutDir: true,
      target: 'es2022',
      assetsInlineLimit: 0,
      modulePreload: false,
      // Notices that the licences of the libraries ask for.
      license: { fileName: 'licenses.md' },
    },
  });
  writeFileSync(stampFile, now);
}

const files = sizes();
const total = files.reduce((sum, { bytes }) => sum + bytes, 0);
if (process.argv.includes('--sizes')) for (const { name, bytes } of files) console.log(`${name}: ${bytes} bytes`);
if (total > mostBytes) {
  console.error(`The page is ${total} bytes compressed, and may be ${mostBytes} (tools/build-page.mjs --sizes)`);
  process.exit(1);
}
if (process.argv.includes('--sizes')) console.log(`page: ${total} of ${mostBytes} bytes, compressed`);
