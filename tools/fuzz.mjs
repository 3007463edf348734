// Fuzzes the addon's parsers with libFuzzer, AddressSanitizer and UBSan: `node tools/fuzz.mjs [target] [seconds]`; without a target
// each in turn. Corpora and crashes are kept in build/fuzz/<target>/. A crash ends it with status 1 and the file that repeats it.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { testedSources } from './native-sources.mjs';

const root = path.resolve(import.meta.dirname, '..');
const tests = path.join(root, 'test/native');
const compiler = process.env.FUZZ_CXX ?? 'clang++';
const flags = [
  ...['-std=c++20', '-O1', '-g', '-fno-omit-frame-pointer', '-fsanitize=fuzzer,address,undefined'],
  ...['-fno-sanitize-recover=undefined', '-DHAWSER_FUZZ'],
  ...['-I', path.join(tests, 'stub'), '-I', tests, '-I', path.join(root, 'src/native')],
];
const sources = [...testedSources, path.join(tests, 'support/fake-kernel.cc')];
const suffix = '.fuzz.cc';
const targets = readdirSync(path.join(tests, 'fuzz'))
  .filter((name) => name.endsWith(suffix))
  .map((name) => name.slice(0, -suffix.length));

function fuzz(target, seconds) {
  const folder = path.join(root, 'build/fuzz', target);
  mkdirSync(path.join(folder, 'corpus'), { recursive: true });
  const program = path.join(folder, 'fuzzer');
  const main = path.join(tests, 'fuzz', target + suffix);
  const built = spawnSync(compiler, [...flags, main, ...sources, '-o', program], { stdio: 'inherit' });
  if (built.status !== 0) return built.status ?? 1;
  const limits = [
    `-max_total_time=${seconds}`,
    '-max_len=70000',
    '-len_control=20',
    '-print_final_stats=1',
    '-verbosity=0',
  ];
  const run = spawnSync('nice', [program, ...limits, `-artifact_prefix=${folder}/`, path.join(folder, 'corpus')], {
    stdio: 'inherit',
  });
  return run.status ?? 1;
}

const [first = '', second] = process.argv.slice(2);
const chosen = targets.includes(first) ? [first] : targets;
const seconds = Number(targets.includes(first) ? (second ?? 60) : first || 60);
if (!(seconds > 0)) {
  console.error(`usage: fuzz.mjs [${targets.join('|')}] [seconds]`);
  process.exit(2);
}
if (spawnSync(compiler, ['--version']).status !== 0) {
  console.log(`skipped: ${compiler} is not installed: apt-get install -y clang libclang-rt-14-dev`);
  process.exit(0);
}
for (const target of chosen) {
  console.log(`fuzz ${target} for ${seconds} s`);
  const status = fuzz(target, seconds);
  if (status === 0) continue;
  const crashes = readdirSync(path.join(root, 'build/fuzz', target)).filter((name) =>
    /^(crash|leak|timeout|oom)-/.test(name),
  );
  console.error(
    `${target}: status ${status}; ${crashes.map((name) => path.join('build/fuzz', target, name)).join(' ')}`,
  );
  process.exit(existsSync(path.join(root, 'build/fuzz', target, 'fuzzer')) ? 1 : status);
}
