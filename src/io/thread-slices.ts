/**
 * Which threads of this process let one that has a packet onto a processor at once. A thread that wakes waits until the one that runs has had
 * its slice, which the kernel looks at once in a tick (4 ms at 250 Hz), unless that one wants more at a stretch than itself.
 */
import { readdirSync } from 'node:fs';
import type { DataApi } from '../native/data-api.ts';

/** Longer than any slice of the kernel's own (3 ms at most), and no longer: before Linux 6.17 one that is not ready to sleep may wait for all of it. */
const patientSliceUs = 10_000;

/** The calling thread waits for packets' threads, or is one of them. Whether the kernel heeds that (Linux 6.12). */
export function setPatience(addon: Pick<DataApi, 'setThreadSlice'>, isPatient: boolean): boolean {
  return addon.setThreadSlice(0, isPatient ? patientSliceUs : 0) === 1;
}

/**
 * All threads that there are: before the first worker these are the main thread and those that collect V8's garbage and compile for all others,
 * at their own priority whosever work it is. A worker inherits it, until it says what it is.
 */
export function makeAllPatient(addon: Pick<DataApi, 'setThreadSlice'>): void {
  for (const id of readdirSync('/proc/self/task')) addon.setThreadSlice(Number(id), patientSliceUs);
}
