/** Connections of clients, as the kernel tracks them; and the counters of our table. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Family } from '../../base/family.ts';
import { maskHex } from '../../config/address.ts';
import type { Cidr } from '../../config/config.ts';
import {
  type Connection,
  connectionParse,
  conntrackQueryEmit,
  conntrackType,
  failedInsertsParse,
} from '../../wire/conntrack.ts';
import { netlinkFlag } from '../../wire/netlink.ts';
import { nftCounterParse, nftCountersEmit, nftObjectType } from '../../wire/nft-object.ts';
import { type NetlinkRequest, type NetlinkSockets, type NetlinkVisitor, openNetfilter } from '../netlink.ts';
import { nftTableOf } from '../network/nft.ts';

/** A table of 100,000 is read in one piece, and understood in many: the thread does other things too. */
const sliceEntries = 1_000;
/** AF_INET, AF_INET6 */
const addressFamily = { 4: 2, 6: 10 } as const;

type Emit = NetlinkRequest['emit'];

/**
 * Those that a client has begun, or that lead to one, by their addresses: at one end before translation or the other after it. Throws what
 * the kernel says (EPERM without CAP_NET_ADMIN). Some are missing or twice where the table changes meanwhile.
 */
export async function listConnections(addon: NetlinkSockets, pools: readonly Cidr[]): Promise<Connection[]> {
  const connections: Connection[] = [];
  for (const family of [4, 6] as const) {
    const within = insideOf(pools, family);
    if (within === undefined) continue;
    const entries = dumpConnections(addon, family);
    for (const [index, bytes] of entries.entries()) {
      const connection = connectionParse(bytes, 0, bytes.length);
      if (connection !== undefined && (within(connection.original.sourceHex) || within(connection.reply.sourceHex)))
        connections.push(connection);
      if (index % sliceEntries === sliceEntries - 1) await nextTurn();
    }
  }
  return connections;
}

function dumpConnections(addon: NetlinkSockets, family: Family): Uint8Array[] {
  const entries: Uint8Array[] = [];
  const emit: Emit = (target, at) => conntrackQueryEmit(target, at, addressFamily[family]);
  dump(addon, { type: conntrackType.get, what: 'list connections', emit }, (type, bytes, at, end) => {
    if (type === conntrackType.new) entries.push(bytes.subarray(at, end));
  });
  return entries;
}

/** Since the kernel began to count, of this network namespace: what found no free port among them. */
export function countFailedInserts(addon: NetlinkSockets): number {
  let count = 0;
  const emit: Emit = (target, at) => conntrackQueryEmit(target, at, 0);
  dump(addon, { type: conntrackType.statistics, what: 'count failed connections', emit }, (type, bytes, at, end) => {
    if (type === conntrackType.statistics) count += failedInsertsParse(bytes, at, end);
  });
  return count;
}

/** By name; undefined = the kernel has no such table. Throws what else it says. */
export function readNatCounters(addon: NetlinkSockets, name: string): ReadonlyMap<string, number> | undefined {
  const table = nftTableOf(name);
  const counters = new Map<string, number>();
  const emit: Emit = (target, at) => nftCountersEmit(target, at, table);
  dump(addon, { type: nftObjectType.get, what: 'read the counters of NAT', emit }, (type, bytes, at, end) => {
    const counter = type === nftObjectType.new ? nftCounterParse(bytes, at, end) : undefined;
    // Kernels that do not filter tell of all tables.
    if (counter?.table === table) counters.set(counter.name, counter.packets);
  });
  return counters.size === 0 ? undefined : counters;
}

/** Asks netfilter for a whole table, on a socket of its own. Throws what the kernel says. */
function dump(addon: NetlinkSockets, request: Omit<NetlinkRequest, 'flags'>, visit: NetlinkVisitor): void {
  const netlink = openNetfilter(addon);
  try {
    netlink.query({ ...request, flags: netlinkFlag.dump }, visit);
  } finally {
    netlink.close();
  }
}

/** Whether an address in hexadecimal lies in one of the pools; undefined = there is none of the family. */
function insideOf(pools: readonly Cidr[], family: Family): ((hex: string) => boolean) | undefined {
  const own = pools.filter((pool) => pool.family === family);
  if (own.length === 0) return undefined;
  return (hex) => own.some(({ addressHex, prefix }) => maskHex(hex, prefix) === maskHex(addressHex, prefix));
}
