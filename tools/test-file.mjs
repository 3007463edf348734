// One compiled test: runs it as a process group of its own and judges it by what it prints (TAP) and by how it ends.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import process from 'node:process';
import readline from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';

/** After SIGTERM tap still says which test hangs, and labs remove their namespaces. */
const lastWordsMs = 10_000;
/** What a file has killed may still be dying when the file itself has ended. */
const partingMs = 5_000;
const lookMs = 50;
const mostLookedAtAgain = 2;

/**
 * Whoever else wants a processor has it at once (sched(7)): SCHED_IDLE decides within a session, and each file is one, between which the
 * autogroup's nice value does. chrt is util-linux's, which Debian always has.
 */
const asLast = ['sh', '-c', '{ echo 19 > /proc/self/autogroup; } 2> /dev/null; exec chrt --idle 0 "$@"', 'sh'];

/** Process groups. */
const running = new Set();

/** Counts the tests of one file by its TAP, and keeps what a person wants of it: the tests, and all that belongs to a failure. */
class Reader {
  passed = 0;
  failed = 0;
  skipped = 0;
  /** How many tests the file says that it has; undefined = it has not said. */
  planned;
  lines = [];
  #isDiagnostic = false;

  take(line) {
    const match = /^( *)(not )?ok \d+(?: - )?(.*)$/.exec(line);
    if (match === null) {
      const plan = /^1\.\.(\d+)/.exec(line);
      if (plan !== null) this.planned = Number(plan[1]);
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

  /** What is wrong with the file as a whole; undefined = nothing. A whole file may be skipped: then its plan is 1..0 with the reason. */
  complaint(status, signal, isLeft) {
    const seen = this.passed + this.failed + this.skipped;
    if (signal !== null) return `ended by ${signal}`;
    if (status !== 0) return `exit ${status}`;
    if (this.planned === undefined) return 'said nothing of its tests';
    if (this.planned !== seen) return `${seen} of ${this.planned} tests told`;
    return isLeft ? 'left processes behind' : undefined;
  }
}

/** `isPatient`: it gets what others leave of the processors. Resolves with the counts, and with what is to be printed. */
export async function runFile(root, name, { timeoutS, isPatient = false }) {
  const command = [process.execPath, name];
  const [program, ...args] = isPatient ? [...asLast, ...command] : command;
  const startMs = performance.now();
  const child = spawn(program, args, {
    cwd: root,
    detached: true,
    env: { ...process.env, TAP_TIMEOUT: String(timeoutS) },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  running.add(child.pid);
  const reader = new Reader();
  const errors = [];
  child.stderr.on('data', (chunk) => errors.push(String(chunk)));
  const closed = once(child, 'close');
  readline.createInterface({ input: child.stdout }).on('line', (line) => reader.take(line));
  const timers = [
    setTimeout(() => child.kill('SIGTERM'), timeoutS * 1000),
    setTimeout(() => child.kill('SIGKILL'), timeoutS * 1000 + lastWordsMs),
  ];
  const [status, signal] = await once(child, 'exit');
  for (const timer of timers) clearTimeout(timer);
  const isLeft = await endGroup(child.pid);
  await closed;
  running.delete(child.pid);
  const complaint = reader.complaint(status, signal, isLeft);
  // A file that failed without a test that did (it died, or hung) counts as one failure.
  if (complaint !== undefined) reader.failed = Math.max(1, reader.failed);
  const { passed, failed, skipped } = reader;
  const lines = [...reader.lines.map((line) => `    ${line}`), ...(failed === 0 ? [] : errors)];
  const verdict = failed === 0 ? `ok - ${name}` : `not ok - ${name}${complaint === undefined ? '' : ` (${complaint})`}`;
  const text = [...lines, `${verdict}   ${((performance.now() - startMs) / 1000).toFixed(1)} s`].join('\n');
  return { passed, failed, skipped, text };
}

/**
 * What failed is looked at again, alone: a neighbour's load does not repeat itself. Whoever passes then twice in a row counts as passed, and is
 * named at the end, for a race that shows itself once in a hundred runs fails just so. When more than two files fail it is no chance: a
 * fault that depends on the time of day passed a single second look in three files at once.
 * `results` are `{ name, passed, failed, skipped }` of all files; resolves with those that count, `isSecond` where it was a later time.
 */
export async function lookAgain(results, run) {
  const failed = results.filter((result) => result.failed > 0);
  if (failed.length > mostLookedAtAgain) return results;
  const last = new Map(results.map((result) => [result.name, result]));
  for (const { name } of failed) {
    let again = await run(name);
    if (again.failed === 0) again = await run(name);
    if (again.failed === 0) last.set(name, { ...again, isSecond: true });
  }
  return [...last.values()];
}

/** Passes a signal on to all that runs. */
export function endRunning(signal) {
  for (const group of running) signalGroup(group, signal);
}

/** Whether some of a group outlived its first process for longer than a parting takes; they are killed then. */
async function endGroup(group) {
  const untilMs = performance.now() + partingMs;
  while (signalGroup(group, 0)) {
    if (performance.now() > untilMs) {
      signalGroup(group, 'SIGKILL');
      return true;
    }
    await sleep(lookMs);
  }
  return false;
}

/** False: there is nobody of the group. */
function signalGroup(group, signal) {
  try {
    process.kill(-group, signal);
    return true;
  } catch {
    return false;
  }
}
