/**
 * What the kernel's scheduler knows of one thread of this process: how long it ran, how long it was ready and got no processor,
 * and whether it is ready now. It tells a thread that hangs from one that is merely starved.
 */
import { readFileSync, readlinkSync } from 'node:fs';

export interface ThreadTimes {
  /** On a processor, ever. */
  readonly ranUs: number;
  /** Ready, behind others in a run queue, ever; the kernel adds a wait when it ends, so a present one is not in it. */
  readonly waitedUs: number;
  /** State R of proc(5): it runs, or would if it had a processor. */
  readonly isReady: boolean;
}

/** USER_HZ of proc(5), 100 on every architecture that Node runs on. */
const tickUs = 10_000;
/** proc_pid_stat(5): the fields after the command's closing parenthesis begin with number 3, the state. */
const firstField = 3;
const utimeField = 14;
const stimeField = 15;

/** The kernel's id of the calling thread; undefined where there is no /proc. */
export function ownThreadId(): number | undefined {
  const link = readOr(() => readlinkSync('/proc/thread-self'));
  const id = Number(link?.split('/').at(-1));
  return Number.isInteger(id) ? id : undefined;
}

/** Of thread `id` (as the kernel numbers it) of this process; undefined when it is gone. */
export function readThreadTimes(id: number): ThreadTimes | undefined {
  const folder = `/proc/self/task/${id}`;
  const stat = readOr(() => readFileSync(`${folder}/stat`, 'latin1'));
  if (stat === undefined) return undefined;
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const isReady = fields[0] === 'R';
  const schedstat = readOr(() => readFileSync(`${folder}/schedstat`, 'latin1'));
  // Without CONFIG_SCHED_INFO there is no such file, or it is all zeros: CPU time in ticks, then, and no waiting time.
  const [ranNs = 0, waitedNs = 0] = schedstat?.split(' ').map(Number) ?? [];
  if (ranNs > 0) return { ranUs: ranNs / 1000, waitedUs: waitedNs / 1000, isReady };
  const ticks = Number(fields[utimeField - firstField]) + Number(fields[stimeField - firstField]);
  return { ranUs: ticks * tickUs, waitedUs: 0, isReady };
}

/** A thread may end between any two looks: its files are then gone (ENOENT), or cannot be read any more (ESRCH). */
function readOr(read: () => string): string | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof Error) return undefined;
    throw error;
  }
}
