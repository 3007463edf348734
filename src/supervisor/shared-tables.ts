/**
 * The tables that threads share, each reserved once for as many peers as may ever come (docs/adr/0024). What was never written takes no
 * memory, so only address space bounds it; a kernel that does not give so much of it gets smaller wishes.
 */
import type { MemoryPlan, ShardTableName, TableName } from '../actors/kit/topology.ts';
import { carrier, check, link } from '../contract/link-tables.ts';
import { path, peer } from '../contract/peer-tables.ts';
import { createAllowedIpsMemory } from '../rings/allowed-ips.ts';
import { createSealedLogMemory } from '../rings/sealed-log.ts';
import { createSessionMemory } from '../rings/session-table.ts';
import { createStashMemory } from '../rings/stash.ts';
import { createRowTable } from '../rings/table.ts';

/** Path rows come from one pool; few peers may use all that each may have. */
const pathsPerPeer = 8;
const leastPathRows = 64 * path.mostPerPeer;
/** Two or three generations of WireGuard, and one that is being retired. A short table gives up the grace of the oldest. */
const slotsPerPeer = 4;
const leastSlots = 320;
/** Of the trie: peers that have prefixes in one network need 17 to 20, a lonely IPv6 address 128. */
const nodesPerPeer = 40;

/** Of shards, as many as there are. */
export type SharedTables = Readonly<
  Record<Exclude<TableName, ShardTableName>, SharedArrayBuffer> & Partial<Record<ShardTableName, SharedArrayBuffer>>
>;

/** Throws RangeError when there is no room for `leastPeerRows`. */
export function createTables(memory: MemoryPlan): SharedTables {
  for (let rows = memory.peerRows; rows > memory.leastPeerRows; rows = Math.floor(rows / 2)) {
    try {
      return createFor(memory, rows);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
    }
  }
  return createFor(memory, memory.leastPeerRows);
}

function createFor(memory: MemoryPlan, rows: number): SharedTables {
  const tables = {
    // The largest first: what is refused is refused here.
    sessions: createSessionMemory(Math.max(leastSlots, slotsPerPeer * rows), memory.windowBits),
    paths: createRowTable(path, Math.max(leastPathRows, pathsPerPeer * rows)),
    allowedIps: createAllowedIpsMemory([], Math.max(memory.allowedIpsNodes, nodesPerPeer * rows)),
    peers: createRowTable(peer, rows),
    sealedLog: createSealedLogMemory(memory.sealedLogBytes),
    links: createRowTable(link, memory.linkRows),
    carriers: createRowTable(carrier, memory.linkRows * carrier.rowsPerLink),
    checks: createRowTable(check, memory.linkRows * check.rowsPerLink),
    stash: createStashMemory(),
  };
  const ofShards: Partial<Record<ShardTableName, SharedArrayBuffer>> = {};
  for (let number = 2; number <= memory.shards; number += 1) {
    ofShards[`sealedLog-${number}` as const] = createSealedLogMemory(memory.sealedLogBytes);
    ofShards[`stash-${number}` as const] = createStashMemory();
  }
  return { ...tables, ...ofShards };
}
