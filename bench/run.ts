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

/** sysexits.h EX_USAGE. */
const wrongUse = 64;

interface Known {
  /** What stands behind it; none = it is a switch. */
  readonly value?: string;
  readonly help: string;
}

/** Every option of every bench; which one takes which is named in its first lines. */
const known: Readonly<Record<string, Known>> = {
  'wireguard-go': { value: 'FILE', help: 'a peer to compare with (also WIREGUARD_GO, or on PATH)' },
  phantun: { value: 'FOLDER', help: 'with its programs client and server (also PHANTUN, or phantun_client on PATH)' },
  isal: { value: 'FILE', help: 'libisal.so' },
  against: { value: 'FOLDER', help: 'another checkout of Hawser, built' },
  pairs: { value: 'N', help: 'how often the two sides of a comparison are taken in turn' },
  seconds: { value: 'N', help: 'of one measurement' },
  runs: { value: 'N', help: 'of each configuration' },
  trials: { value: 'N', help: 'of each way to fail' },
  parts: { value: 'NAMES', help: 'of what a bench measures, only these' },
  sets: { value: 'NAMES', help: 'of links' },
  links: { value: 'NUMBERS', help: 'how many' },
  peers: { value: 'NUMBERS', help: 'how many' },
  hogs: { value: 'NUMBERS', help: 'of processes beside it that take what they get' },
  connected: { value: 'N', help: 'of the peers' },
  sizes: { value: 'NUMBERS', help: 'of packets or paths' },
  flows: { value: 'NUMBERS', help: 'how many' },
  flow: { value: 'NAMES', help: 'up, down' },
  direction: { value: 'NAME', help: 'up or down' },
  ways: { value: 'NAMES', help: 'of blocking: out, in, both' },
  by: { value: 'NAME', help: 'a transport' },
  from: { value: 'N', help: 'where to begin' },
  ramp: { value: 'N', help: 'seconds that are not measured' },
  mode: { value: 'NAMES', help: 'of bonding, or of load' },
  events: { help: 'prints what the daemons told' },
  write: { help: 'keeps the results beside the bench' },
  help: { help: 'prints this' },
};

const usage = [
  'npm run bench -- [WORD...] [options]      runs the benches whose path contains a word, all without; bench/README.md tells of each',
  '',
  ...Object.entries(known).map(([name, { value, help }]) => `  ${`--${name} ${value ?? ''}`.padEnd(24)} ${help}`),
].join('\n');

/** What was asked for; says what is wrong with it, and ends, otherwise. */
function readArguments(): { values: Record<string, string | boolean | undefined>; positionals: string[] } {
  const options = Object.fromEntries(
    Object.entries(known).map(([name, { value }]) => [
      name,
      { type: value === undefined ? ('boolean' as const) : ('string' as const) },
    ]),
  );
  try {
    return parseArgs({ allowPositionals: true, options });
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    console.error(`bench: ${error.message.split('. ')[0]} (--help names all options)`);
    process.exit(wrongUse);
  }
}

const { values, positionals } = readArguments();
if (values.help === true) {
  console.log(usage);
  process.exit(0);
}

const env = { ...process.env };
/** Named to peers' tests and benches alike by a variable of the peer's. */
const peerVariables: Readonly<Record<string, string>> = { 'wireguard-go': 'WIREGUARD_GO', phantun: 'PHANTUN' };
const isPath = (name: string): boolean => name in peerVariables || name === 'against';
for (const [name, value] of Object.entries(values)) {
  const text = isPath(name) ? path.resolve(String(value)) : String(value);
  env[peerVariables[name] ?? `HAWSER_BENCH_${name.toUpperCase()}`] = text;
}

const folder = import.meta.dirname;
const files = readdirSync(folder, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.bench.js'))
  .filter((name) => positionals.length === 0 || positionals.some((word) => name.includes(word)))
  .sort();
if (files.length === 0) {
  console.error(`bench: no bench file matches ${positionals.join(' ')}`);
  process.exit(wrongUse);
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
