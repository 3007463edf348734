/** Takes the processor from one thread of this process: it gets the lowest class, on a processor that others keep busy. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { readThreadTimes } from '../../src/io/thread-times.ts';

export interface Starvation {
  /** Gives the thread its processors back. Idempotent. */
  end(): Promise<void>;
}

/** SCHED_IDLE weighs 3 against 1024 of a normal thread (kernel/sched/core.c): four of those leave it less than one part in 1,000. */
const hogs = 4;

/** proc_pid_stat(5): time on a processor in user mode, from the field after the command's name on. */
const utimeField = 14 - 3;
/** Two ticks of proc(5): more than taskset and the shell take to begin. */
const busyTicks = 2;

/** On a loaded machine a process that was begun is not busy yet, and a thread that shall end may end first. */
async function untilBusy(pid: number): Promise<void> {
  for (;;) {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    if (stat.includes('(sh)') && Number(fields[utimeField]) >= busyTicks) return;
    await sleep(5);
  }
}

/** The scheduler owes some milliseconds to a thread that slept before: enough to end, where it is to be kept from that. */
const stillMs = 100;
const stillUs = 500;

/** Until the thread wants a processor and has had none for a while. */
async function untilStarved(id: number): Promise<void> {
  for (;;) {
    const before = readThreadTimes(id);
    await sleep(stillMs);
    const now = readThreadTimes(id);
    if (before === undefined || now === undefined) throw new Error(`Thread ${id} has ended`);
    if (before.isReady && now.isReady && now.ranUs - before.ranUs < stillUs) return;
  }
}

/** Resolves once the thread gets nothing. Needs no root. `kernelThreadId` as in /proc/self/task; taskset and chrt are util-linux's, which Debian always has. */
export async function starve(kernelThreadId: number): Promise<Starvation> {
  const id = String(kernelThreadId);
  const before = execFileSync('taskset', ['-pc', id], { encoding: 'utf8' }).split(': ').at(-1)?.trim() ?? '0';
  const one = before.split(/[-,]/)[0] ?? '0';
  const busy: ChildProcess[] = [];
  for (let count = 0; count < hogs; count += 1) {
    busy.push(spawn('taskset', ['-c', one, 'sh', '-c', 'while :; do :; done'], { stdio: 'ignore' }));
  }
  await Promise.all(busy.map((hog) => once(hog, 'spawn')));
  await Promise.all(busy.map(({ pid }) => untilBusy(pid ?? 0)));
  execFileSync('taskset', ['-pc', one, id]);
  execFileSync('chrt', ['-i', '-p', '0', id]);
  await untilStarved(kernelThreadId);
  return {
    async end() {
      for (const hog of busy.splice(0)) {
        const exited = once(hog, 'exit');
        hog.kill('SIGKILL');
        await exited;
      }
      try {
        execFileSync('taskset', ['-pc', before, id], { stdio: 'ignore' });
      } catch (error) {
        // The thread may have ended meanwhile.
        if (!(error instanceof Error)) throw error;
      }
    },
  };
}
