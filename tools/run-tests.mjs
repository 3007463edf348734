// Runs the compiled tests with tap and ends with `N passed, N failed`. A file's name says what it needs: `.netns.` hosts of its own,
// which mostly wait, so two run at once; `.timed.` and `.stress.` the whole machine, because they hold rates, gaps or races to bars.
// Arguments narrow the choice: `node tools/run-tests.mjs rings session` runs files whose path contains one of the words.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import process from 'node:process';
import readline from 'node:readline';

const root = path.resolve(import.meta.dirname, '..');
const tap = path.join(path.dirname(createRequire(import.meta.url).resolve('tap/package.json')), 'dist/esm/run.mjs');
const words = process.argv.slice(2);

/** Compiled tests whose source still exists: tsc leaves the output of a deleted file behind. */
const files = readdirSync(path.join(root, 'build/test'), { recursive: true })
  .filter((name) => name.endsWith('.test.js'))
  .filter((name) => existsSync(path.join(root, 'test', name.replace(/\.js$/, '.ts'))))
  .filter((name) => words.length === 0 || words.some((word) => name.includes(word)))
  .map((name) => path.join('build/test', name))
  .sort();
const isAlone = (name) => /\.(timed|stress)\./.test(name);
const hasHosts = (name) => name.includes('.netns.');

const phases = [
  { files: files.filter((name) => !isAlone(name) && !hasHosts(name)), jobs: 2, timeoutS: 180 },
  { files: files.filter(hasHosts), jobs: 2, timeoutS: 900 },
  { files: files.filter(isAlone), jobs: 1, timeoutS: 900 },
];

const total = { passed: 0, failed: 0, skipped: 0 };
let exitCode = 0;

/** Prints what a person wants of TAP: the tests below a file, and all that belongs to a failure; and counts the tests. */
function createReader() {
  let failedInFile = 0;
  let isDiagnostic = false;
  return (line) => {
    const match = /^( *)(not )?ok \d+(?: - )?(.*)$/.exec(line);
    if (match === null) {
      if (isDiagnostic) console.log(line);
      if (/^ *\.\.\.$/.test(line)) isDiagnostic = false;
      return;
    }
    const [, indent, isFailure, title] = match;
    isDiagnostic = isFailure !== undefined;
    const isSkipped = /# SKIP/i.test(title);
    if (indent.length === 4) {
      if (isFailure !== undefined) failedInFile += 1;
      else if (isSkipped) total.skipped += 1;
      else total.passed += 1;
    } else if (indent.length === 0) {
      // A file that failed without a test that did (it died, or hung) counts as one failure.
      total.failed += isFailure === undefined ? 0 : Math.max(1, failedInFile);
      failedInFile = 0;
    }
    if (isDiagnostic || isSkipped || indent.length <= 4) console.log(line.replace(/# time=/, '  '));
  };
}

async function runPhase(phase) {
  const failedBefore = total.failed;
  const options = [`-j${phase.jobs}`, `--timeout=${phase.timeoutS}`, '--reporter=tap'];
  const child = spawn(process.execPath, [tap, 'run', ...options, ...phase.files], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = once(child, 'close');
  const read = createReader();
  for await (const line of readline.createInterface({ input: child.stdout })) read(line);
  const [status] = await exited;
  if (status === 0) return;
  exitCode = 1;
  // tap's totals can miss a file that died by a signal; its exit code does not.
  if (total.failed === failedBefore) total.failed += 1;
}

for (const phase of phases) {
  if (phase.files.length > 0) await runPhase(phase);
}
if (total.passed + total.failed === 0) exitCode = 1;
if (total.skipped > 0) console.log(`${total.skipped} skipped`);
console.log(`${total.passed} passed, ${total.failed} failed`);
process.exitCode = exitCode;
