/**
 * The runner of the tests notices a file that tells of no test, of fewer than it planned, that hangs, or that leaves something running; and
 * looks again at what failed.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import t from 'tap';

interface Result {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  readonly text: string;
}

type RunFile = (root: string, name: string, lane: { timeoutS: number; isPatient?: boolean }) => Promise<Result>;

interface Counts {
  readonly name: string;
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  readonly isSecond?: boolean;
}

type LookAgain = (results: readonly Counts[], run: (name: string) => Promise<Counts>) => Promise<readonly Counts[]>;

const { runFile, lookAgain } = (await import(path.resolve(import.meta.dirname, '../../../tools/test-file.mjs'))) as {
  runFile: RunFile;
  lookAgain: LookAgain;
};

const tap = (...lines: readonly string[]) => `console.log(${JSON.stringify(lines.join('\n'))});`;
const sleeper = `require('node:child_process').spawn('sleep', ['60'], { stdio: 'inherit' })`;

const cases = [
  ['is well', tap('ok 1 - a', 'ok 2 - b # SKIP no root', '1..2'), [1, 0, 1], /^ok - /m],
  ['has a test that fails', `${tap('not ok 1 - a', '1..1')} process.exitCode = 1;`, [0, 1, 0], /exit 1/],
  ['is skipped as a whole', tap('1..0 # no root'), [0, 0, 0], /^ok - /m],
  ['runs no test', '', [0, 1, 0], /said nothing of its tests/],
  ['stops before its plan', tap('ok 1 - a', '1..2'), [1, 1, 0], /1 of 2 tests told/],
  ['dies', `${tap('ok 1 - a')} process.kill(process.pid, 'SIGKILL');`, [1, 1, 0], /ended by SIGKILL/],
  ['hangs', `${tap('ok 1 - a')} setInterval(() => 0, 1000);`, [1, 1, 0], /ended by SIGTERM/],
  // With its output: whoever waits for the end of it would wait for a minute.
  ['leaves a process', `${sleeper}.unref(); ${tap('ok 1 - a', '1..1')}`, [1, 1, 0], /left processes behind/],
] as const;

for (const [title, program, counts, text] of cases) {
  t.test(`a file that ${title}`, async (t) => {
    const folder = mkdtempSync(path.join(tmpdir(), 'hw-file-'));
    t.teardown(() => rmSync(folder, { recursive: true, force: true }));
    writeFileSync(path.join(folder, 'one.test.cjs'), program);
    const result = await runFile(folder, 'one.test.cjs', { timeoutS: title === 'hangs' ? 1 : 20 });
    t.same([result.passed, result.failed, result.skipped], counts, result.text);
    t.match(result.text, text);
  });
}

t.test('a patient file gives way within its session and between sessions', async (t) => {
  const folder = mkdtempSync(path.join(tmpdir(), 'hw-file-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const program = `
    const policy = require('node:child_process').execFileSync('chrt', ['-p', String(process.pid)], { encoding: 'utf8' });
    let group = 'no autogroup, nice 19';
    try { group = require('node:fs').readFileSync('/proc/self/autogroup', 'utf8').trim(); } catch {}
    const gives = policy.includes('SCHED_IDLE') && group.endsWith('nice 19');
    console.log((gives ? '' : 'not ') + 'ok 1 - ' + group + ', ' + policy.split('\\n')[0] + '\\n1..1');`;
  writeFileSync(path.join(folder, 'one.test.cjs'), program);
  for (const isPatient of [true, false]) {
    const { passed, text } = await runFile(folder, 'one.test.cjs', { timeoutS: 120, isPatient });
    t.equal(passed === 1, isPatient, text);
  }
});

const told = (name: string, failed: number): Counts => ({ name, passed: 2 - failed, failed, skipped: 0 });

t.test(
  'who fails is looked at again: who passes twice counts as passed and is named, who fails once more has failed',
  async (t) => {
    const asked: string[] = [];
    const run = async (name: string) => {
      asked.push(name);
      return told(name, name === 'odd' && asked.filter((one) => one === name).length === 2 ? 1 : 0);
    };
    t.strictSame(await lookAgain([told('well', 0), told('odd', 1), told('unlucky', 1)], run), [
      told('well', 0),
      told('odd', 1),
      { ...told('unlucky', 0), isSecond: true },
    ]);
    t.strictSame(asked, ['odd', 'odd', 'unlucky', 'unlucky']);
  },
);

t.test('when many fail it is no chance: nobody is looked at again', async (t) => {
  const results = ['a', 'b', 'c'].map((name) => told(name, 1));
  const run = () => Promise.reject(new Error('not to be asked'));
  t.strictSame(await lookAgain(results, run), results);
});
