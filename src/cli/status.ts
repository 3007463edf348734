/** `hawser status`: one instance on one screen. */
import type { Command } from 'commander';
import { packageVersion } from '../base/package-info.ts';
import type { Status } from '../control/rows.ts';
import { formatPlacement } from '../topology/placement.ts';
import { ask } from './control-client.ts';
import { bold, humanBytes, humanDuration, humanRate } from './humanize.ts';
import { addInstanceCommand, type InstanceOptions, printResult } from './instance-command.ts';

export function addStatusCommand(program: Command): void {
  addInstanceCommand(program, 'status', 'show a running instance on one screen')
    .addHelpText('after', '\nExamples:\n  hawser status\n  hawser status --name home --json | jq .peersConnected\n')
    .action(async (options: InstanceOptions) => {
      printResult(options, await ask(options, 'status'), statusLines);
    });
}

export function statusLines(status: Status): string[] {
  const traffic = (bytes: number, bps: number): string => `${humanBytes(bytes)} (${humanRate(bps)})`;
  const links = status.links.map((link) => {
    const state = link.state === 'up' ? '' : `: ${link.state}`;
    return `${link.name} (${link.interface ?? 'kernel routing'})${state}`;
  });
  const cutOff = status.cutOff.map(({ peer, ageMs }) => `${peer} cut off since ${humanDuration(ageMs ?? 0)}`);
  const more = status.peersCutOff - cutOff.length;
  if (more > 0) cutOff.push(`${more} more cut off`);
  const restarts = `${status.restarts} ${status.restarts === 1 ? 'restart' : 'restarts'}`;
  return [
    `${bold(status.name)}  hawser ${status.version}, pid ${status.pid}, up ${humanDuration(status.uptimeMs)}`,
    `  tunnel      ${status.interface}  ${status.addresses.join(', ')}  mtu ${status.mtu}`,
    `  listens on  UDP port ${status.listenPort}`,
    `  public key  ${status.publicKey}`,
    `  peers       ${[`${status.peersConnected} of ${status.peers} connected`, ...cutOff].join(', ')}`,
    `  links       ${links.join(', ')}`,
    `  received    ${traffic(status.receivedBytes, status.receivedBps)}`,
    `  sent        ${traffic(status.sentBytes, status.sentBps)}`,
    ...totalLines(status),
    `  actors      ${status.actorsRunning} of ${status.actors} running, ${restarts} (${formatPlacement({ kind: status.placement, cores: status.placementCores }, status.shards)})`,
    ...otherVersion(status),
    ...trialLines(status),
    ...status.warnings.map((warning) => `  warning     ${warning}`),
  ];
}

/** An upgrade leaves running what runs (docs/adr/0038): somebody has to remember. */
function otherVersion({ name, version }: Status): string[] {
  const installed = packageVersion();
  if (version === installed) return [];
  return [`  installed   hawser ${installed}: systemctl restart hawser@${name} moves this instance to it`];
}

/** Somebody has to say that it is kept. */
function trialLines({ trial }: Status): string[] {
  if (trial === undefined) return [];
  const left = `${Math.ceil(trial.leftMs / 1000)} s`;
  return [
    `  on trial    another configuration, taken back in ${left} (hawser config confirm keeps it, revert ends it now)`,
  ];
}

/** Of a server that has a limit for all. */
function totalLines({ total: { upBps, downBps } }: Status): string[] {
  if (upBps === undefined && downBps === undefined) return [];
  const most = (bps: number | undefined): string => (bps === undefined ? 'no limit' : humanRate(bps));
  return [`  all peers   up ${most(upBps)}, down ${most(downBps)} (server.total)`];
}
