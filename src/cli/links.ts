/** `hawser links`: this host's ways out: interface, state, addresses, role, what they carry and what went wrong. */
import type { Command } from 'commander';
import type { LinkStatus } from '../control/network-rows.ts';
import { ask } from './control-client.ts';
import { type Column, formatTable, humanBytes, humanCount, humanRate } from './humanize.ts';
import { addInstanceCommand, type InstanceOptions, printResult } from './instance-command.ts';

export function addLinksCommand(program: Command): void {
  addInstanceCommand(program, 'links', 'show the links: interface, state, addresses, role, rates, errors').action(
    async (options: InstanceOptions) => {
      printResult(options, await ask(options, 'links'), linkLines);
    },
  );
}

const columns: readonly Column<LinkStatus>[] = [
  { heading: 'LINK', text: (link) => link.name },
  { heading: 'INTERFACE', text: (link) => link.interface ?? 'kernel routing' },
  { heading: 'STATE', text: (link) => (link.isForced ? `${link.state}, forced` : link.state) },
  { heading: 'ROLE', text: roleOf },
  { heading: 'PRIORITY', optional: true, align: 'right', text: (link) => String(link.priority) },
  { heading: 'OUT', align: 'right', text: (link) => humanRate(link.sentBps) },
  { heading: 'IN', align: 'right', text: (link) => humanRate(link.receivedBps) },
  {
    heading: 'LIMIT',
    optional: true,
    text: (link) => (link.limitBps === undefined ? 'learnt' : humanRate(link.limitBps)),
  },
  { heading: 'SENT', optional: true, align: 'right', text: (link) => humanBytes(link.sentBytes) },
  { heading: 'RECEIVED', optional: true, align: 'right', text: (link) => humanBytes(link.receivedBytes) },
  { heading: 'ERRORS', align: 'right', text: errorsOf },
  { heading: 'DROPPED', align: 'right', text: (link) => humanCount(link.droppedPackets) },
  { heading: 'ADDRESSES', optional: true, text: (link) => link.addresses.join(' ') || '-' },
];

/** `always`, or `backup (plugin; always)`. */
function roleOf({ role, suggested }: LinkStatus): string {
  return suggested.role === undefined ? role : `${suggested.role} (plugin; ${role})`;
}

function errorsOf(link: LinkStatus): string {
  const last = link.lastError === undefined ? '' : ` (${link.lastError})`;
  return `${humanCount(link.errors)}${last}`;
}

function linkLines(links: readonly LinkStatus[]): string[] {
  return formatTable(columns, links, 'No links.');
}
