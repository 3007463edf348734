/** `hawser errors`: the error log, one entry for each distinct stack, with how often it came. */
import type { Command } from 'commander';
import type { ErrorRecord } from '../control/supervisor-api.ts';
import { ask } from './control-client.ts';
import { addInstanceCommand, type InstanceOptions, printResult } from './instance-command.ts';

interface ErrorsOptions extends InstanceOptions {
  readonly stack?: true;
}

export function addErrorsCommand(program: Command): void {
  addInstanceCommand(program, 'errors', 'show the distinct errors that ended actors')
    .option('--stack', 'with the stack of each')
    .action(async (options: ErrorsOptions) => {
      const records = await ask(options, 'errors');
      printResult(options, records, (all) => errorLines(all, options.stack === true));
    });
}

function errorLines(records: readonly ErrorRecord[], withStack: boolean): string[] {
  if (records.length === 0) return ['No errors.'];
  return records.flatMap((record) => {
    const code = record.code === undefined ? '' : ` [${record.code}]`;
    const last = new Date(record.lastMs).toISOString();
    const first = new Date(record.firstMs).toISOString();
    const times = record.count === 1 ? `once, ${last}` : `${record.count} times, ${first} to ${last}`;
    const stack = withStack
      ? record.stack
          .split('\n')
          .slice(1)
          .map((line) => `  ${line.trimEnd()}`)
      : [];
    return [`${record.source}: ${record.name}${code}: ${record.message}`, `  ${times}`, ...stack];
  });
}
