/** Files that outlive the process, in folders that others may write to: whole or not at all, and never through somebody's link. */
import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { open } from 'node:fs/promises';
import { getSystemErrorMap } from 'node:util';
import { HawserError, messageOf } from './errors.ts';

/** Puts a new file of `mode` in the place of what is there, which a reader finds whole in either form. Throws what the kernel says. */
export function replaceFile(file: string, text: string, mode: number): void {
  const draft = `${file}.new`;
  // A link that lies there is removed, and not followed; one that appears meanwhile is refused by `wx`.
  rmSync(draft, { force: true });
  writeFileSync(draft, text, { mode, flag: 'wx' });
  renameSync(draft, file);
}

/**
 * The same a part at a time, so that a thread does other things between them; written to the disk before it takes its place. False, and nothing is
 * changed, once `isWanted` says so.
 */
export async function replaceFileInParts(
  file: string,
  parts: Iterable<string>,
  mode: number,
  isWanted: () => boolean,
): Promise<boolean> {
  // Another name than that of `replaceFile`, which may be called meanwhile.
  const draft = `${file}.part`;
  rmSync(draft, { force: true });
  const handle = await open(draft, 'wx', mode);
  try {
    for (const part of parts) if (isWanted()) await handle.appendFile(part);
    if (isWanted()) await handle.datasync();
    if (isWanted()) renameSync(draft, file);
    return isWanted();
  } finally {
    await handle.close();
    rmSync(draft, { force: true });
  }
}

/** A file, or the names in a folder, are there after a power cut. Throws what the kernel says. */
export function makeDurable(place: string): void {
  const fd = openSync(place, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** The text of a file of so many bytes at most. Throws what the kernel says, or what is there instead; waits for no FIFO's writer. */
export function readSmallFile(file: string, mostBytes: number): string {
  return readWithMode(file, mostBytes).text;
}

/** The same with the permissions (and type) and the owner of that very file. */
export function readWithMode(
  file: string,
  mostBytes: number,
): { readonly text: string; readonly mode: number; readonly uid: number } {
  const fd = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const facts = fstatSync(fd);
    if (!facts.isFile() && !facts.isDirectory()) throw unusable('it is no file');
    if (facts.size > mostBytes) throw unusable(`it has ${facts.size} bytes, and needs ${mostBytes} at most`);
    return { mode: facts.mode, uid: facts.uid, text: readFileSync(fd, 'utf8') };
  } finally {
    closeSync(fd);
  }
}

/** In the form of the kernel's errors. */
function unusable(message: string): Error {
  return Object.assign(new Error(message), { code: 'EFTYPE' });
}

/** Makes the folder that `key` of the configuration names. Throws one sentence with the key. */
export function makeFolder(key: string, folder: string, mode: number): void {
  try {
    mkdirSync(folder, { recursive: true, mode });
  } catch (error) {
    const isFile = isCode(error, 'EEXIST') || isCode(error, 'ENOTDIR');
    const why = isFile ? 'it, or a part of its path, is a file' : inWords(error);
    throw new HawserError('FOLDER', `Cannot make ${key} ${folder}: ${why}`, `name another folder in ${key}`);
  }
}

export function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && Reflect.get(error, 'code') === code;
}

/** What the kernel says, without the call and the path that Node adds: `ENOSPC, no space left on device`. */
export function inWords(error: unknown): string {
  const errno: unknown = error instanceof Error ? Reflect.get(error, 'errno') : undefined;
  const known = typeof errno === 'number' ? getSystemErrorMap().get(errno) : undefined;
  return known === undefined ? messageOf(error) : known.join(', ');
}
