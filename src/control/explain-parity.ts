/** What forward error correction cost and brought back since the start, as far as this side knows. */

import type { Explanation } from './explain.ts';
import type { Snapshot } from './snapshot.ts';

export function explainParity(snapshot: Snapshot): Explanation[] {
  return [...spent(snapshot), ...received(snapshot)];
}

/** What our parity brought back is counted where packets are missed. */
function spent({ instance, actors }: Snapshot): Explanation[] {
  const sealers = actors.filter((one) => one.role === 'sealer');
  const parityPackets = sumOf(sealers, 'sealer_parity_packets');
  if (parityPackets === 0) return [];
  const packets = sealers.reduce((sum, one) => sum + one.packets, 0);
  const sharePercent = Math.round((1000 * parityPackets) / Math.max(packets, parityPackets)) / 10;
  const text = `Parity cost ${parityPackets} packets, ${sharePercent} % of those sealed (bonding.fec: ${instance.fec})`;
  const remedy = 'what it brought back, `hawser explain` says on the other side';
  return [{ severity: 'note', text, remedy, numbers: { parityPackets, sharePercent } }];
}

function received({ actors }: Snapshot): Explanation[] {
  const openers = actors.filter((one) => one.role === 'opener');
  const parityPackets = sumOf(openers, 'opener_parity_packets');
  if (parityPackets === 0) return [];
  const rebuiltPackets = sumOf(openers, 'opener_rebuilt_packets');
  const nothing = 'nothing: no packet was lost, or more of a group than its parity covers';
  const result = rebuiltPackets === 0 ? nothing : `${rebuiltPackets} lost packets, without a round trip`;
  const text = `${parityPackets} parity packets came in and brought back ${result}`;
  return [{ severity: 'note', text, numbers: { parityPackets, rebuiltPackets } }];
}

function sumOf(actors: Snapshot['actors'], counter: string): number {
  return actors.reduce((sum, { counters }) => sum + (counters[counter] ?? 0), 0);
}
