/** `hawser release`: lifts what an instance left in the kernel after a stop with `onExit: closed`, or a kill. */
import type { Command } from 'commander';
import { describeDns, takeBackDns } from '../instance/dns-keeper.ts';
import { lockInstance } from '../instance/instance-lock.ts';
import { describeLeftovers, releaseClosed } from '../io/network/network.ts';
import { loadAddon } from '../native/addon.ts';

interface ReleaseOptions {
  readonly name: string;
  readonly interface?: string;
  readonly runDirectory: string;
  readonly dryRun?: true;
}

export function addReleaseCommand(program: Command): void {
  program
    .command('release')
    .description('lift the block that an instance left (onExit: closed), and what a killed one left')
    .requiredOption('--name <name>', 'the instance')
    .option('--interface <name>', 'remove its TUN interface too, which outlives a killed process')
    .option('--run-directory <folder>', 'runtime.runDirectory of its configuration', '/run/hawser')
    .option('--dry-run', 'only say what would go')
    .addHelpText(
      'after',
      `
Examples:
  hawser release --name home                        # traffic takes the ordinary routes again
  hawser release --name home --interface hawser0    # after kill -9, when the instance shall not come back
`,
    )
    .action(runRelease);
}

function runRelease(options: ReleaseOptions): void {
  const addon = loadAddon();
  // Held by a running instance: its network is not to be pulled from under it.
  const lock = lockInstance(options.runDirectory, options.name);
  try {
    const dns = describeDns(options.runDirectory, options.name);
    const leftovers = [
      ...describeLeftovers(addon, options.name, options.runDirectory),
      ...(dns === undefined ? [] : [dns]),
    ];
    const verb = options.dryRun === true ? 'would remove' : 'removed';
    if (options.dryRun !== true) {
      const { runDirectory, interface: interfaceName } = options;
      const where = interfaceName === undefined ? { runDirectory } : { runDirectory, interfaceName };
      const failure = takeBackDns(runDirectory, options.name);
      const { warnings } = releaseClosed(addon, options.name, where);
      for (const warning of [...warnings, ...(failure === undefined ? [] : [failure])])
        process.stderr.write(`${warning}\n`);
    }
    const lines = leftovers.map((what) => `${verb} ${what}\n`);
    process.stdout.write(lines.length === 0 ? `Nothing of "${options.name}" blocks traffic.\n` : lines.join(''));
  } finally {
    lock.release();
  }
}
