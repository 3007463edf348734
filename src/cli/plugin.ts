/** `hawser plugin list`: which plugins run, what for, what they use, and what is wrong with them. */
import type { Command } from 'commander';
import type { PluginStatus } from '../control/plugins.ts';
import { ask } from './control-client.ts';
import { formatTable, humanBytes, humanDuration } from './humanize.ts';
import { addInstanceCommand, type InstanceOptions, printResult } from './instance-command.ts';

export function addPluginCommand(program: Command): void {
  const group = program.command('plugin').description('show the plugins, and what is wrong with them');
  addInstanceCommand(
    group,
    'list',
    'show the plugins: their state, what they are for and use, and why they failed',
  ).action(async (options: InstanceOptions) => {
    printResult(options, await ask(options, 'plugin.list'), listLines);
  });
}

function listLines(all: readonly PluginStatus[]): string[] {
  return formatTable<PluginStatus>(
    [
      { heading: 'PLUGIN', text: ({ plugin }) => plugin },
      { heading: 'STATE', text: stateOf },
      { heading: 'HOOKS', text: ({ hooks }) => hooks.join(',') || '-' },
      { heading: 'RESTARTS', align: 'right', text: ({ restarts }) => String(restarts) },
      {
        heading: 'MEMORY',
        align: 'right',
        text: ({ memoryBytes }) => (memoryBytes === undefined ? '-' : humanBytes(memoryBytes)),
      },
      {
        heading: 'CPU',
        align: 'right',
        text: ({ processorPercent }) => (processorPercent === undefined ? '-' : `${Math.round(processorPercent)}%`),
      },
      { heading: 'ANSWERS', optional: true, align: 'right', text: ({ answers }) => String(answers) },
      { heading: 'FAILURES', align: 'right', text: ({ failures }) => String(failures) },
      { heading: 'PID', optional: true, align: 'right', text: ({ pid }) => (pid === undefined ? '-' : String(pid)) },
      { heading: 'WRONG', text: ({ reason }) => reason || '-' },
      { heading: 'LAST WORDS', optional: true, text: ({ lastWords }) => lastWords || '-' },
    ],
    all,
    'No plugins.',
  );
}

function stateOf({ state, againInMs }: PluginStatus): string {
  return againInMs === undefined ? state : `begins anew in ${humanDuration(againInMs)}`;
}
