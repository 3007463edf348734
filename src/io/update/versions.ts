/**
 * An installation: a folder with a folder for each version, `current`, a link to the one that `hawser` starts, and `previous` while an
 * update may go back (docs/adr/0038). Nothing here touches a version that is there.
 */
import { spawnSync } from 'node:child_process';
import {
  existsSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statfsSync,
  symlinkSync,
} from 'node:fs';
import path from 'node:path';
import { HawserError, messageOf } from '../../base/errors.ts';
import { inWords, isCode } from '../../base/lasting-files.ts';

/** What an update unpacks into; a killed one leaves it. */
export const draftPrefix = '.update-';

export interface Installation {
  readonly folder: string;
  /** Folder that `current` names. */
  readonly current: string;
  readonly version: string;
}

/** Throws where hawser was installed another way. `programFolder`: the folder with the package.json of what runs. */
export function findInstallation(programFolder: string, given: string | undefined): Installation {
  const folder = path.resolve(given ?? path.dirname(programFolder));
  const current = linkedName(folder, 'current');
  if (current === undefined || !existsSync(path.join(folder, current, 'build-id'))) {
    const remedy =
      'npm install -g replaces an npm archive; `hawser update` needs the Debian package, or its archive unpacked beside a link `current`';
    throw new HawserError('INSTALLATION', `${folder} is no installation with versions beside each other`, remedy);
  }
  return { folder, current, version: versionOf(path.join(folder, current)) };
}

export function linkedName(folder: string, name: string): string | undefined {
  try {
    return readlinkSync(path.join(folder, name));
  } catch (error) {
    if (isCode(error, 'ENOENT') || isCode(error, 'EINVAL') || isCode(error, 'ENOTDIR')) return undefined;
    throw error;
  }
}

/** Of a program tree. Throws when it is none. */
export function versionOf(tree: string): string {
  const parsed: unknown = JSON.parse(readFileSync(path.join(tree, 'package.json'), 'utf8'));
  const version = typeof parsed === 'object' && parsed !== null ? Reflect.get(parsed, 'version') : undefined;
  if (typeof version === 'string') return version;
  throw new HawserError('TREE', `${tree}/package.json names no version`);
}

/** Whoever looks finds the one or the other. */
export function pointTo(folder: string, link: 'current' | 'previous', name: string): void {
  const draft = path.join(folder, `.${link}`);
  rmSync(draft, { force: true });
  symlinkSync(name, draft);
  renameSync(draft, path.join(folder, link));
}

/** Throws before anything is written. */
export function checkSpace(folder: string, neededBytes: number): void {
  const { bavail, bsize } = statfsSync(folder);
  const free = bavail * bsize;
  if (free >= neededBytes) return;
  const mib = (bytes: number): string => `${Math.ceil(bytes / 2 ** 20)} MiB`;
  throw new HawserError(
    'SPACE',
    `The update needs ${mib(neededBytes)} in ${folder}, and ${mib(free)} are free`,
    'make room there',
  );
}

/** What updates that were killed have left. */
export function removeDrafts(folder: string): void {
  for (const name of readdirSync(folder))
    if (name.startsWith(draftPrefix)) rmSync(path.join(folder, name), { recursive: true, force: true });
}

/** Unpacks an archive whose bytes were checked. Throws what tar says. */
export function unpack(archive: string, tree: string): void {
  const args = [
    '--extract',
    '--gzip',
    '--no-same-owner',
    '--strip-components=1',
    `--file=${archive}`,
    `--directory=${tree}`,
  ];
  const { status, stderr, error } = spawnSync('tar', args, { encoding: 'utf8' });
  if (status === 0) return;
  const why = error === undefined ? (stderr.trim().split('\n')[0] ?? '') : messageOf(error);
  throw new HawserError(
    'UNPACK',
    `Cannot unpack the update: ${why}`,
    'make room there, and see that tar and gzip are installed',
  );
}

/**
 * Gives a checked tree its name: its version, or `VERSION+N` where that is another build. Returns the name. On the disk before anything
 * leads to it: a link that outlives a power failure without its files would be the end.
 */
export function place(folder: string, tree: string, version: string): string {
  const build = readFileSync(path.join(tree, 'build-id'), 'utf8');
  for (let number = 1; ; number += 1) {
    const name = number === 1 ? version : `${version}+${number}`;
    const whole = path.join(folder, name);
    if (!existsSync(whole)) {
      syncDisk(tree);
      renameSync(tree, whole);
      return name;
    }
    if (buildOf(whole) === build) return name;
  }
}

function buildOf(tree: string): string {
  try {
    return readFileSync(path.join(tree, 'build-id'), 'utf8');
  } catch (error) {
    if (isCode(error, 'ENOENT')) return '';
    throw new HawserError('TREE', `Cannot read ${tree}/build-id: ${inWords(error)}`);
  }
}

/** syncfs(2), of coreutils. Where it fails the files are as safe as any other's. */
export function syncDisk(folder: string): void {
  spawnSync('sync', ['--file-system', folder]);
}

/** Runs a program of the new version before anything leads to it. Throws when it does not do what it should. */
export function tryProgram(tree: string, args: readonly string[]): string {
  const { status, stdout, stderr, error } = spawnSync(path.join(tree, 'bin/hawser'), args, {
    encoding: 'utf8',
    timeout: 60_000,
  });
  if (status === 0) return stdout;
  const why = error === undefined ? `${stderr || stdout}`.trim() : messageOf(error);
  throw new HawserError(
    'TRIAL',
    `The new version fails at \`hawser ${args.join(' ')}\`: ${why}`,
    'the old one goes on; ask the publisher',
  );
}

/** What nobody runs any more goes; it may also stay. Returns what it says. */
export function sweep(folder: string): string {
  const { stdout } = spawnSync('sh', [path.join(folder, 'current/bin/sweep'), folder], { encoding: 'utf8' });
  return stdout ?? '';
}
