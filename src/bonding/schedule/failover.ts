/** Failover: everything on the usable path of the best priority (lowest number), and nothing on the others. */

import { hasCredit } from './candidates.ts';
import { PathSwitch } from './path-switch.ts';
import type { Demand, PathView, Scheduler } from './scheduler.ts';

export class FailoverScheduler implements Scheduler {
  readonly queueTargetUs = 0;
  readonly #switch = new PathSwitch();

  choose(paths: readonly PathView[], count: number, demand: Demand, _nowUs: number): number {
    const index = this.#switch.choose(paths, count);
    return index >= 0 && hasCredit(paths[index] as PathView, demand) ? index : -1;
  }

  copy(_paths: readonly PathView[], _count: number, _demand: Demand, _usedMask: number): number {
    return -1;
  }
}
