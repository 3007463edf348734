/** `npm run bench` as a person uses it: what it can be asked for, and what it says to the rest. */
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import t from 'tap';

t.setTimeout(60_000);

const root = path.resolve(import.meta.dirname, '../../..');

function bench(...args: readonly string[]) {
  const program = path.join(root, 'build/bench/run.js');
  return spawnSync(process.execPath, [program, ...args], { encoding: 'utf8' });
}

t.test('--help names every option that a bench asks for', async (t) => {
  const { status, stdout, stderr } = bench('--help');
  t.match({ status, stderr }, { status: 0, stderr: '' });
  const files = readdirSync(path.join(root, 'bench'), { recursive: true, encoding: 'utf8' });
  const sources = files.filter((name) => name.endsWith('.ts'));
  const asked = sources.flatMap((name) => [
    ...readFileSync(path.join(root, 'bench', name), 'utf8').matchAll(/\boption\('([\w-]+)'/g),
  ]);
  t.ok(asked.length > 20, `${asked.length} questions in ${sources.length} files`);
  const missing = asked.map(([, name]) => name).filter((name) => !stdout.includes(`  --${name} `));
  t.same(missing, []);
});

t.test('what it does not know is refused in one line, with the way to all that it does', async (t) => {
  for (const [args, why] of [
    [['--colour'], /^bench: Unknown option '--colour' \(--help names all options\)\n$/],
    [['--trials'], /^bench: Option '--trials <value>' argument missing \(--help names all options\)\n$/],
    [['no/such'], /^bench: no bench file matches no\/such\n$/],
  ] as const) {
    const { status, stdout, stderr } = bench(...args);
    t.match({ status, stdout, stderr }, { status: 64, stdout: '', stderr: why }, args.join(' '));
  }
});
