/**
 * What a configuration means for an instance on this host: its topology, its socket, its way to name servers, and what of it a running
 * one can take.
 */
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import type { Topology } from '../actors/kit/topology.ts';
import { HawserError } from '../base/errors.ts';
import type { Config } from '../config/config.ts';
import { socketPathOf } from '../control/protocol.ts';
import type { DnsWay } from '../io/dns-exchange.ts';
import { fwmarkOf } from '../io/network/plan.ts';
import { planTopology } from '../topology/plan.ts';

/** Benches measure what encryption costs against two ends that do not encrypt. It is said in the log at every start. */
export const isPlaintextTwin = process.env.HAWSER_BENCH_PLAINTEXT === '1';

export function socketPathFor(config: Config): string {
  return socketPathOf(config.runtime.runDirectory, config.name);
}

/** How questions about host names leave this host: as the packets of the tunnel do. */
export function dnsWayOf(config: Config): DnsWay {
  return { fwmark: fwmarkOf(config), interfaces: config.links.map((link) => link.interface ?? '') };
}

/** vm.overcommit_memory = 2 of proc_sys_vm(5): every byte that is reserved is missing elsewhere. */
function isCommitLimited(): boolean {
  try {
    return readFileSync('/proc/sys/vm/overcommit_memory', 'utf8').trim() === '2';
  } catch (error) {
    // No /proc: nobody knows, and a reservation that is refused is made smaller.
    if (error instanceof Error) return false;
    throw error;
  }
}

export function planFor(config: Config, previous?: Topology): Topology {
  const socketPath = socketPathFor(config);
  return planTopology({
    config,
    fwmark: fwmarkOf(config),
    socketPath,
    cores: availableParallelism(),
    mayReserve: !isCommitLimited(),
    previous,
    isPlaintextTwin,
  });
}

/** The link table is made once, with spare rows. */
export function checkRoom({ memory, links }: Topology): void {
  if (links.every(({ row }) => row < memory.linkRows)) return;
  const message = `The running instance has room for ${memory.linkRows} links`;
  throw new HawserError('CONFIG', message, 'restart the instance to make room');
}

/** What a running instance cannot change stays as it is (`diffConfigs` names it). */
export function keepFixed(before: Config, wanted: Config): Config {
  return {
    ...wanted,
    name: before.name,
    identity: before.identity,
    tunnel: { ...wanted.tunnel, interface: before.tunnel.interface },
    runtime: { ...before.runtime, logLevel: wanted.runtime.logLevel },
  };
}
