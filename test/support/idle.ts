/** What a process costs that has nothing to do: processor time and wake-ups, as the kernel counts them. */
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

/** USER_HZ of proc(5). */
const ticksPerSecond = 100;

export interface IdleCost {
  readonly cpuPercent: number;
  /** Voluntary context switches of all threads. */
  readonly wakeupsPerSecond: number;
  /** By thread name and id, wake-ups a second and per cent of a processor, who wakes up most first. */
  readonly threads: readonly string[];
}

/** What `pid` costs from now on for so long. */
export async function measureIdle(pid: number, seconds: number): Promise<IdleCost> {
  const [ticks, switches, ticksBefore] = [cpuTicks(pid), switchesOf(pid), ticksOf(pid)];
  const startMs = performance.now();
  await sleep(seconds * 1000);
  const tookS = (performance.now() - startMs) / 1000;
  const ticksAfter = ticksOf(pid);
  const percentOf = (thread: string): number =>
    (((ticksAfter.get(thread) ?? 0) - (ticksBefore.get(thread) ?? 0)) / ticksPerSecond / tookS) * 100;
  const after = [...switchesOf(pid)].map(([thread, count]) => ({
    thread,
    percent: percentOf(thread),
    perSecond: (count - (switches.get(thread) ?? 0)) / tookS,
  }));
  return {
    cpuPercent: ((cpuTicks(pid) - ticks) / ticksPerSecond / tookS) * 100,
    wakeupsPerSecond: after.reduce((sum, one) => sum + one.perSecond, 0),
    threads: after
      .filter((one) => one.perSecond > 0.1)
      .sort((a, b) => b.perSecond - a.perSecond)
      .map((one) => `${one.thread}: ${one.perSecond.toFixed(1)} ${one.percent.toFixed(1)} %`),
  };
}

/** utime and stime of proc(5): the 14th and 15th field; the second may hold blanks. */
function cpuTicks(pid: number | string): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return Number(fields[11]) + Number(fields[12]);
}

function switchesOf(pid: number): Map<string, number> {
  return byThread(pid, (status) => Number(/^voluntary_ctxt_switches:\s+(\d+)$/m.exec(status)?.[1]));
}

function ticksOf(pid: number): Map<string, number> {
  return byThread(pid, (_, tid) => cpuTicks(`${pid}/task/${tid}`));
}

function byThread(pid: number, read: (status: string, tid: string) => number): Map<string, number> {
  const counts = new Map<string, number>();
  for (const tid of readdirSync(`/proc/${pid}/task`)) {
    try {
      const status = readFileSync(`/proc/${pid}/task/${tid}/status`, 'utf8');
      const name = /^Name:\s+(.*)$/m.exec(status)?.[1] ?? '';
      counts.set(`${name} ${tid}`, read(status, tid));
    } catch {
      // The thread has ended.
    }
  }
  return counts;
}
