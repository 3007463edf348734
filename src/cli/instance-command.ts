/** What all commands that ask a running instance have in common: their options, and JSON beside text. */
import type { Command } from 'commander';
import type { InstanceChoice } from './control-client.ts';

export interface InstanceOptions extends InstanceChoice {
  readonly json?: true;
}

/** `hawser NAME [--name …] [--run-directory …] [--json]`. */
export function addInstanceCommand(program: Command, name: string, description: string): Command {
  return program
    .command(name)
    .description(description)
    .option('--name <name>', 'the instance (needed when several run on this host)')
    .option('--run-directory <folder>', "the instance's runtime.runDirectory", '/run/hawser')
    .option('--json', 'print JSON instead of text');
}

/** Prints `value` as JSON if that was asked for, otherwise the lines for people. */
export function printResult<T>(options: InstanceOptions, value: T, lines: (value: T) => readonly string[]): void {
  const text = options.json === true ? JSON.stringify(value, undefined, 2) : lines(value).join('\n');
  process.stdout.write(`${text}\n`);
}
