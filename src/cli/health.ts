/** `hawser health`: what probes past the tunnel say of each link: state and why, methods and their scores, numbers, history. */
import type { Command } from 'commander';
import type { HealthStatus } from '../control/network-rows.ts';
import { ask } from './control-client.ts';
import { bold, humanAge, humanDuration, humanMs, humanPercent } from './humanize.ts';
import { addInstanceCommand, type InstanceOptions, printResult } from './instance-command.ts';

export function addHealthCommand(program: Command): void {
  addInstanceCommand(program, 'health', 'show what probes past the tunnel say of each link, and its history').action(
    async (options: InstanceOptions) => {
      printResult(options, await ask<HealthStatus[]>(options, 'health'), (all) => all.flatMap(healthLines));
    },
  );
}

function healthLines(health: HealthStatus): string[] {
  const name = bold(health.link);
  if (health.state === undefined) return [`${name}  not probed (links.health.targets names nobody)`];
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
    `  method      ${health.method}, now ${inUse}; reliability: ${scores.join(', ')}`,
    `  targets     ${health.targets.join(', ')}`,
    ...health.history.map((one) => `  ${humanAge(one.ageMs).padStart(20)}  ${one.state}: ${one.reason}`),
  ];
}
