/** `hawser events`: what happened, oldest first; with --follow also what happens next. */
import type { Command } from 'commander';
import { textOfEvent, withDetail } from '../control/event-text.ts';
import { type EventRecord, eventKinds } from '../control/events.ts';
import { ask } from './control-client.ts';
import { usageError } from './exit.ts';
import { addInstanceCommand, type InstanceOptions } from './instance-command.ts';
import { overConnections } from './lasting-connection.ts';

interface EventsOptions extends InstanceOptions {
  readonly since: string;
  readonly follow?: true;
  readonly kind?: string;
}

export function addEventsCommand(program: Command): void {
  addInstanceCommand(
    program,
    'events',
    'show what happened: failovers, links and paths, handshakes, starts, reloads (the last 1,000)',
  )
    .option('--since <id>', 'only those with a higher number', '0')
    .option('--kind <kinds>', 'only these, such as failover,failback,link-down')
    .option('-f, --follow', 'go on with what happens next, until Ctrl-C (with --json one object a line)')
    .addHelpText(
      'after',
      '\nExamples:\n  hawser events --follow\n  hawser events --follow --kind failover,failback,link-down,flapping\n  hawser events --since 120 --json\n',
    )
    .action(runEvents);
}

async function runEvents(options: EventsOptions): Promise<void> {
  const since = Number(options.since);
  if (!Number.isInteger(since) || since < 0) throw usageError(`--since is "${options.since}"`, 'a number from 0 on');
  const isWanted = await kindFilter(options);
  if (options.follow === true) await follow(options, since, isWanted);
  const records = (await ask(options, 'events', { since })).filter(isWanted);
  const lines =
    options.json === true ? [JSON.stringify(records.map(withDetail), undefined, 2)] : records.map(eventLine);
  process.stdout.write(`${lines.length === 0 ? 'Nothing has happened.' : lines.join('\n')}\n`);
}

/** Goes on where it was when the control-server was restarted; rejects when the instance has ended. */
async function follow(
  options: EventsOptions,
  from: number,
  isWanted: (record: EventRecord) => boolean,
): Promise<never> {
  let since = from;
  return await overConnections(options, (connection) =>
    connection.follow({ since }, (records) => {
      for (const record of records.filter(isWanted)) process.stdout.write(`${oneLine(record, options)}\n`);
      since = records.at(-1)?.id ?? since;
    }),
  );
}

/** Refuses a kind that neither this program knows nor the daemon, which may be another version, has told of. */
async function kindFilter(options: EventsOptions): Promise<(record: EventRecord) => boolean> {
  if (options.kind === undefined) return () => true;
  const wanted = options.kind.split(',');
  const ours: readonly string[] = eventKinds;
  if (!wanted.every((kind) => ours.includes(kind))) {
    const told = (await ask(options, 'events')).map(({ kind }) => kind);
    const known = [...new Set([...ours, ...told])].sort();
    const unknown = wanted.find((kind) => !known.includes(kind));
    if (unknown !== undefined) throw usageError(`There is no kind "${unknown}"`, `there are: ${known.join(', ')}`);
  }
  return (record) => wanted.includes(record.kind);
}

/** With --json, --follow prints one object a line. */
function oneLine(record: EventRecord, options: EventsOptions): string {
  return options.json === true ? JSON.stringify(withDetail(record)) : eventLine(record);
}

function eventLine(record: EventRecord): string {
  const time = new Date(record.timeMs).toISOString();
  return `${String(record.id).padStart(5)}  ${time}  ${record.source.padEnd(18)}  ${record.kind}  ${textOfEvent(record)}`.trimEnd();
}
