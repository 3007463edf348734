/** Programs of `test/netns/emulator/` that must be fast: compiled by g++ on first use, kept in `build/` under their sources' hash. */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { runCommand } from './netns.ts';

const root = path.resolve(import.meta.dirname, '../../..');
const sources = path.join(root, 'test/netns/emulator');

/** Path of the program `<name>.cc` became; throws with the remedy when there is no compiler. */
export function compiledProgram(name: 'link-emulator' | 'flow'): string {
  const hash = createHash('sha256').update(process.arch);
  for (const file of readdirSync(sources).sort()) {
    if (file === `${name}.cc` || file.endsWith('.h')) hash.update(file).update(readFileSync(path.join(sources, file)));
  }
  const folder = path.join(root, 'build/emulator');
  const program = path.join(folder, `${name}-${hash.digest('hex').slice(0, 16)}`);
  if (existsSync(program)) return program;
  mkdirSync(folder, { recursive: true });
  // Two processes may compile at once: each its own file, and the last rename wins with the same content.
  const draft = `${program}.${process.pid}`;
  try {
    runCommand('g++', [
      '-std=c++20',
      '-O2',
      '-Wall',
      '-Wextra',
      '-pthread',
      '-o',
      draft,
      path.join(sources, `${name}.cc`),
    ]);
  } catch (cause) {
    throw new Error(`Cannot compile ${name}.cc (needs apt-get install g++): ${String(cause)}`, { cause });
  }
  renameSync(draft, program);
  return program;
}
