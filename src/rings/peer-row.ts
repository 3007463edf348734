/** Rows of the peer table between two peers. */
import { peer } from '../contract/peer-tables.ts';
import type { RowTable } from './table.ts';

const none = -1;

/**
 * Makes a row that nothing leads to ready for a peer: zeros would be key slot 0 and path 0 to the sealer. The paths that are chained to it
 * are the pool's (`path-chain.ts`), and stay.
 */
export function clearPeerRow(peers: RowTable, row: number): void {
  const firstPath = peers.int(row, peer.firstPathAt);
  peers.clear(row);
  peers.setInt(row, peer.firstPathAt, firstPath);
  peers.setInt(row, peer.sendSlotAt, none);
  peers.setInt(row, peer.pathAt, none);
}
