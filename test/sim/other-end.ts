/**
 * What the receiving end knows of the ways: its own path rows, with the round trips that its own probes measure. Where delays vary, the least
 * of those is far below what a report and its answer take.
 */
import { RoundTrip } from '../../src/bonding/rate/round-trip.ts';
import { path, pathState } from '../../src/contract/peer-tables.ts';
import { createRowTable, pathTable } from '../../src/rings/table.ts';
import type { Link } from './link.ts';
import type { VirtualClock } from './virtual-clock.ts';

const probeBytes = 100;
const probeSpacingUs = 50_000;

/** `backs[n]` brings probes to the sender, `links[n]` the answers. */
export function probedRows(clock: VirtualClock, links: readonly Link[], backs: readonly Link[]) {
  const rows = pathTable(createRowTable(path, path.mostPerPeer));
  for (const [row, back] of backs.entries()) {
    const trip = new RoundTrip();
    rows.setInt(row, path.stateAt, pathState.up);
    const note = (sentUs: number): void => {
      trip.handleSample(clock.nowUs - sentUs, clock.nowUs, probeSpacingUs);
      rows.setNumber(row, path.smoothedRttUsAt, trip.smoothedUs);
      rows.setNumber(row, path.minRttUsAt, trip.minUs);
      rows.setNumber(row, path.jitterUsAt, trip.jitterUs);
    };
    const probe = (): void => {
      const sentUs = clock.nowUs;
      back.send(probeBytes, () => links[row]?.send(probeBytes, () => note(sentUs)));
      clock.after(probeSpacingUs, probe);
    };
    clock.after(0, probe);
  }
  return rows;
}
