/** `hawser topology`: the actors, threads and rings that a configuration leads to; nothing is started. */
import { availableParallelism } from 'node:os';
import type { Command } from 'commander';
import { loadConfig } from '../config/parse.ts';
import { socketPathOf } from '../control/protocol.ts';
import { fwmarkOf } from '../io/network/plan.ts';
import { describeTopology } from '../topology/describe.ts';
import { planTopology } from '../topology/plan.ts';

export function addTopologyCommand(program: Command): void {
  program
    .command('topology')
    .description('print the actors, threads and rings that a configuration leads to')
    .argument('<config>', 'the YAML file')
    .option('--json', 'print the plan as JSON')
    .addHelpText(
      'after',
      `
Examples:
  hawser topology /etc/hawser/home.yaml
  hawser topology home.yaml --json | jq -r '.rings[].name'
`,
    )
    .action((file: string, options: { readonly json?: true }) => {
      const config = loadConfig(file);
      const socketPath = socketPathOf(config.runtime.runDirectory, config.name);
      const topology = planTopology({
        config,
        fwmark: fwmarkOf(config),
        socketPath,
        cores: availableParallelism(),
        mayReserve: true,
      });
      const text = options.json === true ? JSON.stringify(topology, undefined, 2) : describeTopology(topology);
      process.stdout.write(`${text}\n`);
    });
}
