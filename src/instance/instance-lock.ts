/** One process per instance name: a lock file with the holder's pid and start time, which no other process can share. */
import { linkSync, rmSync } from 'node:fs';
import path from 'node:path';
import { HawserError } from '../base/errors.ts';
import { inWords, isCode, makeFolder, readSmallFile, replaceFile } from '../base/lasting-files.ts';

/** A pid and a time; of /proc/PID/stat some 50 fields. */
const mostBytes = 4096;

export interface InstanceLock {
  release(): void;
}

/** Takes `<runDirectory>/<name>.lock`, over a dead holder's too. Throws while another process holds it. */
export function lockInstance(runDirectory: string, name: string): InstanceLock {
  makeFolder('runtime.runDirectory', runDirectory, 0o755);
  const file = path.join(runDirectory, `${name}.lock`);
  const mine = `${process.pid} ${startTimeOf(process.pid)}\n`;
  // link(2) makes the file appear with its content, and only once: nobody reads a half-written lock.
  const draft = `${file}.${process.pid}`;
  try {
    replaceFile(draft, mine, 0o644);
    for (let attempt = 0; attempt < 3; attempt += 1) {
      if (tryLink(draft, file)) return { release: () => releaseOwn(file, mine) };
      const holder = livingHolder(file);
      if (holder !== undefined) {
        const message = `The instance "${name}" runs already, as process ${holder}`;
        throw new HawserError('LOCKED', message, `hawser status --name ${name}; a second instance needs another name`);
      }
      rmSync(file, { force: true });
    }
  } catch (error) {
    if (error instanceof HawserError) throw error;
    throw new HawserError(
      'LOCK',
      `Cannot take the lock ${file}: ${inWords(error)}`,
      `see what is there: ls -ld ${file}`,
    );
  } finally {
    rmSync(draft, { force: true });
  }
  throw new HawserError('LOCKED', `Cannot take the lock ${file}: others keep taking it`, 'try again');
}

function tryLink(draft: string, file: string): boolean {
  try {
    linkSync(draft, file);
    return true;
  } catch (error) {
    if (isCode(error, 'EEXIST')) return false;
    throw error;
  }
}

/** The pid in the lock file if that very process still lives. */
function livingHolder(file: string): number | undefined {
  const [pid = '', startTime = ''] = readOrEmpty(file).trim().split(' ');
  return pid !== '' && startTime !== '' && startTimeOf(Number(pid)) === startTime ? Number(pid) : undefined;
}

/** proc(5), /proc/PID/stat field 22, in clock ticks since boot; '' when there is no such process. */
function startTimeOf(pid: number): string {
  const stat = readOrEmpty(`/proc/${pid}/stat`);
  // The second field is the command in parentheses, which may hold spaces and parentheses itself.
  const afterCommand = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return afterCommand[19] ?? '';
}

function releaseOwn(file: string, mine: string): void {
  if (readOrEmpty(file) === mine) rmSync(file, { force: true });
}

function readOrEmpty(file: string): string {
  try {
    return readSmallFile(file, mostBytes);
  } catch (error) {
    if (isCode(error, 'ENOENT') || isCode(error, 'ESRCH')) return '';
    throw error;
  }
}
