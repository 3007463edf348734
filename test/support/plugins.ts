/** Modules that are plugins, in a folder that their users may enter, and whether this host lets them be kept as they must be. */
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import type { Test } from 'tap';
import { packageRoot } from '../../src/base/package-info.ts';
import { effectiveCapabilities } from '../../src/io/process-facts.ts';

/** Why plugins cannot run here, or false. */
export function pluginSkipReason(): string | false {
  const rights = effectiveCapabilities();
  if (![5, 6, 7].every((right) => rights.has(right))) return 'needs CAP_KILL, CAP_SETGID and CAP_SETUID';
  const program = path.join(packageRoot(), 'build/src/actors/plugins');
  for (const file of [program, process.execPath])
    for (let folder = path.dirname(file); folder !== '/'; folder = path.dirname(folder))
      if ((statSync(folder).mode & 0o001) === 0) return `others cannot enter ${folder}`;
  return false;
}

/** Writes the modules; returns the path of each. */
export function writePlugins<Name extends string>(
  t: Test,
  modules: Readonly<Record<Name, string>>,
): Record<Name, string> {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'hw-plugins-'));
  chmodSync(folder, 0o755);
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const paths = Object.entries<string>(modules).map(([name, text]) => {
    const file = path.join(folder, `${name}.mjs`);
    writeFileSync(file, `export const hawserPlugin = 1;\n${text}\n`, { mode: 0o644 });
    return [name, file] as const;
  });
  return Object.fromEntries(paths) as Record<Name, string>;
}

/** Children of a process, with their state in one letter: `Z` = nobody has waited for its end. */
export function childrenOf(parent: number): { readonly pid: number; readonly state: string; readonly uid: number }[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      const status = readOr(`/proc/${pid}/status`);
      if (!new RegExp(`^PPid:\\s+${parent}$`, 'm').test(status)) return [];
      const state = /^State:\s+(\w)/m.exec(status)?.[1] ?? '?';
      return { pid: Number(pid), state, uid: Number(/^Uid:\s+(\d+)/m.exec(status)?.[1]) };
    });
}

function readOr(file: string): string {
  try {
    return readFileSync(file, 'latin1');
  } catch (error) {
    if (error instanceof Error) return '';
    throw error;
  }
}
