/**
 * What a plugin's process is kept to: a user of its own who owns nothing, no capabilities and no way to get any, limits of the kernel on memory,
 * descriptors, threads and files, and an end when this thread ends. By setpriv, prlimit and nice, which every Debian has: between fork and the
 * plugin nothing of ours runs. docs/adr/0042 says what holds what.
 */
import { createHash } from 'node:crypto';
import process from 'node:process';
import { HawserError } from '../../base/errors.ts';
import { findCommand } from '../../io/find-command.ts';
import { effectiveCapabilities, knowsIds, processesOf } from '../../io/process-facts.ts';

/** capability.h of the kernel. */
const capability = { KILL: 5, SETGID: 6, SETUID: 7, SETPCAP: 8 } as const;

/**
 * Users that nobody has: systemd's list of ids (systemd.io/UIDS-GIDS) calls the wide range unused. A container that knows 65,536 ids alone has
 * but the narrow one; there two may meet, so that nobody is ended by his id alone.
 */
const wide = { first: 1_879_048_192, count: 2 ** 28 } as const;
const narrow = { first: 60_706, count: 478 } as const;

/** Node itself: its heap before the plugin's, and the stacks of its threads. Found by trying: with less it does not start. */
const ownBytes = 128 << 20;
/** Node has eleven threads. */
const mostThreads = 24;
const mostDescriptors = 64;
/** Behind all that the daemon does. */
const niceness = 10;

export interface Confinement {
  readonly uid: number;
  readonly command: string;
  readonly args: readonly string[];
  /** Whatever runs as `uid` is the plugin's. */
  readonly isOwn: boolean;
}

/** `program`: what the plugin's Node runs. Throws PLUGIN_REFUSED when this host does not let it be kept so. */
export function confine(identity: string, program: string, memoryBytes: number): Confinement {
  const rights = effectiveCapabilities();
  const lacking = (['SETUID', 'SETGID', 'KILL'] as const).filter((name) => !rights.has(capability[name]));
  if (lacking.length > 0) {
    const message = `Plugins run as users of their own, for which this process lacks ${lacking.map((name) => `CAP_${name}`).join(', ')}`;
    throw new HawserError('PLUGIN_REFUSED', message, 'docs/operating/plugins.md has the four lines for the unit');
  }
  const [setpriv, prlimit, nice] = ['setpriv', 'prlimit', 'nice'].map(commandOf) as [string, string, string];
  const isOwn = knowsIds(wide.first, wide.count);
  const uid = isOwn ? uidOf(identity, wide) : freeUid(identity);
  const args = [
    '-n',
    String(niceness),
    setpriv,
    `--reuid=${uid}`,
    `--regid=${uid}`,
    '--clear-groups',
    '--inh-caps=-all',
    // Only who has CAP_SETPCAP may; to whoever can get no privileges the set is of no use.
    ...(rights.has(capability.SETPCAP) ? ['--bounding-set=-all'] : []),
    '--no-new-privs',
    // Of this thread: whoever takes its place begins its own.
    '--pdeathsig=KILL',
    '--',
    prlimit,
    // Not the address space: V8 reserves gigabytes of it that it never uses.
    `--data=${ownBytes + memoryBytes}`,
    `--nofile=${mostDescriptors}`,
    `--nproc=${mostThreads}`,
    '--core=0',
    '--fsize=0',
    '--memlock=0',
    '--msgqueue=0',
    '--',
    process.execPath,
    ...nodeFlags(memoryBytes),
    program,
  ];
  return { uid, command: nice, args, isOwn };
}

/** No processes and threads of its own, no native code, no files written. */
function nodeFlags(memoryBytes: number): string[] {
  const { allowedNodeEnvironmentFlags: known } = process;
  return [
    known.has('--permission') ? '--permission' : '--experimental-permission',
    // From Node 25 on.
    ...(known.has('--allow-net') ? ['--allow-net'] : []),
    '--allow-fs-read=*',
    '--no-addons',
    '--no-warnings',
    '--max-semi-space-size=4',
    `--max-old-space-size=${Math.max(16, Math.round(memoryBytes / 2 ** 20))}`,
  ];
}

function commandOf(name: string): string {
  const file = findCommand(name);
  if (file !== undefined) return file;
  throw new HawserError(
    'PLUGIN_REFUSED',
    `Plugins need ${name}, which this host does not have`,
    'apt-get install util-linux coreutils',
  );
}

function uidOf(identity: string, { first, count }: typeof wide | typeof narrow): number {
  return first + (createHash('sha256').update(identity).digest().readUInt32BE(0) % count);
}

function freeUid(identity: string): number {
  const wished = uidOf(identity, narrow);
  for (let step = 0; step < narrow.count; step += 1) {
    const uid = narrow.first + ((wished - narrow.first + step) % narrow.count);
    if (processesOf([uid]).length === 0) return uid;
  }
  throw new HawserError(
    'PLUGIN_REFUSED',
    'No user is free that a plugin could run as',
    'run fewer plugins on this host',
  );
}
