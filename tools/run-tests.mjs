// Runs the compiled tests and ends with `N passed, N failed`. A file's name says what it needs: `.netns.` hosts of its own, which mostly
// wait, so three run at once; `.stress.` (threads that race and are starved) and `.timed.` (rates and gaps held to bars) the whole machine;
// `.sim.` and `.patient.` look at no clock but a virtual one, and get what all others but the timed leave of the processors.
// Arguments narrow the choice: `node tools/run-tests.mjs rings session` runs files whose path contains one of the words.
// What failed is run again, alone and twice (`lookAgain`); who passes only then is named at the end.
// Each file is a process of its own that prints TAP; tap's own runner loads modules into it and into every daemon that it starts.
import { existsSync, readdirSync, statSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { endRunning, lookAgain, runFile } from './test-file.mjs';

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

/** One after another. */
const phases = [
  { files: ofKind('fast'), jobs: 2, timeoutS: isLong ? timeoutS : 180 },
  { files: ofKind('netns'), jobs: 3, timeoutS },
  { files: ofKind('stress'), jobs: 1, timeoutS },
];
/** Beside them, on what they leave of the processors: it gives way at once. */
const patient = {
  files: [...ofKind('patient'), ...ofKind('sim')],
  jobs: 2,
  // It waits for all others.
  timeoutS: Math.max(timeoutS, 1800),
  isPatient: true,
};
/** Rates and gaps want the whole machine: what is patient has ended by then. */
const timed = { files: ofKind('timed'), jobs: 1, timeoutS };

const results = [];
let isStopping = false;

// Each file is a process group of its own, so that nothing it starts is left; what ends the runner has to end them.
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, () => {
    isStopping = true;
    endRunning(signal);
  });
}

async function runOne(name, lane) {
  const { text, ...counts } = await runFile(root, name, lane);
  console.log(text);
  return { name, ...counts };
}

async function runLane(lane) {
  const waiting = [...lane.files];
  const work = async () => {
    for (let name = waiting.shift(); name !== undefined && !isStopping; name = waiting.shift())
      results.push(await runOne(name, lane));
  };
  await Promise.all(Array.from({ length: lane.jobs }, work));
}

/** Says how long the lane took. */
async function runPhase(lane) {
  const startMs = performance.now();
  await runLane(lane);
  const kinds = [...new Set(lane.files.map(kindOf))];
  if (kinds.length > 0) console.log(`${kinds.join(' and ')}: ${((performance.now() - startMs) / 1000).toFixed(0)} s`);
}

const waited = runPhase(patient);
for (const lane of phases) await runPhase(lane);
await waited;
await runPhase(timed);

const counting = isStopping ? results : await lookAgain(results, (name) => runOne(name, { timeoutS }));
const sum = (key) => counting.reduce((sum, result) => sum + result[key], 0);
const [passed, failed, skipped] = [sum('passed'), sum('failed'), sum('skipped')];
for (const { name } of counting.filter((result) => result.isSecond))
  console.log(`UNSTEADY: ${name} failed, and passed twice alone`);
if (skipped > 0) console.log(`${skipped} skipped`);
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = passed + failed > 0 && failed === 0 && !isStopping ? 0 : 1;
