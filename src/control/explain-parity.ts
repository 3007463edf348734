/** What forward error correction cost and brought back since the start, as far as this side knows. */

import type { Explanation } from './explain.ts';
import type { Snapshot } from './snapshot.ts';

export function explainParity(snapshot: Snapshot): Explanation[] {
  return [...spent(snapshot), ...received(snapshot)];
}

/** What our parity brought back is counted where packets are missed. */
function spent({ instance, actors }: Snapshot): Explanation[] {
  const sealer = actors.find((one) => one.role === 'sealer');
  const parityPackets = sealer?.counters.sealer_parity_packets ?? 0;
  if (sealer === undefined || parityPackets === 0) return [];
  const sharePercent = Math.round((1000 * parityPackets) / Math.max(sealer.packets, parityPackets)) / 10;
  const text = `Parity cost ${parityPackets} packets, ${sharePercent} % of those sealed (bonding.fec: ${instance.fec})`;
  const remedy = 'what it brought back, `hawser explain` says on the other side';
  return [{ severity: 'note', text, remedy, numbers: { parityPackets, sharePercent } }];
}

function received({ actors }: Snapshot): Explanation[] {
  const counters = actors.find((one) => one.role === 'opener')?.counters;
  const parityPackets = counters?.opener_parity_packets ?? 0;
  if (parityPackets === 0) return [];
  const rebuiltPackets = counters?.opener_rebuilt_packets ?? 0;
  const nothing = 'nothing: no packet was lost, or more of a group than its parity covers';
  const result = rebuiltPackets === 0 ? nothing : `${rebuiltPackets} lost packets, without a round trip`;
  const text = `${parityPackets} parity packets came in and brought back ${result}`;
  return [{ severity: 'note', text, numbers: { parityPackets, rebuiltPackets } }];
}
