/** `hawser failover LINK|auto`: all data by one link as long as it lives, or by the mode's choice again. */
import type { Command } from 'commander';
import { ask } from './control-client.ts';
import { addInstanceCommand, type InstanceOptions, printResult } from './instance-command.ts';

export function addFailoverCommand(program: Command): void {
  addInstanceCommand(
    program,
    'failover',
    'send all data by one link as long as it lives; auto = the mode decides again',
  )
    .argument('<link>', 'the link, as `hawser links` calls it, or auto')
    .addHelpText('after', '\nExamples:\n  hawser failover lte\n  hawser failover auto\n')
    .action(async (link: string, options: InstanceOptions) => {
      const forced = link === 'auto' ? undefined : link;
      await ask(options, 'failover', forced === undefined ? {} : { link: forced });
      const told = forced === undefined ? 'The mode decides again.' : `All data goes by ${forced} while it lives.`;
      printResult(options, { forced: forced ?? null }, () => [told]);
    });
}
