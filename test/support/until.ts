/** Waits for what a busy machine does late. */
import { setTimeout as sleep } from 'node:timers/promises';

const lookMs = 50;

/** Looks again until it is so; throws with `what` when it is not within `patienceMs`. */
export async function until(what: string, isSo: () => boolean | Promise<boolean>, patienceMs = 45_000): Promise<void> {
  const endMs = performance.now() + patienceMs;
  while (!(await isSo())) {
    if (performance.now() > endMs) throw new Error(`never: ${what}`);
    await sleep(lookMs);
  }
}
