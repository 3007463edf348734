/** `hawser doctor`: what this host has of what Hawser needs, each lack with its remedy. */
import type { Command } from 'commander';
import { type Finding, inspectHost } from '../io/preflight.ts';
import { loadAddon } from '../native/addon.ts';
import { exitFailure } from './exit.ts';

const words: Readonly<Record<Finding['level'], string>> = { good: 'ok', poor: 'poor', missing: 'MISSING' };

export function addDoctorCommand(program: Command): void {
  program
    .command('doctor')
    .description('look at what this host has of what Hawser needs (exit 1 if it cannot run)')
    .option('--json', 'print JSON')
    .action((options: { readonly json?: true }) => {
      const findings = inspectHost(loadAddon());
      process.stdout.write(options.json === true ? `${JSON.stringify(findings, null, 2)}\n` : tableOf(findings));
      if (findings.some(({ level }) => level === 'missing')) process.exitCode = exitFailure;
    });
}

function tableOf(findings: readonly Finding[]): string {
  const width = Math.max(...findings.map(({ subject }) => subject.length));
  const lines = findings.map(({ level, subject, detail, remedy }) => {
    const hint = remedy === '' ? '' : `\n${' '.repeat(width + 10)}→ ${remedy}`;
    return `${words[level].padEnd(8)}${subject.padEnd(width + 2)}${detail}${hint}\n`;
  });
  return lines.join('');
}
