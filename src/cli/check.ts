/** `hawser check`: every problem of a configuration and of the key files it names; nothing is started or changed. */
import type { Command } from 'commander';
import { exitConfig } from '../base/errors.ts';
import { loadConfigWithKeys } from '../config/load-keys.ts';
import { ConfigError } from '../config/problems.ts';
import { warningsOf } from '../config/warnings.ts';

export function addCheckCommand(program: Command): void {
  program
    .command('check')
    .description('name every problem of a configuration (exit code 78 if there is one)')
    .argument('<config>', 'the YAML file')
    .option('--json', 'print the problems as JSON')
    .addHelpText(
      'after',
      `
Examples:
  hawser check /etc/hawser/home.yaml
  hawser check home.yaml --json | jq '.problems[].path'
`,
    )
    .action(runCheck);
}

function runCheck(file: string, options: { readonly json?: true }): void {
  try {
    const { config, privateKey } = loadConfigWithKeys(file);
    privateKey.fill(0);
    const peers = `${config.peers.length} ${config.peers.length === 1 ? 'peer' : 'peers'}`;
    const summary = `${file}: no problems (instance ${config.name}, ${peers})`;
    const warnings = warningsOf(config);
    const told = warnings.map((warning) => `${file}: warning: ${warning.path}: ${warning.message}\n`).join('');
    const json = JSON.stringify({ file, problems: [], warnings });
    process.stdout.write(options.json === true ? `${json}\n` : `${told}${summary}\n`);
  } catch (error) {
    if (!(error instanceof ConfigError) || options.json !== true) throw error;
    process.stdout.write(`${JSON.stringify({ file, problems: error.problems }, undefined, 2)}\n`);
    process.exitCode = exitConfig;
  }
}
