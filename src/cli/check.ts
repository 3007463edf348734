/** `hawser check`: every problem of a configuration and of the key files it names; nothing is started or changed. */
import type { Command } from 'commander';
import { exitConfig } from '../base/errors.ts';
import type { Config } from '../config/config.ts';
import { loadConfigWithKeys } from '../config/load-keys.ts';
import { ConfigError } from '../config/problems.ts';
import type { Warning } from '../config/warnings.ts';
import { configWarnings } from '../control/config-check.ts';
import { type Column, formatTable, humanMs } from './humanize.ts';
import type { ProbedCheck } from './probe-links.ts';

export function addCheckCommand(program: Command): void {
  program
    .command('check')
    .description('name every problem of a configuration (exit code 78 if there is one)')
    .argument('<config>', 'the YAML file')
    .option('--probe', 'ask what links.health names once, by each link (exit code 1 if a check fails)')
    .option('--json', 'print the problems as JSON')
    .addHelpText(
      'after',
      `
Examples:
  hawser check /etc/hawser/home.yaml
  hawser check --probe home.yaml
  hawser check home.yaml --json | jq '.problems[].path'
`,
    )
    .action(runCheck);
}

interface CheckOptions {
  readonly json?: true;
  readonly probe?: true;
}

async function runCheck(file: string, options: CheckOptions): Promise<void> {
  try {
    const { config, privateKey } = loadConfigWithKeys(file);
    privateKey.fill(0);
    const peers = `${config.peers.length} ${config.peers.length === 1 ? 'peer' : 'peers'}`;
    const summary = `${file}: no problems (instance ${config.name}, ${peers})`;
    const warnings = [...configWarnings(config), ...(await hostWarnings(config))];
    const told = warnings.map((warning) => `${file}: warning: ${warning.path}: ${warning.message}\n`).join('');
    const probes = options.probe === true ? await probe(config) : [];
    const answers = options.probe === true ? probeLines(probes) : '';
    const json = JSON.stringify({ file, problems: [], warnings, ...(options.probe === true ? { probes } : {}) });
    process.stdout.write(options.json === true ? `${json}\n` : `${told}${summary}\n${answers}`);
    if (probes.some((one) => !one.passed)) process.exitCode = 1;
  } catch (error) {
    if (!(error instanceof ConfigError) || options.json !== true) throw error;
    process.stdout.write(`${JSON.stringify({ file, problems: error.problems }, undefined, 2)}\n`);
    process.exitCode = exitConfig;
  }
}

/** Routes and rules that others have on this host. */
async function hostWarnings(config: Config): Promise<Warning[]> {
  const { lookAtHost } = await import('./look-at-host.ts');
  return lookAtHost(config);
}

/** The addon and what asks are loaded for those who want it only. */
async function probe(config: Config): Promise<ProbedCheck[]> {
  const { probeLinks } = await import('./probe-links.ts');
  return await probeLinks(config);
}

function probeLines(probes: readonly ProbedCheck[]): string {
  const columns: readonly Column<ProbedCheck>[] = [
    { heading: 'LINK', text: (one) => one.link },
    { heading: 'CHECK', text: (one) => one.check },
    { heading: '', text: (one) => (one.passed ? 'passes' : 'FAILS') },
    { heading: 'RTT', align: 'right', text: (one) => humanMs(one.rttMs) },
    { heading: 'ANSWER', text: (one) => one.detail },
  ];
  return `${formatTable(columns, probes, 'No link has checks or targets (links.health).').join('\n')}\n`;
}
