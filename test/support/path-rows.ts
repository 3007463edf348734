/** A path's row as its owner would hold it, for tests that need one: up, proven, over IPv4, with room in the pipeline. */
import type { PathRow } from '../../src/bonding/path-row.ts';
import type { SendingPathSettings } from '../../src/bonding/sending-path.ts';
import { pathOrigin, pathState } from '../../src/contract/peer-tables.ts';

export function pathRow(row: number, part: Partial<PathRow> = {}): PathRow {
  return {
    row,
    number: row,
    port: row,
    transport: 0,
    state: pathState.up,
    link: row,
    place: 0,
    isForced: false,
    origin: pathOrigin.configured,
    wish: 0,
    wishUs: 0,
    vote: 0,
    isAddressProven: true,
    dataReceivedUs: 0,
    sealedBytes: 0,
    drainedBytes: 0,
    outqBytes: 0,
    headerBytes: 28,
    interfaceMtu: 1500,
    knownMtu: 0,
    refusedPackets: 0,
    refusedBytes: 0,
    hints: 0,
    hintBytes: 0,
    ...part,
  };
}

/** What a configuration says of a path that says nothing special. */
export const plainWay: SendingPathSettings = {
  priority: 0,
  weight: 0,
  role: 'always',
  rateBps: 0,
  failbackUs: 5e6,
  place: 1,
  sealedBytes: 1452,
};
