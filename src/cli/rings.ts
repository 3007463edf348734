/** `hawser rings`: how full each ring between two actors is, and how often it was too full. */
import type { Command } from 'commander';
import type { RingStatus } from '../control/rows.ts';
import { ask } from './control-client.ts';
import { type Column, formatTable, humanBytes, humanCount } from './humanize.ts';
import { addInstanceCommand, type InstanceOptions, printResult } from './instance-command.ts';

export function addRingsCommand(program: Command): void {
  addInstanceCommand(program, 'rings', 'show the rings between the actors').action(async (options: InstanceOptions) => {
    printResult(options, await ask(options, 'rings'), ringLines);
  });
}

const columns: readonly Column<RingStatus>[] = [
  { heading: 'RING', text: (ring) => ring.name },
  { heading: 'USED', align: 'right', text: (ring) => humanBytes(ring.usedBytes) },
  { heading: 'OF', optional: true, align: 'right', text: (ring) => humanBytes(ring.capacityBytes) },
  { heading: 'FULL', align: 'right', text: (ring) => `${Math.round((100 * ring.usedBytes) / ring.capacityBytes)} %` },
  { heading: 'RECORDS', align: 'right', text: (ring) => humanCount(ring.publishedRecords) },
  { heading: 'REFUSED', align: 'right', text: (ring) => humanCount(ring.refusedClaims) },
  { heading: 'CRASHES', optional: true, align: 'right', text: (ring) => String(ring.crashes) },
];

function ringLines(rings: readonly RingStatus[]): string[] {
  return formatTable(columns, rings, 'There are no rings.');
}
