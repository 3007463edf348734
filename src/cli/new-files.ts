/** Files that commands write: keys, and configurations that name them. Mode 0600; nothing is overwritten unless asked to. */
import { chmodSync, existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { HawserError } from '../base/errors.ts';
import { makeDurable } from '../base/lasting-files.ts';

export interface NewFile {
  readonly file: string;
  readonly content: string;
}

const ownerOnly = 0o600;

/**
 * Writes all or, if one exists already and `force` is not set, none. Each appears whole, under its mode from the start, and
 * outlives a loss of power from when this returns: others act on what a key of it has said.
 */
export function writeNewFiles(files: readonly NewFile[], force: boolean): void {
  const present = files.filter(({ file }) => existsSync(file)).map(({ file }) => file);
  if (present.length > 0 && !force) {
    throw new HawserError('EXISTS', `Will not overwrite ${present.join(' and ')}`, '--force overwrites');
  }
  for (const { file, content } of files) {
    mkdirSync(path.dirname(file), { recursive: true, mode: 0o755 });
    const partial = `${file}.${process.pid}.tmp`;
    try {
      writeFileSync(partial, content, { flag: 'wx', mode: ownerOnly });
      // The umask may have taken away what the owner needs.
      chmodSync(partial, ownerOnly);
      makeDurable(partial);
      renameSync(partial, file);
      makeDurable(path.dirname(file));
    } finally {
      rmSync(partial, { force: true });
    }
  }
}
