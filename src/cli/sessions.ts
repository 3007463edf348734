/** `hawser sessions`: which clients are there, since when, and what went through. */
import type { Command } from 'commander';
import type { SessionStatus } from '../control/client-sessions.ts';
import { ask } from './control-client.ts';
import { type Column, formatTable, humanBytes, humanDuration, humanRate } from './humanize.ts';
import { addInstanceCommand, type InstanceOptions, printResult } from './instance-command.ts';

export function addSessionsCommand(program: Command): void {
  addInstanceCommand(program, 'sessions', 'show the sessions of the clients of a hub').action(
    async (options: InstanceOptions) => {
      const nowMs = Date.now();
      printResult(options, await ask(options, 'sessions'), (all) => sessionLines(all, nowMs));
    },
  );
}

export function sessionLines(sessions: readonly SessionStatus[], nowMs: number): string[] {
  const columns: readonly Column<SessionStatus>[] = [
    { heading: 'ID', align: 'right', text: ({ id }) => String(id) },
    { heading: 'CLIENT', text: ({ peer }) => peer },
    { heading: 'SINCE', text: ({ sinceMs }) => humanDuration(Math.max(0, nowMs - sinceMs)) },
    { heading: 'IDLE', text: ({ idleMs }) => humanDuration(idleMs) },
    { heading: 'ENDPOINT', text: ({ endpoint }) => endpoint ?? '-' },
    {
      heading: 'VIA',
      optional: true,
      text: ({ link, transport }) => (link === undefined ? '-' : `${link}/${transport}`),
    },
    { heading: 'ADDRESSES', optional: true, text: ({ addresses }) => addresses.join(' ') },
    { heading: 'UP', align: 'right', text: ({ upBytes }) => humanBytes(upBytes) },
    { heading: 'DOWN', align: 'right', text: ({ downBytes }) => humanBytes(downBytes) },
    { heading: 'IN', optional: true, align: 'right', text: ({ upBps }) => humanRate(upBps) },
    { heading: 'OUT', optional: true, align: 'right', text: ({ downBps }) => humanRate(downBps) },
    { heading: 'QUEUE', optional: true, align: 'right', text: ({ queuedBytes }) => humanBytes(queuedBytes) },
  ];
  return formatTable(columns, sessions, 'No client has a session.');
}
