/**
 * Tables and rules of our own, so that routes through the tunnel stand beside those of the main table as if they were in it, and
 * packets that carry the daemon's mark do not see them. Pure.
 *
 * A table for each prefix length L, the longest first (P, P + 1, … are the rules' priorities):
 * ```
 * P      from all lookup main suppress_prefixlength L-1        routes of main that are as long or longer come first
 * P + 1  not from all fwmark M/MASK lookup T(L)                what does not carry our mark goes to the tunnel
 * ```
 * The last pair holds all that is wide (the default route, its halves …), with `suppress_prefixlength 0` as wg-quick has it: every
 * route of main but the default one comes first. Together that is the longest match over main and our tables, the main table's for
 * prefixes that both have; a marked packet falls through to main. Kernels answer a rule with `suppress_prefixlength` since 3.12
 * (net/ipv4/fib_rules.c and net/ipv6/fib6_rules.c, …_rule_suppress).
 *
 * What our routes stand in follows from the instance's name alone: 16 bits of its hash H give the tag 0x6877HHHH (the metric of
 * routes that block), the tables T(L) = 0x68HHHHLL (0 for the wide ones) and the first priority.
 */
import { createHash } from 'node:crypto';
import type { Family } from '../../base/family.ts';
import type { Cidr } from '../../config/config.ts';
import type { RuleState } from '../../wire/fib-rule.ts';
import { mainTable } from '../../wire/rtnetlink.ts';

/** rtm_protocol and FRA_PROTOCOL of everything we add; free in iproute2's rt_protos. */
export const hawserProtocol = 77;
/** "hw", then 16 bits of the name's hash. */
const tagBase = 0x68770000;
const tableBase = 0x68000000;
/** Before main's own rule (32766) and behind what others set: 1,000 instances with `prioritiesEach` of them. */
const firstPriority = 16384;
const prioritiesEach = 16;
const instances = 1000;
/** Each costs every packet of the host without a cached route two look-ups; the shortest lengths beyond share the wide one. */
const mostTables = prioritiesEach / 2;
/** Prefixes this short cover half the Internet (0.0.0.0/1, 2000::/3). */
const wideBits = { 4: 7, 6: 6 } as const;
const wideTable = 0;
const allBits = 0xffffffff;

export interface Mark {
  readonly value: number;
  /** Bits of it that are compared: whatever software sets others, the packet is ours. */
  readonly mask: number;
}

/** The number that leftovers of an instance are known by. */
export function tagOf(name: string): number {
  return tagBase + hashOf(name);
}

/** Whether a route of our protocol in this table belongs to the instance. */
export function isOwnTable(name: string, table: number): boolean {
  return table - (table % 256) === tableOf(name, 0);
}

export function isOwnPriority(name: string, priority: number): boolean {
  const first = priorityOf(name);
  return priority >= first && priority < first + prioritiesEach;
}

export function isWide({ family, prefix }: Pick<Cidr, 'family' | 'prefix'>): boolean {
  return prefix <= wideBits[family];
}

/** In which table each of these prefixes of one family stands. */
export function ownTablesOf(name: string, prefixes: readonly Cidr[]): (prefix: Cidr) => number {
  const lengths = singleLengths(prefixes);
  return ({ prefix }) => tableOf(name, lengths.includes(prefix) ? prefix : wideTable);
}

/** The rules that lead to these prefixes of one family. */
export function ownRulesOf(name: string, mark: Mark, family: Family, prefixes: readonly Cidr[]): RuleState[] {
  const lengths = singleLengths(prefixes);
  const isAnyWide = prefixes.some(({ prefix }) => !lengths.includes(prefix));
  const first = priorityOf(name);
  const ours = { family, protocol: hawserProtocol, suppressPrefix: undefined, fwmark: undefined, fwmask: allBits };
  return [...lengths, ...(isAnyWide ? [wideTable] : [])].flatMap((length, index): RuleState[] => {
    const priority = first + 2 * index;
    const suppressPrefix = Math.max(length - 1, 0);
    return [
      { ...ours, priority, table: mainTable, suppressPrefix, invert: false },
      {
        ...ours,
        priority: priority + 1,
        table: tableOf(name, length),
        fwmark: mark.value,
        fwmask: mark.mask,
        invert: true,
      },
    ];
  });
}

/** Lengths with a table of their own, the longest first. */
function singleLengths(prefixes: readonly Cidr[]): number[] {
  const narrow = prefixes.filter((prefix) => !isWide(prefix)).map(({ prefix }) => prefix);
  const lengths = [...new Set(narrow)].sort((a, b) => b - a);
  const isAnyWide = narrow.length < prefixes.length;
  return lengths.length + (isAnyWide ? 1 : 0) <= mostTables ? lengths : lengths.slice(0, mostTables - 1);
}

function tableOf(name: string, length: number): number {
  return tableBase + hashOf(name) * 256 + length;
}

function priorityOf(name: string): number {
  return firstPriority + prioritiesEach * (hashOf(name) % instances);
}

function hashOf(name: string): number {
  return createHash('sha256').update(name).digest().readUInt16BE(0);
}
