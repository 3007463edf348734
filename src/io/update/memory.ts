/** What `hawser update` keeps from one run to the next: the newest index that each key has signed, and which release did not get ready here. */
import path from 'node:path';
import * as z from 'zod';
import { HawserError } from '../../base/errors.ts';
import { inWords, isCode, makeFolder, readSmallFile, replaceFile } from '../../base/lasting-files.ts';

const memory = z.object({
  /** By public key: who loses one publishes with another, whose serials begin anew. */
  serials: z.record(z.string(), z.int().min(0)).default({}),
  /** SHA-256 of the archive. */
  failed: z.string().optional(),
});

export type UpdateMemory = z.output<typeof memory>;

const fileName = 'update.json';
const mostBytes = 65_536;

/** A file that cannot be read is no empty one: it would let an old index through. */
export function recallUpdates(stateDirectory: string): UpdateMemory {
  const file = path.join(stateDirectory, fileName);
  try {
    return memory.parse(JSON.parse(readSmallFile(file, mostBytes)));
  } catch (error) {
    if (isCode(error, 'ENOENT')) return { serials: {} };
    const why = error instanceof z.ZodError || error instanceof SyntaxError ? 'it is damaged' : inWords(error);
    throw new HawserError('MEMORY', `Cannot read ${file}: ${why}`, `rm ${file}, if you trust the server today`);
  }
}

export function keepUpdates(stateDirectory: string, kept: UpdateMemory): void {
  makeFolder('runtime.stateDirectory', stateDirectory, 0o700);
  replaceFile(path.join(stateDirectory, fileName), `${JSON.stringify(kept)}\n`, 0o600);
}
