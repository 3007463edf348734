/**
 * Reed-Solomon 10+3 over packets of 1400 bytes on one core (`native/fec.cc`, built with the addon's own flags): encode against ISA-L's
 * `ec_encode_data` when `--isal` names a libisal.so, decode of 3 losses against encode, the sender's packet-by-packet sums, and each
 * kernel this CPU has. `groups=1` stays in the first-level cache, `groups=32` (580 KB) in the second.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { comparePairs, median, pairCount, report, runForNumbers, runSeconds, spread } from '../support/bench.ts';

const shape = { code: '10+3', bytes: 1400, cores: 1 };
const kernels = ['scalar', 'ssse3', 'avx2', 'gfni-avx2', 'gfni-avx512', 'neon'] as const;
type Work = 'encode' | 'decode' | 'accumulate';

function compile(folder: string): string {
  const root = path.resolve(import.meta.dirname, '../../..');
  const program = path.join(folder, 'fec');
  const sources = ['galois', 'galois_arm', 'galois_x86', 'reed_solomon'].map((name) => `src/native/sys/${name}.cc`);
  const flags = ['-std=c++20', '-O3', '-fno-exceptions', '-Isrc/native', 'bench/native/fec.cc', ...sources];
  const run = spawnSync('g++', [...flags, '-o', program, '-ldl'], { cwd: root, encoding: 'utf8' });
  if (run.status !== 0)
    throw new Error(`Cannot compile fec.cc: ${run.error?.message ?? run.stderr} (apt-get install g++)`);
  return program;
}

class FecBench {
  readonly #program: string;
  readonly #isal: string | undefined;

  constructor(program: string, isal: string | undefined) {
    this.#program = program;
    this.#isal = isal;
  }

  /** Gbit/s of data. */
  #take(side: string, work: Work, groups: number): number {
    const words = [side, work, '10', '3', '1400', String(groups), String(runSeconds)];
    const isal = this.#isal === undefined ? [] : [this.#isal];
    return runForNumbers(this.#program, [...words, ...isal])[0] ?? Number.NaN;
  }

  compare(groups: number): void {
    const parameters = { ...shape, groups };
    const encode = { label: 'hawser', take: () => this.#take('best', 'encode', groups) };
    if (this.#isal !== undefined) {
      const isal = { label: 'isa-l', take: () => this.#take('isal', 'encode', groups) };
      comparePairs('fec-encode', parameters, 'Gbit/s', encode, isal);
    }
    const decode = { label: 'decode', take: () => this.#take('best', 'decode', groups) };
    comparePairs('fec-decode', { ...parameters, lost: 3 }, 'Gbit/s', decode, { ...encode, label: 'encode' });
    const sums = Array.from({ length: pairCount }, () => this.#take('best', 'accumulate', groups));
    report('fec-accumulate', { ...parameters, spread: spread(sums) }, median(sums), 'Gbit/s');
  }

  /** What each kernel gives; 0 would be a lie for one that this CPU does not have, so it has no line. */
  kernels(): void {
    const listed = spawnSync(this.#program, ['kernels'], { encoding: 'utf8' }).stdout.trim().split(' ');
    for (const kernel of kernels.filter((name) => listed.includes(name))) {
      const values = Array.from({ length: pairCount }, () => this.#take(kernel, 'encode', 1));
      report('fec-kernel', { ...shape, kernel, spread: spread(values) }, median(values), 'Gbit/s');
    }
  }
}

const folder = mkdtempSync(path.join(os.tmpdir(), 'hw-fec-'));
try {
  const { HAWSER_BENCH_ISAL: given } = process.env;
  const isal = given === undefined ? undefined : path.resolve(given);
  if (isal === undefined) console.log('# no --isal PATH: encode is measured without its peer');
  const bench = new FecBench(compile(folder), isal);
  for (const groups of [1, 32]) bench.compare(groups);
  bench.kernels();
} finally {
  rmSync(folder, { recursive: true, force: true });
}
