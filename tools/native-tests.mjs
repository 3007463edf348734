// Builds src/native/sys without Node, under AddressSanitizer and UBSan (and one part under ThreadSanitizer), and runs
// test/native/*.cc against it. Prints TAP. `node tools/native-tests.mjs [words of a title]`; NATIVE_SANITIZER=asan|tsan for one.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { testedSources } from './native-sources.mjs';

const root = path.resolve(import.meta.dirname, '..');
const tests = path.join(root, 'test/native');
const sys = path.join(root, 'src/native/sys');
const compiler = process.env.CXX ?? 'g++';
const common = [
  '-std=c++20',
  '-g1',
  '-Wall',
  '-Wextra',
  '-Werror',
  '-fno-omit-frame-pointer',
  '-fno-exceptions',
  `-DHAWSER_VECTORS="${path.join(root, 'test/vectors')}"`,
];
const includes = ['-I', path.join(tests, 'stub'), '-I', tests, '-I', path.join(root, 'src/native')];
const kinds = {
  asan: {
    flags: ['-fsanitize=address,undefined', '-fno-sanitize-recover=all'],
    suffix: '.test.cc',
    // The fuzz targets need clang to run (tools/fuzz.mjs); that they compile is seen here.
    alsoCompiles: filesIn(path.join(tests, 'fuzz'), () => true),
    sources: testedSources,
  },
  // Rings are headers alone.
  tsan: { flags: ['-fsanitize=thread'], suffix: '.threads.cc', alsoCompiles: [], sources: [] },
};
const environment = { ...process.env, ASAN_OPTIONS: 'detect_leaks=1', UBSAN_OPTIONS: 'print_stacktrace=1' };

function filesIn(folder, accept) {
  return readdirSync(folder)
    .filter((name) => name.endsWith('.cc') && accept(name))
    .map((name) => path.join(folder, name));
}

/** Whether the compiler can link with these flags; on a machine without the runtime the tests are skipped. */
function canLink(folder, flags) {
  const source = path.join(folder, 'probe.cc');
  writeFileSync(source, 'int main() { return 0; }\n');
  const program = path.join(folder, 'probe');
  if (spawnSync(compiler, [...flags, source, '-o', program]).status !== 0) return false;
  return spawnSync(program).status === 0;
}

/** The newest change of anything that an object may depend on: headers are not tracked one by one. */
function newestHeaderMs() {
  const folders = [sys, path.join(tests, 'support'), path.join(tests, 'stub'), path.join(tests, 'stub/openssl')];
  const headers = folders.flatMap((folder) =>
    readdirSync(folder)
      .filter((name) => name.endsWith('.h'))
      .map((name) => path.join(folder, name)),
  );
  return Math.max(...headers.map((file) => statSync(file).mtimeMs));
}

function run(command, args) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { stdio: ['ignore', 'inherit', 'inherit'], env: environment });
    child.on('close', (code, signal) => resolve(signal === null ? code : 1));
  });
}

async function compileAll(jobs) {
  const waiting = [...jobs];
  let failed = false;
  const work = async () => {
    for (let job = waiting.shift(); job !== undefined; job = waiting.shift()) {
      if ((await run(compiler, job)) !== 0) failed = true;
    }
  };
  await Promise.all(Array.from({ length: Math.min(4, availableParallelism()) }, work));
  return !failed;
}

/** Builds the program of one kind; undefined when a file did not compile. */
async function build(kind, folder) {
  const { flags, suffix } = kinds[kind];
  const sources = [
    ...kinds[kind].sources,
    ...filesIn(tests, (name) => name.endsWith(suffix)),
    ...filesIn(path.join(tests, 'support'), () => true),
  ];
  const headersMs = newestHeaderMs();
  const objects = sources.map((source) => path.join(folder, `${path.relative(root, source).replaceAll('/', '-')}.o`));
  const jobs = sources.flatMap((source, index) => {
    const object = objects[index];
    const isFresh = existsSync(object) && statSync(object).mtimeMs > Math.max(headersMs, statSync(source).mtimeMs);
    // What is tested is compiled as it should be; the tests themselves are long, and soon run.
    const level = source.startsWith(sys) ? '-O1' : '-O0';
    return isFresh ? [] : [[...common, level, ...flags, ...includes, '-c', source, '-o', object]];
  });
  const looks = kinds[kind].alsoCompiles.map((source) => [...common, ...includes, '-fsyntax-only', source]);
  if (!(await compileAll([...jobs, ...looks]))) return undefined;
  const program = path.join(folder, 'tests');
  return (await run(compiler, [...flags, ...objects, '-o', program, '-lpthread'])) === 0 ? program : undefined;
}

const only = process.env.NATIVE_SANITIZER;
if (spawnSync(compiler, ['--version']).status !== 0) {
  console.log(`1..0 # SKIP ${compiler} is not installed: apt-get install -y g++`);
  process.exit(0);
}
let status = 0;
for (const [kind, { flags }] of Object.entries(kinds)) {
  if (only !== undefined && only !== kind) continue;
  const folder = path.join(root, 'build/native-tests', kind);
  mkdirSync(folder, { recursive: true });
  if (!canLink(folder, flags)) {
    console.log(`ok - ${kind} # SKIP ${compiler} cannot link ${flags[0]} here`);
    continue;
  }
  const program = await build(kind, folder);
  if (program === undefined) {
    console.log(`not ok - ${kind}: it does not compile`);
    status = 1;
    continue;
  }
  if ((await run(program, process.argv.slice(2))) !== 0) {
    console.log(`not ok - ${kind}: the program ended with a failure`);
    rmSync(program);
    status = 1;
  }
}
process.exit(status);
