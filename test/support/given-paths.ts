/** Rows of the path table as the session-manager gives them to peers. */
import { path } from '../../src/contract/peer-tables.ts';
import { PathChain } from '../../src/rings/path-chain.ts';
import type { RowTable } from '../../src/rings/table.ts';

/** The row is a path of the peer in `peerRow` from now on, after those that it has already. */
export function givePath(peers: RowTable, paths: RowTable, row: number, peerRow = 0): void {
  paths.setUsed(Math.max(paths.used(), row + 1));
  paths.setInt(row, path.peerAt, peerRow);
  new PathChain(peers, paths).append(row);
}
