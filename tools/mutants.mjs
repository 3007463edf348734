// Breaks the code on purpose, one known way at a time (mutant-list.mjs), in a scratch copy, and runs the fast suites: a mutant that none
// of them notices is a missing test. Exits 1 when one survives, or one that the simulator must notice is not noticed by it.
// Needs a build. Arguments narrow the choice: `npm run mutants -- parity` runs those whose name contains a word.
import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import ts from 'typescript';
import { mutants, simulatorSuites } from './mutant-list.mjs';

const root = path.resolve(import.meta.dirname, '..');
const words = process.argv.slice(2);
const chosen = mutants.filter(({ name }) => words.length === 0 || words.some((word) => name.includes(word)));
/** A suite that takes longer hangs. */
const suiteTimeoutMs = 300_000;

const { options } = ts.parseJsonConfigFileContent(
  ts.readConfigFile(path.join(root, 'tsconfig.json'), ts.sys.readFile).config,
  ts.sys,
  root,
);

/** Compiled code, the addon, the committed tables beside their sources, and what packages they import. */
function makeScratch() {
  const scratch = mkdtempSync(path.join(os.tmpdir(), 'hawser-mutants-'));
  for (const each of ['build', 'test/sim', 'src/native/build/Release/hawser.node', 'package.json'])
    cpSync(path.join(root, each), path.join(scratch, each), { recursive: true });
  symlinkSync(path.join(root, 'node_modules'), path.join(scratch, 'node_modules'));
  return scratch;
}

function compiledOf(scratch, file) {
  return path.join(scratch, 'build', file.replace(/\.ts$/, '.js'));
}

/** The file with the mutant's edits, each of which must fit exactly once: a list that has grown old shall not pass for a killed mutant. */
function mutate(file, edits) {
  let text = readFileSync(path.join(root, file), 'utf8');
  for (const [from, to] of edits) {
    if (text.split(from).length !== 2)
      throw new Error(`${file} does not contain "${from}" exactly once: mend mutant-list.mjs`);
    text = text.replace(from, () => to);
  }
  const compilerOptions = { ...options, module: ts.ModuleKind.ESNext, sourceMap: false };
  return ts.transpileModule(text, { compilerOptions, fileName: file }).outputText;
}

/** Whether the suite is red; one that hangs is. */
function isRed(scratch, suite) {
  const compiled = path.join('build/test', `${suite}.js`);
  const { status } = spawnSync(process.execPath, [compiled], {
    cwd: scratch,
    env: { ...process.env, TAP_TIMEOUT: String(suiteTimeoutMs / 1000) },
    timeout: suiteTimeoutMs,
    stdio: 'ignore',
  });
  return status !== 0;
}

const scratch = makeScratch();
let survivors = 0;
try {
  // As they are, but compiled as the mutants will be: what is red now is not a mutant's doing.
  for (const [file] of chosen.flatMap(({ edits }) => edits)) writeFileSync(compiledOf(scratch, file), mutate(file, []));
  const suites = new Set(
    chosen.flatMap((one) => [...(one.mustShowInSimulator ? simulatorSuites : []), ...(one.suites ?? [])]),
  );
  for (const suite of suites) if (isRed(scratch, suite)) throw new Error(`${suite} is red without any mutant`);
  for (const { name, edits, suites: own = [], mustShowInSimulator } of chosen) {
    for (const [file, ...changes] of edits) writeFileSync(compiledOf(scratch, file), mutate(file, changes));
    const bySimulator = mustShowInSimulator ? simulatorSuites.find((suite) => isRed(scratch, suite)) : undefined;
    const killer = bySimulator ?? own.find((suite) => isRed(scratch, suite));
    const isMissed = mustShowInSimulator ? bySimulator === undefined : killer === undefined;
    if (isMissed) survivors += 1;
    console.log(`${isMissed ? 'SURVIVES' : 'killed  '} ${name}${killer === undefined ? '' : `: ${killer}`}`);
    for (const [file] of edits) writeFileSync(compiledOf(scratch, file), mutate(file, []));
  }
} finally {
  rmSync(scratch, { recursive: true });
}
console.log(`${chosen.length - survivors} killed, ${survivors} survive`);
process.exitCode = survivors === 0 && chosen.length > 0 ? 0 : 1;
