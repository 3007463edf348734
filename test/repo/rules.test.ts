/** The repository's own scripts: each rule lets the good through and names what is wrong. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import t from 'tap';
import { eventKinds } from '../../src/control/events.ts';
import { operations } from '../../src/control/operations.ts';

const root = path.resolve(import.meta.dirname, '../../..');

function runTool(tool: string, args: readonly string[], env: NodeJS.ProcessEnv = process.env) {
  const run = spawnSync(process.execPath, [path.join(root, 'tools', tool), ...args], { encoding: 'utf8', env });
  return { status: run.status, text: run.stdout + run.stderr };
}

/** Makes a source tree of `files` and returns what the layer check says of it. */
function checkTree(folder: string, files: Readonly<Record<string, string>>) {
  for (const [name, text] of Object.entries(files)) {
    const file = path.join(folder, 'src', name);
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(file, text);
  }
  return runTool('check-layers.mjs', ['--root', folder]);
}

t.test('check-layers passes imports from lower layers and of the own folder', async (t) => {
  const result = checkTree(t.testdir(), {
    'base/a.ts': 'export const a = 1;',
    'wire/b.ts': "import { a } from '../base/a.ts'; export const b = a;",
    'io/c.ts': "import { b } from '../wire/b.ts'; import './d.ts'; export const now = () => Date.now() + b;",
    'io/d.ts': "import os from 'node:os'; export const d = os;",
    'bootstrap.ts': "import { d } from './io/d.ts'; export const e = d;",
  });
  t.equal(result.status, 0, result.text);
  t.match(result.text, '5 files, no offence');
});

t.test('check-layers names the allowed layers when a folder imports upwards or sideways', async (t) => {
  const result = checkTree(t.testdir(), {
    'wire/b.ts': "import type { c } from '../io/c.ts';\nexport const b = () => import('../crypto/x.ts');",
    'io/c.ts': "export { m } from '../protocols/m.ts'; export const c = 1;",
    'crypto/x.ts': 'export const x = 1;',
    'protocols/m.ts': 'export const m = 1;',
    'misc/y.ts': "import '../../tools/x.mjs';",
  });
  t.equal(result.status, 1);
  t.match(result.text, 'src/wire/b.ts:1: wire imports io (../io/c.ts); allowed layers: wire base');
  t.match(result.text, 'src/wire/b.ts:2: wire imports crypto');
  t.match(result.text, 'src/io/c.ts:1: io imports protocols');
  t.match(result.text, 'no layer holds src/misc');
});

t.test('check-layers keeps clocks, chance and node: modules out of the pure folders', async (t) => {
  const result = checkTree(t.testdir(), {
    'wire/a.ts': "import fs from 'node:fs';\nexport const a = () => [fs, Date.now()];",
    'crypto/b.ts': "import { hkdfSync } from 'node:crypto';\nexport const b = () => [hkdfSync, performance.now()];",
    'bonding/c.ts':
      'export const c = () => [process.hrtime.bigint(), new Date(), Math.random()]; // Date.now() is fine here',
    'protocols/d.ts': 'export const d = (nowUs: number) => new Date(nowUs);',
  });
  t.equal(result.status, 1);
  t.match(result.text, 'src/wire/a.ts:1: wire imports node:fs; allowed there: no node: module');
  t.match(result.text, 'src/wire/a.ts:2: wire uses Date.now; time and randomness are arguments');
  t.notMatch(result.text, 'imports node:crypto');
  t.match(result.text, 'src/crypto/b.ts:2: crypto uses performance.now');
  for (const name of ['process.hrtime.bigint', 'Date', 'Math.random']) t.match(result.text, `bonding uses ${name};`);
  t.match(result.text, '6 offences');
});

t.test('check-layers reads the page too, and keeps node: modules out of it', async (t) => {
  const result = checkTree(t.testdir(), {
    'page/a.tsx': "import fs from 'node:fs';\nimport '../control/b.ts';\nexport const a = () => [fs, Date.now()];",
    'control/b.ts': 'export const b = 1;',
    'control/c.ts': "import '../page/a.tsx';",
  });
  t.equal(result.status, 1);
  t.match(result.text, 'src/page/a.tsx:1: page imports node:fs; allowed there: no node: module');
  t.match(result.text, 'src/control/c.ts:1: control imports page');
  t.match(result.text, '2 offences');
});

t.test('check-members finds what a class offers and nothing in src reads', async (t) => {
  const options = { target: 'es2022', lib: ['es2022'], types: [], strict: true };
  const folder = t.testdir({
    'tsconfig.json': JSON.stringify({ compilerOptions: options, include: ['src', 'test'] }),
    src: {
      'a.ts': `export interface Shape { area(): number }
export class Square implements Shape {
  written = 0;
  readonly side = 2;
  area(): number { this.written += 1; return this.side ** 2; }
  onlyTested(): number { return 1; }
  /** For tests: said to be. */
  seam(): number { return 2; }
  private own(): number { return this.#used() + this.own(); }
  #used(): number { return 3; }
}
export class Twin implements Pick<Square, 'side'> {
  readonly side = 3;
  get unused(): number { return 4; }
}
export const areaOf = (shape: Shape): number => shape.area();`,
    },
    test: { 'a.test.ts': "import { Square } from '../src/a.ts'; new Square().onlyTested();" },
  });
  const { status, text } = runTool('check-members.mjs', ['--root', folder]);
  t.equal(status, 1);
  t.same(
    [...text.matchAll(/(\w+\.\w+) is read by nothing in src/g)].map(([, name]) => name),
    ['Square.written', 'Square.onlyTested', 'Twin.unused'],
  );
});

t.test('preflight names what is missing and its package in one line', async (t) => {
  const folder = t.testdir();
  const none = runTool('preflight.mjs', ['bench'], { PATH: folder });
  t.equal(none.status, 1);
  t.match(none.text, /^npm run bench cannot run: ip, ping, ethtool, iperf3 missing: apt-get install -y [^\n]*\n$/);
  for (const name of ['ip', 'tc', 'ping', 'nft', 'ethtool'])
    writeFileSync(path.join(folder, name), '', { mode: 0o755 });
  t.equal(runTool('preflight.mjs', ['test'], { PATH: folder }).status, 0);
});

t.test('the README holds the two commands word for word', async (t) => {
  const readme = readFileSync(path.join(root, 'README.md'), 'utf8');
  const scripts = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8')).scripts;
  for (const command of ['npm ci && npm run demo', 'npm ci && npm test']) t.ok(readme.includes(command), command);
  for (const name of ['demo', 'test', 'bench', 'check', 'ok']) t.ok(scripts[name], `script ${name}`);
  t.ok(readFileSync(path.join(root, '.ci/run'), 'utf8').endsWith('\nnpm ci && npm test\n'), '.ci/run runs it last');
});

t.test('nothing in the repository cites a document that is not in it', async (t) => {
  const folders = ['src', 'test', 'tools', 'bench', 'docs', 'packaging', '.ci'];
  const files = folders.flatMap((folder) =>
    readdirSync(path.join(root, folder), { recursive: true, encoding: 'utf8' })
      .filter((name) => /\.(ts|mjs|cc|h|md|service)$/.test(name) && !name.startsWith('native/build/'))
      .map((name) => path.join(folder, name)),
  );
  t.ok(files.length > 100);
  const names = new Set([...files, ...readdirSync(root)].map((name) => path.basename(name)));
  // A document's name is written in capitals, like README.md; others are paths that a reader can follow.
  const offences = files.flatMap((file) =>
    [...readFileSync(path.join(root, file), 'utf8').matchAll(/\b[A-Z]{4,}\.md\b/g)]
      .filter(([name]) => !names.has(name))
      .map(([name]) => `${file}: ${name}`),
  );
  t.same(offences, []);
});

t.test('docs/operating/cli.md tells of every kind of event and every operation', async (t) => {
  const manual = readFileSync(path.join(root, 'docs/operating/cli.md'), 'utf8');
  for (const word of [...eventKinds, ...Object.keys(operations)]) t.ok(manual.includes(`\`${word}\``), word);
  const tables = [...manual.matchAll(/\n\| kind \| means \|\n(?:\|.*\n)+/g)].map(([table]) => table);
  const told = tables.flatMap((table) =>
    [...table.matchAll(/^\| ([^|]+) \|/gm)].flatMap(([, kinds]) => kinds?.match(/(?<=`)[a-z0-9-]+(?=`)/g) ?? []),
  );
  t.ok(told.length > 30, `${told.length} in the tables`);
  t.strictSame(
    told.filter((kind) => !eventKinds.some((one) => one === kind)),
    [],
    'and of none that cannot be asked for',
  );
});

t.test('every edit of the list of mutants fits the code exactly once', async (t) => {
  const { mutants } = await import(path.join(root, 'tools/mutant-list.mjs'));
  const stale: string[] = [];
  for (const { name, edits } of mutants as { name: string; edits: [string, ...[string, string][]][] }[])
    for (const [file, ...changes] of edits) {
      const text = readFileSync(path.join(root, file), 'utf8');
      for (const [from] of changes) if (text.split(from).length !== 2) stale.push(`${name}: ${file}: ${from}`);
    }
  t.ok(mutants.length > 0);
  t.same(stale, []);
});

t.test('tests of a file that run at once have options of their own', async (t) => {
  // tap keeps a test's name and function in the object that it was given: with one object for two the last of them runs, and answers for both.
  const shared = (text: string): boolean =>
    /^t\.jobs = /m.test(text) && /(?<!\.\.\.|const )\boptions\b(?! ?[:=.])/.test(text);
  t.ok(shared("const options = {};\nt.jobs = 2;\nt.test('a', options, async (t) => {});"));
  t.notOk(shared("const options = {};\nt.jobs = 2;\nt.test('a', { ...options }, async (t) => {});"));
  const files = readdirSync(path.join(root, 'test'), { recursive: true, encoding: 'utf8' });
  const wrong = files.filter(
    (file) =>
      file.endsWith('.test.ts') &&
      file !== 'repo/rules.test.ts' &&
      shared(readFileSync(path.join(root, 'test', file), 'utf8')),
  );
  t.same(wrong, [], 'say { ...options }');
});
