/** `hawser schema`: the JSON Schema of the configuration file, for editors. */
import type { Command } from 'commander';
import { configJsonSchema } from '../config/schema.ts';

export function addSchemaCommand(program: Command): void {
  program
    .command('schema')
    .description('print the JSON Schema of the configuration, for editors')
    .addHelpText(
      'after',
      `
Example (then "# yaml-language-server: $schema=hawser.schema.json" as the first line of the configuration):
  hawser schema > hawser.schema.json
`,
    )
    .action(() => {
      process.stdout.write(`${JSON.stringify(configJsonSchema(), undefined, 2)}\n`);
    });
}
