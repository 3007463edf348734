/** Who met the limit of connections within the last minute, by address. */
import { askNft, nftTableOf } from '../network/nft.ts';
import { type NatPlan, ofFamily } from './plan.ts';

/** Rejects with what nft says. */
export async function readRefused(plan: NatPlan): Promise<string[]> {
  const families = ([4, 6] as const).filter(
    (family) => plan.masquerade[family] && ofFamily(plan.pools, family).length > 0,
  );
  const sets = await Promise.all(
    families.map((family) => askNft('list', 'set', 'inet', nftTableOf(plan.name), `refused${family}`)),
  );
  return sets.flatMap(elementsOf);
}

/** `{nftables: [{metainfo}, {set: {elem: [{elem: {val: "10.0.0.1", …}}]}}]}` */
function elementsOf(answer: unknown): string[] {
  const entries = (answer as { nftables?: readonly { set?: { elem?: readonly unknown[] } }[] }).nftables ?? [];
  return entries.flatMap(({ set }) => (set?.elem ?? []).flatMap((one) => textOf(one) ?? []));
}

function textOf(element: unknown): string | undefined {
  if (typeof element === 'string') return element;
  const inner = (element as { elem?: { val?: unknown } }).elem?.val;
  return typeof inner === 'string' ? inner : undefined;
}
