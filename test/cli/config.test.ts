/** `hawser config …` against a control-server over a supervisor that only remembers; and the question whether to keep, on a terminal. */
import { execFile, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import process from 'node:process';
import t, { type Test } from 'tap';
import { revisionOf } from '../../src/config/revision.ts';
import { startFakeInstance } from '../support/fake-instance.ts';
import { generateKeys } from '../support/keys.ts';

t.setTimeout(120_000);

const program = path.resolve(import.meta.dirname, '../../src/cli/main.js');

async function start(t: Test) {
  const folder = mkdtempSync(path.join(tmpdir(), 'hw-'));
  const { supervisor, actor } = await startFakeInstance(folder, 'home');
  t.teardown(() => {
    actor.close();
    rmSync(folder, { recursive: true, force: true });
  });
  writeFileSync(path.join(folder, 'home.key'), `${generateKeys().privateKey}\n`, { mode: 0o600 });
  const text =
    'identity: { privateKeyFile: home.key }\ntunnel: { addresses: [10.9.0.2/24], mtu: 1400 }\n# token: abc\n';
  const [file, draft] = [path.join(folder, 'home.yaml'), path.join(folder, 'draft.yaml')];
  writeFileSync(file, text);
  writeFileSync(draft, text.replace('1400', '1300'));
  supervisor.configPath = file;
  const args = (...words: string[]) => [program, 'config', ...words, '--run-directory', folder];
  const hawser = (...words: string[]): Promise<{ status: number; stdout: string; stderr: string }> =>
    new Promise((resolve) => {
      execFile(process.execPath, args(...words), { encoding: 'utf8' }, (error, stdout, stderr) =>
        resolve({ status: typeof error?.code === 'number' ? error.code : 0, stdout, stderr }),
      );
    });
  /** On a terminal of its own (script(1) of util-linux); `typed` is written once `after` was printed. */
  const onTerminal = (after: string, typed: string, ...words: string[]): Promise<{ status: number; shown: string }> =>
    new Promise((resolve) => {
      const command = [process.execPath, ...args(...words)].map((word) => `'${word}'`).join(' ');
      const child = spawn('script', ['-qec', command, '/dev/null'], { stdio: ['pipe', 'pipe', 'inherit'] });
      let shown = '';
      let isTyped = false;
      child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
        shown += chunk;
        if (isTyped || !shown.includes(after)) return;
        isTyped = true;
        child.stdin.write(typed);
      });
      child.on('close', (code) => resolve({ status: code ?? 1, shown }));
    });
  return { supervisor, text, file, draft, hawser, onTerminal };
}

t.test('config read, check and diff show the file, its faults and what differs', async (t) => {
  const { text, file, draft, hawser } = await start(t);
  const shown = text.replace('abc', 'UNCHANGED-SECRET-1');
  t.same(await hawser('read'), { status: 0, stdout: shown, stderr: '' });
  const read = JSON.parse((await hawser('read', '--json')).stdout);
  t.match(read, { file, text: shown, revision: revisionOf(text) });
  t.match(await hawser('check', draft), { status: 0, stdout: `${draft}: no problems\n` });
  const diff = await hawser('diff', draft);
  t.match(diff.stdout, /^tunnel\.mtu changed.*\nthreads renewed: sealer\n\n identity/);
  t.match(diff.stdout, /^-tunnel: .*1400 \}\n\+tunnel: .*1300 \}$/m);
  writeFileSync(draft, text.replace('1400', 'wide'));
  t.match(await hawser('check', draft), { status: 78, stdout: /draft\.yaml:2:\d+: tunnel\.mtu: "wide" is not auto/ });
  t.match(await hawser('apply', draft), { status: 78, stderr: /^\S*home\.yaml:2:\d+: tunnel\.mtu/ });
  t.match(await hawser('check', 'none.yaml'), { status: 1, stderr: /Cannot read none\.yaml/ });
});

t.test('config apply in a script says what is left, and confirm and revert find it', async (t) => {
  const { supervisor, text, draft, hawser } = await start(t);
  const applied = await hawser('apply', draft, '--seconds', '90', '--json');
  const revision = revisionOf(text.replace('1400', '1300'));
  t.same(JSON.parse(applied.stdout), { revision, leftMs: 90_000, changes: ['tunnel.mtu changed from 1420 to 1400'] });
  t.match(await hawser('confirm'), { status: 0, stdout: /in the file now/ });
  t.equal(supervisor.calls.at(-1), `confirm ${revision}`);
  t.match(await hawser('confirm'), { status: 1, stderr: /Nothing is on trial/ });
  t.match(await hawser('apply', draft), { status: 0, stdout: /taken back in 60 s.*`hawser config confirm` keeps it/s });
  t.match(await hawser('revert', '--json'), { status: 0, stdout: /"kept": false/ });
  t.equal(supervisor.calls.at(-1), `revert ${revision}`);
  t.match(await hawser('apply', draft, '--keep'), { status: 0, stdout: /Kept/ });
  t.equal(supervisor.calls.at(-1), `confirm ${revision}`);
  t.match(await hawser('apply', draft, '--seconds', '0'), { status: 64 });
  t.match(await hawser('apply', draft, '--revision', '0'.repeat(32)), {
    status: 1,
    stderr: /changed by somebody else/,
  });
});

t.test('config apply on a terminal keeps what the word "keep" comes for', async (t) => {
  const { supervisor, text, draft, onTerminal } = await start(t);
  const revision = revisionOf(text.replace('1400', '1300'));
  const last = (): string | undefined => supervisor.calls.at(-1);
  const kept = await onTerminal('Type "keep"', 'keep\n', 'apply', draft);
  t.match(kept, { status: 0, shown: /\+tunnel.*1300.*Type "keep".*Kept/s });
  t.equal(last(), `confirm ${revision}`);
  t.match(
    await onTerminal('Type "keep"', '\n', 'apply', draft),
    { status: 1, shown: /Taken back/ },
    'an Enter keeps nothing',
  );
  t.equal(last(), `revert ${revision}`);
  t.match(await onTerminal('Type "keep"', '\u0003', 'apply', draft), { status: 1, shown: /Taken back/ }, 'Ctrl-C');
  t.equal(last(), `revert ${revision}`);
  t.match(await onTerminal('never', '', 'apply', draft, '--seconds', '1'), { status: 1, shown: /nobody confirmed/ });
  t.match(last(), /^apply/, 'the daemon does that by itself');
});
