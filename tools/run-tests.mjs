// Runs the compiled tests and ends with `N passed, N failed`. A file's name says what it needs: `.netns.` hosts of its own, which mostly
// wait, so three run at once; `.stress.` threads that race, which two can do at once; `.timed.` the whole machine, because it holds
// rates or gaps to bars; `.sim.` and `.patient.` look at no clock but a virtual one, and get what the hosts leave of the processors.
// Arguments narrow the choice: `node tools/run-tests.mjs rings session` runs files whose path contains one of the words.
// Each file is a process of its own that prints TAP; tap's own runner loads modules into it and into every daemon that it starts.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, statSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import readline from 'node:readline';

const root = path.resolve(import.meta.dirname, '..');
const words = process.argv.slice(2);

/** Compiled tests whose source still exists: tsc leaves the output of a deleted file behind. The long ones, roughly, first. */
const files = readdirSync(path.join(root, 'build/test'), { recursive: true })
  .filter((name) => name.endsWith('.test.js'))
  .filter((name) => existsSync(path.join(root, 'test', name.replace(/\.js$/, '.ts'))))
  .filter((name) => words.length === 0 || words.some((word) => name.includes(word)))
  .map((name) => path.join('build/test', name))
  .sort((a, b) => statSync(path.join(root, b)).size - statSync(path.join(root, a)).size);

const kindOf = (name) => /\.(netns|stress|timed|sim|patient)\.test\.js$/.exec(name)?.[1] ?? 'fast';
const ofKind = (kind) => files.filter((name) => kindOf(name) === kind);

/** `npm run test:long` repeats what npm test does once, and runs what takes hours. */
const isLong = process.env.HAWSER_LONG === '1';
const timeoutS = isLong ? 4 * 3600 : 900;

/** One after another; the lanes of a phase at once. */
const phases = [
  [{ files: ofKind('fast'), jobs: 2, timeoutS: isLong ? timeoutS : 180 }],
  [
    { files: ofKind('netns'), jobs: 3, timeoutS },
    { files: [...ofKind('patient'), ...ofKind('sim')], jobs: 1, timeoutS, isPatient: true },
  ],
  [{ files: ofKind('stress'), jobs: 2, timeoutS }],
  [{ files: ofKind('timed'), jobs: 1, timeoutS }],
];

/** After SIGTERM tap still says which test hangs, and labs remove their namespaces. */
const lastWordsMs = 10_000;
const total = { passed: 0, failed: 0, skipped: 0 };

/** Counts the tests of one file by its TAP, and keeps what a person wants of it: the tests, and all that belongs to a failure. */
class Reader {
  passed = 0;
  failed = 0;
  skipped = 0;
  lines = [];
  #isDiagnostic = false;

  take(line) {
    const match = /^( *)(not )?ok \d+(?: - )?(.*)$/.exec(line);
    if (match === null) {
      if (this.#isDiagnostic) this.lines.push(line);
      if (/^ *\.\.\.$/.test(line)) this.#isDiagnostic = false;
      return;
    }
    const [, indent, failure, title] = match;
    const isFailure = failure !== undefined;
    const isSkipped = /# SKIP/i.test(title);
    this.#isDiagnostic = isFailure;
    if (indent === '') {
      if (isFailure) this.failed += 1;
      else if (isSkipped) this.skipped += 1;
      else this.passed += 1;
    }
    if (isFailure || isSkipped || indent === '') this.lines.push(line.replace(/# time=/, '  '));
  }
}

async function runFile(name, { timeoutS, isPatient }) {
  const command = [process.execPath, name];
  // SCHED_IDLE: whoever else wants a processor has it at once (sched(7)); chrt is util-linux's, which Debian always has.
  const [program, ...args] = isPatient ? ['chrt', '--idle', '0', ...command] : command;
  const startMs = performance.now();
  const child = spawn(program, args, {
    cwd: root,
    env: { ...process.env, TAP_TIMEOUT: String(timeoutS) },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const reader = new Reader();
  const complaints = [];
  child.stderr.on('data', (chunk) => complaints.push(String(chunk)));
  const timers = [
    setTimeout(() => child.kill('SIGTERM'), timeoutS * 1000),
    setTimeout(() => child.kill('SIGKILL'), timeoutS * 1000 + lastWordsMs),
  ];
  const exited = once(child, 'close');
  for await (const line of readline.createInterface({ input: child.stdout })) reader.take(line);
  const [status, signal] = await exited;
  for (const timer of timers) clearTimeout(timer);
  // A file that failed without a test that did (it died, or hung) counts as one failure.
  if (status !== 0) reader.failed = Math.max(1, reader.failed);
  const verdict = reader.failed === 0 ? 'ok' : 'not ok';
  const end = signal === null ? '' : ` (ended by ${signal})`;
  const text = [...reader.lines.map((line) => `    ${line}`), ...(reader.failed === 0 ? [] : complaints)].join('\n');
  console.log(`${text}\n${verdict} - ${name}${end}   ${((performance.now() - startMs) / 1000).toFixed(1)} s`);
  for (const key of Object.keys(total)) total[key] += reader[key];
}

async function runLane(lane) {
  const waiting = [...lane.files];
  const work = async () => {
    for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) await runFile(name, lane);
  };
  await Promise.all(Array.from({ length: lane.jobs }, work));
}

for (const lanes of phases) {
  const startMs = performance.now();
  await Promise.all(lanes.map(runLane));
  const kinds = [...new Set(lanes.flatMap((lane) => lane.files.map(kindOf)))];
  if (kinds.length > 0) console.log(`${kinds.join(' and ')}: ${((performance.now() - startMs) / 1000).toFixed(0)} s`);
}
if (total.skipped > 0) console.log(`${total.skipped} skipped`);
console.log(`${total.passed} passed, ${total.failed} failed`);
process.exitCode = total.passed + total.failed > 0 && total.failed === 0 ? 0 : 1;
