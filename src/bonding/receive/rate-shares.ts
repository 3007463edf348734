/**
 * How a rate is shared by those who send too much together: each gets what it asks for, as far as its priority goes, and who asks for less
 * leaves the rest to the others (max-min fairness with weights; Bertsekas and Gallager, Data Networks, 6.5.2). Those of priority 0 share
 * what is left then. Numbers in, numbers out.
 */

export interface RateClaim {
  /** 0 to 100. */
  readonly priority: number;
  /** Bits a second, as it sends or would. */
  readonly bps: number;
}

/** Nobody is held to less: TCP that gets nothing asks for nothing. */
const leastBps = 64_000;

/** Bits a second of each claim, in their order, that are `totalBps` together at most; 0 for each = all of them fit. */
export function shareRate(claims: readonly RateClaim[], totalBps: number): number[] {
  const sum = claims.reduce((all, { bps }) => all + bps, 0);
  if (sum <= totalBps) return claims.map(() => 0);
  const first = fill(claims, (priority) => priority, totalBps);
  const left = Math.max(0, totalBps - first.reduce((all, bps) => all + bps, 0));
  const rest = fill(claims, (priority) => (priority > 0 ? 0 : 1), left);
  return first.map((bps, index) => Math.max(leastBps, bps + (rest[index] ?? 0)));
}

/** Raises the level at which all stand, each with its weight, until the rate is used up or everybody has what it asks for. */
function fill(claims: readonly RateClaim[], weightOf: (priority: number) => number, totalBps: number): number[] {
  const weights = claims.map(({ priority }) => weightOf(priority));
  const order = [...claims.keys()].filter((index) => (weights[index] as number) > 0);
  const height = (index: number): number => (claims[index] as RateClaim).bps / (weights[index] as number);
  order.sort((one, other) => height(one) - height(other));
  const shares = claims.map(() => 0);
  let left = totalBps;
  let weight = order.reduce((all, index) => all + (weights[index] as number), 0);
  for (const index of order) {
    const own = weights[index] as number;
    const share = Math.min((claims[index] as RateClaim).bps, (left * own) / weight);
    shares[index] = share;
    left -= share;
    weight -= own;
  }
  return shares;
}
