/** Named counters of an nft table (linux/netfilter/nf_tables.h): a question for all of one table, and what an answer holds. */

import {
  bigEndian,
  inetFamily,
  netfilterEmitHeader,
  netfilterHeaderBytes,
  netfilterSubsystem,
  netfilterType,
} from './netfilter.ts';
import { attributeEmit, attributeEmitText, attributesParse, textOf } from './netlink.ts';

/** NFT_MSG_NEWOBJ, …_GETOBJ */
export const nftObjectType = {
  new: netfilterType(netfilterSubsystem.nftables, 18),
  get: netfilterType(netfilterSubsystem.nftables, 19),
} as const;
/** enum nft_object_attributes, nft_counter_attributes */
const attribute = { table: 1, name: 2, type: 3, data: 4 } as const;
const counter = { packets: 2 } as const;
/** NFT_OBJECT_COUNTER, in network byte order. */
const counterType = Uint8Array.of(0, 0, 0, 1);

export interface NftCounter {
  readonly table: string;
  readonly name: string;
  readonly packets: number;
}

/** Asks for the counters of a table of family inet. */
export function nftCountersEmit(target: Uint8Array, at: number, table: string): number {
  const bodyAt = netfilterEmitHeader(target, at, inetFamily);
  return attributeEmit(target, attributeEmitText(target, bodyAt, attribute.table, table), attribute.type, counterType);
}

/** undefined = something else. */
export function nftCounterParse(bytes: Uint8Array, at: number, end: number): NftCounter | undefined {
  const attributes = attributesParse(bytes, at + netfilterHeaderBytes, end);
  const [table, name, data] = [attribute.table, attribute.name, attribute.data].map((type) => attributes?.get(type));
  if (table === undefined || name === undefined || data === undefined) return undefined;
  const packets = bigEndian(attributesParse(data, 0, data.length)?.get(counter.packets));
  return packets === undefined ? undefined : { table: textOf(table), name: textOf(name), packets };
}
