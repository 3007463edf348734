/** Which block of ports of which outside address a client has: pure. A client keeps its own while it exists, so that logs tell who it was. */
import { type NatPlan, ofFamily } from './plan.ts';

export interface PortBlock {
  readonly address: string;
  readonly first: number;
  readonly last: number;
}

/** Number of each client's block, counted through the addresses. */
export type BlockNumbers = ReadonlyMap<string, number>;

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

/** Those of `before` stay, the others get the lowest that are free; who gets none is missing. */
export function assignBlocks(clients: readonly string[], before: BlockNumbers, count: number): Map<string, number> {
  const assigned = new Map<string, number>();
  const taken = new Set<number>();
  for (const client of clients) {
    const number = before.get(client);
    if (number === undefined || number >= count || taken.has(number)) continue;
    assigned.set(client, number);
    taken.add(number);
  }
  let next = 0;
  for (const client of clients) {
    if (assigned.has(client)) continue;
    while (taken.has(next)) next++;
    if (next >= count) break;
    assigned.set(client, next);
    taken.add(next);
  }
  return assigned;
}

function blocksEach({ ports, perClient }: NatPlan): number {
  return perClient === 0 ? 0 : Math.floor((ports.last - ports.first + 1) / perClient);
}
