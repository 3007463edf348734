/** `hawser events`: what happened, oldest first; with --follow also what happens next. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Command } from 'commander';
import type { EventRecord } from '../control/supervisor-api.ts';
import { ControlConnection } from './control-client.ts';
import { usageError } from './exit.ts';
import { addInstanceCommand, type InstanceOptions } from './instance-command.ts';

interface EventsOptions extends InstanceOptions {
  readonly since: string;
  readonly follow?: true;
}

const followEveryMs = 500;

export function addEventsCommand(program: Command): void {
  addInstanceCommand(program, 'events', 'show what happened: starts, exits, handshakes, reloads (the last 1,000)')
    .option('--since <id>', 'only those with a higher number', '0')
    .option('-f, --follow', 'go on with what happens next, until Ctrl-C (with --json one object a line)')
    .addHelpText('after', '\nExamples:\n  hawser events --follow\n  hawser events --since 120 --json\n')
    .action(runEvents);
}

async function runEvents(options: EventsOptions): Promise<void> {
  const since = Number(options.since);
  if (!Number.isInteger(since) || since < 0) throw usageError(`--since is "${options.since}"`, 'a number from 0 on');
  const connection = await ControlConnection.open(options);
  try {
    const records = await connection.request<EventRecord[]>('events', { since });
    if (options.follow !== true) {
      const lines = options.json === true ? [JSON.stringify(records, undefined, 2)] : records.map(eventLine);
      process.stdout.write(`${lines.length === 0 ? 'Nothing has happened.' : lines.join('\n')}\n`);
      return;
    }
    await follow(connection, options, records, since);
  } finally {
    connection.close();
  }
}

/** Ends with the daemon or with Ctrl-C. */
async function follow(
  connection: ControlConnection,
  options: EventsOptions,
  records: readonly EventRecord[],
  since: number,
): Promise<never> {
  let fresh = records;
  let last = since;
  for (;;) {
    for (const record of fresh) {
      process.stdout.write(`${options.json === true ? JSON.stringify(record) : eventLine(record)}\n`);
    }
    last = fresh.at(-1)?.id ?? last;
    await sleep(followEveryMs);
    fresh = await connection.request<EventRecord[]>('events', { since: last });
  }
}

function eventLine(record: EventRecord): string {
  const time = new Date(record.timeMs).toISOString();
  return `${String(record.id).padStart(5)}  ${time}  ${record.source.padEnd(18)}  ${record.kind}  ${record.detail}`.trimEnd();
}
