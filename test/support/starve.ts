/** Takes the processor from one thread of this process: it gets the lowest class, on a processor that others keep busy. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';

export interface Starvation {
  /** Gives the thread its processors back. Idempotent. */
  end(): Promise<void>;
}

/** SCHED_IDLE weighs 3 against 1024 of a normal thread (kernel/sched/core.c): four of those leave it less than one part in 1,000. */
const hogs = 4;

/** Needs no root. `kernelThreadId` as in /proc/self/task; taskset and chrt are util-linux's, which Debian always has. */
export async function starve(kernelThreadId: number): Promise<Starvation> {
  const id = String(kernelThreadId);
  const before = execFileSync('taskset', ['-pc', id], { encoding: 'utf8' }).split(': ').at(-1)?.trim() ?? '0';
  const one = before.split(/[-,]/)[0] ?? '0';
  const busy: ChildProcess[] = [];
  for (let count = 0; count < hogs; count += 1) {
    busy.push(spawn('taskset', ['-c', one, 'sh', '-c', 'while :; do :; done'], { stdio: 'ignore' }));
  }
  await Promise.all(busy.map((hog) => once(hog, 'spawn')));
  execFileSync('taskset', ['-pc', one, id]);
  execFileSync('chrt', ['-i', '-p', '0', id]);
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
