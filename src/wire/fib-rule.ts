/**
 * Bodies of RTM_*RULE messages (linux/fib_rules.h): which table a packet's route is looked up in.
 *
 * ```
 * fib_rule_hdr:  0 family u8 | 1 dst bits u8 | 2 src bits u8 | 3 tos u8 | 4 table u8 | 7 action u8 | 8 flags u32 | 12 attributes
 * ```
 */

import type { Family } from '../base/family.ts';
import {
  attributeEmitU8,
  attributeEmitU32,
  attributesParse,
  attributeU32,
  readU8,
  readU32,
  textOf,
  writeU32,
} from './netlink.ts';
import { familyNumber, familyOfNumber, toHex } from './rtnetlink.ts';

const ruleBytes = 12;
const fra = {
  destination: 1,
  source: 2,
  inputName: 3,
  priority: 6,
  fwmark: 10,
  tunnelId: 12,
  suppressPrefix: 14,
  table: 15,
  fwmask: 16,
  outputName: 17,
  l3mdev: 19,
  protocol: 21,
  ipProtocol: 22,
  sourcePorts: 23,
  destinationPorts: 24,
} as const;
/** FR_ACT_*; what is not here decides nothing by itself. */
const actions: ReadonlyMap<number, RuleAction> = new Map([
  [1, 'lookup'],
  [6, 'blackhole'],
  [7, 'unreachable'],
  [8, 'prohibit'],
]);
const ruleToTable = 1;
const ruleInvert = 2;
const noPrefix = 0xffffffff;
const allBits = 0xffffffff;

export type RuleAction = 'lookup' | 'blackhole' | 'unreachable' | 'prohibit' | 'other';

/** A rule as we make them. */
export interface RuleState {
  readonly family: Family;
  readonly priority: number;
  readonly table: number;
  /** undefined = any. */
  readonly fwmark: number | undefined;
  /** Bits of the mark that are compared. */
  readonly fwmask: number;
  /** The rule holds for packets that are not so. */
  readonly invert: boolean;
  /** Routes of at most this prefix length are passed over; undefined = none. */
  readonly suppressPrefix: number | undefined;
  readonly protocol: number;
}

/** What rules of others choose by beside. */
export interface RuleSelectors {
  readonly action: RuleAction;
  readonly source: RulePrefix | undefined;
  readonly destination: RulePrefix | undefined;
  /** Names of interfaces; empty = any. */
  readonly input: string;
  readonly output: string;
  readonly tos: number;
  /** It asks for what is not known here: a VRF, a tunnel's id, protocol or ports. */
  readonly isSpecial: boolean;
}

export interface RulePrefix {
  readonly hex: string;
  readonly bits: number;
}

/** RTM_NEWRULE and RTM_DELRULE. */
export function ruleEmit(target: Uint8Array, at: number, rule: RuleState): number {
  target.fill(0, at, at + ruleBytes);
  target[at] = familyNumber(rule.family);
  target[at + 4] = rule.table < 256 ? rule.table : 0;
  target[at + 7] = ruleToTable;
  writeU32(target, at + 8, rule.invert ? ruleInvert : 0);
  let end = attributeEmitU32(target, at + ruleBytes, fra.table, rule.table);
  end = attributeEmitU32(target, end, fra.priority, rule.priority);
  if (rule.fwmark !== undefined) end = attributeEmitU32(target, end, fra.fwmark, rule.fwmark);
  if (rule.fwmask !== allBits) end = attributeEmitU32(target, end, fra.fwmask, rule.fwmask);
  if (rule.suppressPrefix !== undefined) end = attributeEmitU32(target, end, fra.suppressPrefix, rule.suppressPrefix);
  return attributeEmitU8(target, end, fra.protocol, rule.protocol);
}

export function ruleParse(bytes: Uint8Array, at: number, end: number): RuleState | undefined {
  if (end - at < ruleBytes) return undefined;
  const family = familyOfNumber(readU8(bytes, at));
  const attributes = attributesParse(bytes, at + ruleBytes, end);
  if (family === undefined || attributes === undefined) return undefined;
  const suppress = attributeU32(attributes, fra.suppressPrefix, noPrefix);
  return {
    family,
    priority: attributeU32(attributes, fra.priority, 0),
    table: attributeU32(attributes, fra.table, readU8(bytes, at + 4)),
    fwmark: attributes.has(fra.fwmark) ? attributeU32(attributes, fra.fwmark, 0) : undefined,
    fwmask: attributeU32(attributes, fra.fwmask, allBits),
    invert: (readU32(bytes, at + 8) & ruleInvert) !== 0,
    suppressPrefix: suppress === noPrefix ? undefined : suppress,
    protocol: readU8(attributes.get(fra.protocol) ?? new Uint8Array(1), 0),
  };
}

export function ruleSelectors(bytes: Uint8Array, at: number, end: number): RuleSelectors | undefined {
  const attributes = end - at < ruleBytes ? undefined : attributesParse(bytes, at + ruleBytes, end);
  if (attributes === undefined) return undefined;
  const nameOf = (type: number): string => textOf(attributes.get(type) ?? new Uint8Array(0));
  const prefixOf = (type: number, bits: number): RulePrefix | undefined => {
    const address = attributes.get(type);
    return address === undefined || bits === 0 ? undefined : { hex: toHex(address), bits };
  };
  const special = [fra.tunnelId, fra.l3mdev, fra.ipProtocol, fra.sourcePorts, fra.destinationPorts];
  return {
    action: actions.get(readU8(bytes, at + 7)) ?? 'other',
    destination: prefixOf(fra.destination, readU8(bytes, at + 1)),
    source: prefixOf(fra.source, readU8(bytes, at + 2)),
    input: nameOf(fra.inputName),
    output: nameOf(fra.outputName),
    tos: readU8(bytes, at + 3),
    isSpecial: special.some((type) => attributes.get(type)?.some((byte) => byte !== 0) === true),
  };
}
