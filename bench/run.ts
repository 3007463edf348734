/**
 * `npm run bench -- [words] [--wireguard-go PATH] [--pairs N] [--seconds S] …`: runs the bench files whose path contains one of
 * the words (all without), each in its own process, one line a figure; their own options are named in their first lines. Exits 1
 * when one of them failed.
 */
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { parseArgs } from 'node:util';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    'wireguard-go': { type: 'string' },
    isal: { type: 'string' },
    against: { type: 'string' },
    pairs: { type: 'string' },
    seconds: { type: 'string' },
    ramp: { type: 'string' },
    runs: { type: 'string' },
    sets: { type: 'string' },
    parts: { type: 'string' },
    peers: { type: 'string' },
    mode: { type: 'string' },
    direction: { type: 'string' },
    trials: { type: 'string' },
    sizes: { type: 'string' },
    links: { type: 'string' },
    ways: { type: 'string' },
    from: { type: 'string' },
    flows: { type: 'string' },
    flow: { type: 'string' },
    by: { type: 'string' },
    events: { type: 'boolean' },
    write: { type: 'boolean' },
  },
});

const env = { ...process.env };
if (values['wireguard-go'] !== undefined) env.WIREGUARD_GO = path.resolve(values['wireguard-go']);
if (values.against !== undefined) values.against = path.resolve(values.against);
for (const [name, value] of Object.entries(values)) {
  if (name !== 'wireguard-go') env[`HAWSER_BENCH_${name.toUpperCase()}`] = String(value);
}

const folder = import.meta.dirname;
const files = readdirSync(folder, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.bench.js'))
  .filter((name) => positionals.length === 0 || positionals.some((word) => name.includes(word)))
  .sort();
if (files.length === 0) {
  console.error(`No bench file matches ${positionals.join(' ')}`);
  process.exit(2);
}

const [cpu] = os.cpus();
console.log(`# ${os.cpus().length} × ${cpu?.model.trim()}, Linux ${os.release()}, Node ${process.version}`);
let failed = 0;
for (const name of files) {
  const run = spawnSync(process.execPath, [path.join(folder, name)], { stdio: 'inherit', env });
  if (run.status === 0) continue;
  failed += 1;
  console.error(`bench ${name} failed: ${run.signal ?? `exit ${run.status}`}`);
}
process.exitCode = failed > 0 ? 1 : 0;
