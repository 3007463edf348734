/** `hawser health`: what probes past the tunnel say of each link: state and why, methods and their scores, numbers, history. */
import type { Command } from 'commander';
import type { CheckStatus, HealthStatus } from '../control/network-rows.ts';
import { ask } from './control-client.ts';
import { bold, humanAge, humanDuration, humanMs, humanPercent } from './humanize.ts';
import { addInstanceCommand, type InstanceOptions, printResult } from './instance-command.ts';

export function addHealthCommand(program: Command): void {
  addInstanceCommand(program, 'health', 'show what probes past the tunnel say of each link, and its history').action(
    async (options: InstanceOptions) => {
      printResult(options, await ask(options, 'health'), (all) => all.flatMap(healthLines));
    },
  );
}

function checkLine(check: CheckStatus): string {
  const words = { up: 'passes', degraded: 'passes slowly', down: 'fails' }[check.state] ?? 'not asked yet';
  const since = check.changedAgeMs === undefined ? '' : ` for ${humanDuration(check.changedAgeMs)}`;
  return `${check.name}  ${words}${since}: ${check.last === '' ? '-' : check.last}`;
}

function healthLines(health: HealthStatus): string[] {
  const name = bold(health.link);
  if (health.state === undefined) return [`${name}  not probed (links.health names nobody to ask)`];
  const reason = health.reason === undefined ? '' : `: ${health.reason}`;
  const since = health.changedAgeMs === undefined ? '' : `, for ${humanDuration(health.changedAgeMs)}`;
  const row = Math.abs(health.inRow);
  const inRow = `${row} ${health.inRow < 0 ? 'failures' : 'answers'} in a row`;
  const scores = Object.entries(health.scores).map(([method, score]) => `${method} ${humanPercent(score * 100)}`);
  const rtt = `${humanMs(health.minRttMs)} / ${humanMs(health.rttMs)} / ${humanMs(health.maxRttMs)}`;
  const inUse = health.methodInUse ?? 'none has answered';
  return [
    `${name}  ${health.state}${reason}${since}`,
    `  round trip  ${rtt} (least, mean, most), jitter ${humanMs(health.jitterMs)}, loss ${humanPercent(health.lossPercent)}`,
    `  probes      ${health.answers} of ${health.probes} answered, ${inRow}, up ${humanPercent(health.uptimePercent)} of the time`,
    ...(health.checks.length > 0
      ? health.checks.map(
          (check, index) =>
            `  ${index === 0 ? `needs ${health.need} of`.padEnd(11) : ' '.repeat(11)} ${checkLine(check)}`,
        )
      : [
          `  method      ${health.method}, now ${inUse}; reliability: ${scores.join(', ')}`,
          `  targets     ${health.targets.join(', ')}`,
          ...(health.state === 'up' || health.last === undefined ? [] : [`  last        ${health.last}`]),
        ]),
    ...health.history.map((one) => `  ${humanAge(one.ageMs).padStart(20)}  ${one.state}: ${one.reason}`),
  ];
}
