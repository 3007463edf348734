/**
 * Which block of ports of which outside address a client has: pure. A client keeps its own, also while it is away, so that logs tell who it
 * was.
 */
import { type NatLease, type NatPlan, ofFamily } from './plan.ts';

export interface PortBlock {
  readonly address: string;
  readonly first: number;
  readonly last: number;
}

/** Holder → number of its block, counted through the addresses. Who is away comes first, the longest away before all. */
export type BlockNumbers = ReadonlyMap<string, number>;

/** A client may be renamed and have other devices; what it is called by the store stays. */
export function holderOf({ name, publicKey, client }: NatLease): string {
  return client ?? publicKey ?? name;
}

/** An earlier Hawser gave each device a block of its own, by its key: a client keeps that of its first one. */
export function adoptKeys(before: BlockNumbers, leases: readonly NatLease[]): BlockNumbers {
  const holders = new Map(leases.map((lease) => [lease.publicKey ?? lease.name, holderOf(lease)]));
  const adopted = new Map<string, number>();
  for (const [holder, number] of before) {
    const now = holders.get(holder) ?? holder;
    if (now === holder || (!before.has(now) && !adopted.has(now))) adopted.set(now, number);
  }
  return adopted;
}

/** An IPv4 address of its own has all its ports. */
export function needsBlock({ ipv4, publicAddress }: NatLease): boolean {
  return ipv4 !== undefined && (publicAddress === undefined || publicAddress.includes(':'));
}

/** 0 = blocks are not for this plan. */
export function blockCount(plan: NatPlan): number {
  return plan.perClient === 0 ? 0 : ofFamily(plan.addresses, 4).length * blocksEach(plan);
}

export function blockAt(plan: NatPlan, number: number): PortBlock | undefined {
  const each = blocksEach(plan);
  const address = ofFamily(plan.addresses, 4)[Math.floor(number / each)]?.address;
  if (address === undefined) return undefined;
  const first = plan.ports.first + (number % each) * plan.perClient;
  return { address, first, last: first + plan.perClient - 1 };
}

/**
 * Those of `before` stay, also of who is away; the others get the lowest that are free, and when none is, those of who has been away for
 * the longest. Who gets none is missing.
 */
export function assignBlocks(present: readonly string[], before: BlockNumbers, count: number): Map<string, number> {
  const taken = new Set<number>();
  const kept = [...before].filter(([, number]) => {
    if (number >= count || taken.has(number)) return false;
    taken.add(number);
    return true;
  });
  const isPresent = new Set(present);
  const assigned = new Map([
    ...kept.filter(([holder]) => !isPresent.has(holder)),
    ...kept.filter(([holder]) => isPresent.has(holder)),
  ]);
  const away = kept.filter(([holder]) => !isPresent.has(holder)).values();
  let next = 0;
  for (const holder of isPresent) {
    if (assigned.has(holder)) continue;
    while (taken.has(next)) next++;
    if (next < count) {
      assigned.set(holder, next);
      taken.add(next);
      continue;
    }
    const oldest = away.next();
    if (oldest.done === true) break;
    const [gone, number] = oldest.value;
    assigned.delete(gone);
    assigned.set(holder, number);
  }
  return assigned;
}

function blocksEach({ ports, perClient }: NatPlan): number {
  return perClient === 0 ? 0 : Math.floor((ports.last - ports.first + 1) / perClient);
}
