/** Shared ports may all be in use to one destination: then who calls there is refused for a while, and it is told which it is. */
import { messageOf } from '../base/errors.ts';
import type { InstanceEvent } from '../control/events.ts';
import { countFailedInserts, listConnections } from '../io/nat/connections.ts';
import {
  findFullDestinations,
  nameOfDestination,
  refuseDestinations,
  sharesPorts,
} from '../io/nat/full-destinations.ts';
import type { NatPlan } from '../io/nat/plan.ts';
import type { NetlinkSockets } from '../io/netlink.ts';

/** The whole table of connections is read then; while somewhere is full, as often. */
const everyMs = 6_000;

export class NatRange {
  readonly #addon: NetlinkSockets;
  readonly #note: (event: InstanceEvent) => void;
  #failed: number | undefined;
  #full = new Set<string>();
  #nextMs = 0;
  #isLooking = false;

  constructor(addon: NetlinkSockets, note: (event: InstanceEvent) => void) {
    this.#addon = addon;
    this.#note = note;
  }

  /** Throws what the kernel says. */
  look(plan: NatPlan, nowMs: number): void {
    if (!sharesPorts(plan)) return;
    const failed = countFailedInserts(this.#addon);
    const isNews = this.#failed !== undefined && failed > this.#failed;
    this.#failed = failed;
    if (this.#isLooking || nowMs < this.#nextMs || !(isNews || this.#full.size > 0)) return;
    this.#nextMs = nowMs + everyMs;
    this.#isLooking = true;
    void this.#find(plan).finally(() => {
      this.#isLooking = false;
    });
  }

  async #find(plan: NatPlan): Promise<void> {
    try {
      const full = findFullDestinations(plan, await listConnections(this.#addon, plan.pools));
      const failure = full.length === 0 ? undefined : await refuseDestinations(plan.name, full);
      if (failure !== undefined) throw new Error(failure);
      const names = full.map(nameOfDestination);
      for (const name of names) {
        if (this.#full.has(name)) continue;
        const reason = `every port of ${plan.ports.first}-${plan.ports.last} is in use to ${name}: more connections there are refused`;
        this.#note({ kind: 'nat-exhausted', reason });
      }
      this.#full = new Set(names);
    } catch (error) {
      this.#note({ kind: 'warning', message: `Cannot look which ports are in use: ${messageOf(error)}` });
    }
  }
}
