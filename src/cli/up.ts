/** `hawser up`: runs an instance in the foreground until SIGTERM; SIGHUP reloads its configuration. */
import type { Command } from 'commander';
import { runInstance } from '../bootstrap.ts';

export function addUpCommand(program: Command): void {
  program
    .command('up')
    .description('run an instance in the foreground (SIGTERM stops it, SIGHUP reloads the configuration)')
    .argument('<config>', 'the YAML file')
    .addHelpText(
      'after',
      `
Examples:
  hawser up /etc/hawser/home.yaml
  systemctl start hawser@home      # the same, as a service: packaging/hawser@.service
`,
    )
    .action(async (file: string) => {
      process.exit(await runInstance(file));
    });
}
