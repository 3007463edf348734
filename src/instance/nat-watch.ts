/** What the counters of our nft table tell: who met a limit of connections, and that a firewall of this host drops what clients send. */
import { messageOf } from '../base/errors.ts';
import type { InstanceEvent } from '../control/events.ts';
import { readLegacyTables } from '../io/nat/nat.ts';
import { limitOf, type NatLease, type NatPlan } from '../io/nat/plan.ts';
import { readRefused } from '../io/nat/refused.ts';
import { findSuspects } from '../io/nat/suspects.ts';
import { sentenceOf, type Trouble } from '../io/network/conflicts.ts';
import { askNft, nftTableOf } from '../io/network/nft.ts';

/** So many that none of them left are no accident of routing. */
const fewestDropped = 3;

export class NatWatch {
  readonly #note: (event: InstanceEvent) => void;
  readonly #isBlockless: (client: string) => boolean;
  #counters = { asked: 0, passed: 0, refused: 0 };
  /** Addresses that are known to be refused, so that each is told once while it goes on. */
  #refused = new Set<string>();
  #hadRefused = false;
  #dropped: Trouble | undefined;
  /** What is being looked up may be about a table that is gone by then. */
  #round = 0;

  /** `isBlockless`: whether it was told already that no block of ports is left for that client. */
  constructor(note: (event: InstanceEvent) => void, isBlockless: (client: string) => boolean) {
    this.#note = note;
    this.#isBlockless = isBlockless;
  }

  /** The table is new, and counts from 0. */
  begin(): void {
    this.#counters = { asked: 0, passed: 0, refused: 0 };
  }

  /** There is no table any more. */
  end(): void {
    this.begin();
    this.#round += 1;
    this.#refused.clear();
    this.#hadRefused = false;
    this.#dropped = undefined;
  }

  get trouble(): Trouble | undefined {
    return this.#dropped;
  }

  get refusedCount(): number {
    return this.#counters.refused;
  }

  compare(plan: NatPlan, counters: ReadonlyMap<string, number>, leases: readonly NatLease[]): void {
    const of = (name: string): number => counters.get(name) ?? 0;
    const now = { asked: of('asked'), passed: of('passed'), refused: of('refused') };
    const before = this.#counters;
    const [asked, passed] = [now.asked - before.asked, now.passed - before.passed];
    // What began between the two readings of a turn counts for the next.
    if (passed > 0) this.#free();
    if (passed > 0 || asked >= fewestDropped) this.#counters = now;
    else this.#counters = { ...now, asked: before.asked, passed: before.passed };
    if (passed === 0 && asked >= fewestDropped && this.#dropped === undefined) void this.#suspect(plan, asked);
    if (now.refused > before.refused || this.#hadRefused) void this.#tellRefused(plan, leases);
    this.#hadRefused = now.refused > before.refused || this.#refused.size > 0;
  }

  #free(): void {
    if (this.#dropped === undefined) return;
    this.#note({ kind: 'route-free', trouble: this.#dropped.text });
    this.#dropped = undefined;
  }

  async #suspect(plan: NatPlan, count: number): Promise<void> {
    try {
      const round = this.#round;
      const own = { table: nftTableOf(plan.name), tunnel: plan.interface };
      const suspects = findSuspects(await askNft('list', 'ruleset'), own, readLegacyTables());
      const where = suspects.map((one) => `${one.owner} (${one.where})`).join(' or ');
      const remedies = suspects.map(({ remedy }) => remedy);
      const trouble: Trouble = {
        text:
          `A firewall of this host drops what clients send to the outside: none of ${count} connections left` +
          (where === '' ? '' : `; it may be ${where}`),
        remedy: remedies.length === 0 ? 'look at `nft list ruleset`, chains of hook forward' : remedies.join(' / '),
      };
      if (this.#round !== round || this.#dropped !== undefined) return;
      this.#dropped = trouble;
      this.#warn(sentenceOf(trouble));
    } catch (error) {
      this.#warn(`Cannot look who drops what clients send: ${messageOf(error)}`);
    }
  }

  async #tellRefused(plan: NatPlan, leases: readonly NatLease[]): Promise<void> {
    try {
      const refused = await readRefused(plan);
      for (const address of refused) {
        if (this.#refused.has(address)) continue;
        const lease = leases.find(({ ipv4, ipv6 }) => address === ipv4 || address === ipv6);
        // Who has no block was told of when none was left.
        if (lease !== undefined && this.#isBlockless(lease.name)) continue;
        const reason = `${limitOf(plan)} connections at a time are its limit: more are refused`;
        this.#note({ kind: 'nat-exhausted', peer: lease?.name ?? address, reason });
      }
      this.#refused = new Set(refused);
    } catch (error) {
      this.#warn(`Cannot read who met the limit of connections: ${messageOf(error)}`);
    }
  }

  #warn(message: string): void {
    this.#note({ kind: 'warning', message });
  }
}
