/** What of the nft table follows from clients: elements of its sets and maps, and the lines that lead from some to others. Pure. */
import { nftTableOf } from '../network/nft.ts';
import { type BlockNumbers, blockAt, holderOf, needsBlock } from './blocks.ts';
import { type NatLease, type NatPlan, ofFamily } from './plan.ts';

/** Set or map → key → value; '' in a set. */
export type Elements = ReadonlyMap<string, ReadonlyMap<string, string>>;

export const noElements: Elements = new Map();

/** Of sound leases (`sound-lease.ts`). Where two clients want the same port or address, the first has it. */
export function elementsOf(plan: NatPlan, leases: readonly NatLease[], blocks: BlockNumbers): Elements {
  const elements = new Map<string, Map<string, string>>();
  const put = (set: string, key: string, value = ''): void => {
    const of = elements.get(set) ?? new Map<string, string>();
    elements.set(set, of);
    if (!of.has(key)) of.set(key, value);
  };
  const devices = devicesOf(leases);
  for (const lease of leases) {
    for (const family of [4, 6] as const) {
      const address = family === 4 ? lease.ipv4 : lease.ipv6;
      if (address === undefined || !plan.masquerade[family] || ofFamily(plan.pools, family).length === 0) continue;
      const outside = lease.publicAddress;
      if (outside !== undefined && outside.includes(':') === (family === 6)) {
        put(`own${family}`, address);
        put(`outside${family}`, address, outside);
        put(`inside${family}`, outside, address);
      }
      for (const { protocol, port, to } of lease.forwards ?? [])
        put(`forwards${family}`, `${protocol} . ${port}`, `${address} . ${to}`);
    }
    const number = needsBlock(lease) ? blocks.get(holderOf(lease)) : undefined;
    const block = number === undefined ? undefined : blockAt(plan, number);
    if (block !== undefined && lease.ipv4 !== undefined) {
      put('ready4', lease.ipv4);
      put('blocks4', lease.ipv4, `${block.address} . ${block.first}-${block.last}`);
      put('blockof4', lease.ipv4, block.address);
      if ((devices.get(holderOf(lease)) ?? 0) > 1) put('together4', lease.ipv4, classOf(number ?? 0));
    }
  }
  return elements;
}

/** How many addresses each holder of a block has. */
function devicesOf(leases: readonly NatLease[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const lease of leases)
    if (needsBlock(lease)) counts.set(holderOf(lease), (counts.get(holderOf(lease)) ?? 0) + 1);
  return counts;
}

/** A number other than 0 as nft writes a class of traffic. */
function classOf(number: number): string {
  const [major, minor] = [(number + 1) >>> 16, (number + 1) & 0xffff];
  return `${major.toString(16)}:${minor.toString(16)}`;
}

/** Lines of a transaction; '' when there is nothing to do. What is gone goes first: another may have its port now. */
export function elementChanges(name: string, before: Elements, after: Elements): string {
  const table = `inet ${nftTableOf(name)}`;
  const gone = missing(before, after).map(([set, list]) => `delete element ${table} ${set} { ${list.join(', ')} }\n`);
  const come = missing(after, before).map(([set, list]) => `add element ${table} ${set} { ${list.join(', ')} }\n`);
  return [...gone, ...come].join('');
}

/** Elements of `these`, as text, that `others` does not have, or with another value. */
function missing(these: Elements, others: Elements): [string, string[]][] {
  return [...these].flatMap(([set, of]): [string, string[]][] => {
    const known = others.get(set);
    const list = [...of].filter(([key, value]) => known?.get(key) !== value).map(elementText);
    return list.length === 0 ? [] : [[set, list]];
  });
}

function elementText([key, value]: readonly [string, string]): string {
  return value === '' ? key : `${key} : ${value}`;
}
