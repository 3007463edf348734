/** `hawser actors`: every actor with its thread, its heartbeat, how busy it is and what waits for it. */
import type { Command } from 'commander';
import type { ActorStatus } from '../control/rows.ts';
import { ask } from './control-client.ts';
import { type Column, formatTable, humanBytes, humanCount, humanDuration, humanMicros } from './humanize.ts';
import { addInstanceCommand, type InstanceOptions, printResult } from './instance-command.ts';

interface ActorsOptions extends InstanceOptions {
  readonly counters?: true;
}

export function addActorsCommand(program: Command): void {
  addInstanceCommand(program, 'actors', 'show the actors of a running instance')
    .option('--counters', "with every actor's own counters")
    .addHelpText(
      'after',
      `
BEAT is the age of the last heartbeat, BUSY the share of time in turns that did something, TURN their mean and
longest duration, WAITING what is in the rings the actor consumes. Rates are over the last 1 to 2 seconds.
`,
    )
    .action(async (options: ActorsOptions) => {
      const actors = await ask(options, 'actors');
      printResult(options, actors, (all) => [
        ...actorLines(all),
        ...(options.counters === true ? counterLines(all) : []),
      ]);
    });
}

const columns: readonly Column<ActorStatus>[] = [
  { heading: 'ACTOR', text: (actor) => actor.id },
  { heading: 'STATE', text: (actor) => actor.state },
  { heading: 'NOW', optional: true, text: (actor) => actor.activity },
  { heading: 'THREAD', optional: true, align: 'right', text: (actor) => String(actor.threadId ?? '-') },
  { heading: 'RESTARTS', align: 'right', text: (actor) => String(actor.restarts) },
  { heading: 'BEAT', align: 'right', text: (actor) => humanDuration(actor.heartbeatAgeMs) },
  { heading: 'BUSY', align: 'right', text: (actor) => `${actor.busyPercent.toFixed(1)} %` },
  { heading: 'TURN', optional: true, align: 'right', text: (actor) => humanMicros(actor.meanTurnUs) },
  { heading: 'LONGEST', optional: true, align: 'right', text: (actor) => humanMicros(actor.longestTurnUs) },
  { heading: 'PACKETS/S', align: 'right', text: (actor) => humanCount(actor.packetsPerSecond) },
  { heading: 'WAITING', align: 'right', text: (actor) => humanBytes(actor.inputBytes) },
  { heading: 'FULL', optional: true, align: 'right', text: (actor) => `${Math.round(actor.inputPercent)} %` },
];

/** Why an actor last ended stands below the table: it may be long. */
export function actorLines(actors: readonly ActorStatus[]): string[] {
  const exits = actors.flatMap(({ id, lastExit }) => {
    if (lastExit === undefined) return [];
    return [lastExit.startsWith(`${id}: `) ? `  ${lastExit}` : `  ${id}: ${lastExit}`];
  });
  const table = formatTable(columns, actors, 'No actors are running.');
  return exits.length === 0 ? table : [...table, '', 'Last exits:', ...exits];
}

function counterLines(actors: readonly ActorStatus[]): string[] {
  return actors.flatMap((actor) => {
    const lines = Object.entries(actor.counters).map(([name, value]) => `  ${name.padEnd(36)}  ${value}`);
    return lines.length === 0 ? [] : ['', `${actor.id}:`, ...lines];
  });
}
