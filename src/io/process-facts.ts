/** What /proc says of other processes of this host: what they use, and whose they are. */
import { readdirSync, readFileSync } from 'node:fs';

export interface ProcessUse {
  /** On a processor, ever: user and system, all threads. */
  readonly ranMs: number;
  readonly residentBytes: number;
}

/** USER_HZ of proc(5), 100 on every architecture that Node runs on; and the page that `rss` counts, read off `VmRSS` in its place. */
const tickMs = 10;
/** proc_pid_stat(5): the fields after the command's closing parenthesis begin with number 3. */
const firstField = 3;
const utimeField = 14;
const stimeField = 15;

/** undefined when it is gone. */
export function readProcessUse(pid: number): ProcessUse | undefined {
  const stat = readOr(`/proc/${pid}/stat`);
  const status = readOr(`/proc/${pid}/status`);
  if (stat === undefined || status === undefined) return undefined;
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const ticks = Number(fields[utimeField - firstField]) + Number(fields[stimeField - firstField]);
  const residentKib = Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0);
  return { ranMs: ticks * tickMs, residentBytes: residentKib * 1024 };
}

/** Ids of the processes that run, or may run, as one of these users; what has ended and waits for its parent is none of them. */
export function processesOf(uids: readonly number[]): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      const status = readOr(`/proc/${pid}/status`) ?? '';
      const ids = /^Uid:\s+(\d+)\s+(\d+)\s+(\d+)/m.exec(status)?.slice(1).map(Number) ?? [];
      return ids.some((id) => uids.includes(id)) && !/^State:\s+[ZX]/m.test(status);
    });
}

/** Children of `parent` that have run as this user, have ended, and were not waited for. */
export function endedChildrenOf(parent: number, uid: number): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      const status = readOr(`/proc/${pid}/status`) ?? '';
      const isOurs =
        new RegExp(`^PPid:\\s+${parent}$`, 'm').test(status) && new RegExp(`^Uid:\\s+${uid}\\s`, 'm').test(status);
      return isOurs && /^State:\s+Z/m.test(status);
    });
}

/** Numbers of the capabilities that this process has now (capability.h of the kernel). */
export function effectiveCapabilities(): ReadonlySet<number> {
  const hex = /^CapEff:\s+([0-9a-f]+)$/m.exec(readOr('/proc/self/status') ?? '')?.[1] ?? '0';
  const bits = BigInt(`0x${hex}`);
  return new Set(Array.from({ length: 64 }, (_, bit) => bit).filter((bit) => ((bits >> BigInt(bit)) & 1n) === 1n));
}

/** Whether this user namespace knows all ids from `first` on, `count` of them (user_namespaces(7)). */
export function knowsIds(first: number, count: number): boolean {
  const lines = (readOr('/proc/self/uid_map') ?? '').trim().split('\n');
  return lines.some((line) => {
    const [inside = 0, , length = 0] = line.trim().split(/\s+/).map(Number);
    return inside <= first && first + count <= inside + length;
  });
}

/** A process may end between any two looks. */
function readOr(file: string): string | undefined {
  try {
    return readFileSync(file, 'latin1');
  } catch (error) {
    if (error instanceof Error) return undefined;
    throw error;
  }
}
