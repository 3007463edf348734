/** `hawser reload`: the daemon reads its configuration again, as on SIGHUP, and says what it changed. */
import type { Command } from 'commander';
import { ask } from './control-client.ts';
import { addInstanceCommand, type InstanceOptions, printResult } from './instance-command.ts';

export function addReloadCommand(program: Command): void {
  addInstanceCommand(program, 'reload', 'apply what changed in the configuration file').action(
    async (options: InstanceOptions) => {
      printResult(options, await ask(options, 'reload'), ({ changes }) =>
        changes.length === 0 ? ['Nothing changed.'] : changes,
      );
    },
  );
}
