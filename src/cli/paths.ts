/** `hawser paths`: every way to a peer (link, transport, endpoint), its state and what it carried. */
import type { Command } from 'commander';
import type { PathStatus } from '../control/rows.ts';
import { ask } from './control-client.ts';
import { type Column, formatTable, humanAge, humanBytes } from './humanize.ts';
import { addInstanceCommand, type InstanceOptions, printResult } from './instance-command.ts';

export function addPathsCommand(program: Command): void {
  addInstanceCommand(program, 'paths', 'show the paths to the peers').action(async (options: InstanceOptions) => {
    printResult(options, await ask<PathStatus[]>(options, 'paths'), pathLines);
  });
}

const columns: readonly Column<PathStatus>[] = [
  { heading: 'PATH', align: 'right', text: (path) => String(path.id) },
  { heading: 'PEER', text: (path) => path.peer },
  { heading: 'LINK', text: (path) => path.link },
  { heading: 'TRANSPORT', optional: true, text: (path) => path.transport },
  { heading: 'ENDPOINT', text: (path) => path.endpoint },
  { heading: 'FROM', optional: true, text: (path) => path.local ?? '-' },
  { heading: 'STATE', text: (path) => (path.isCurrent ? `${path.state}, in use` : path.state) },
  { heading: 'HEARD', text: (path) => humanAge(path.lastReceivedAgeMs) },
  { heading: 'RECEIVED', align: 'right', text: (path) => humanBytes(path.receivedBytes) },
  { heading: 'SENT', align: 'right', text: (path) => humanBytes(path.sentBytes) },
  { heading: 'LATE', optional: true, align: 'right', text: (path) => humanBytes(path.lateBytes) },
  { heading: 'REFUSED', optional: true, align: 'right', text: (path) => humanBytes(path.refusedBytes) },
];

function pathLines(paths: readonly PathStatus[]): string[] {
  return formatTable(columns, paths, 'No path is known yet.');
}
