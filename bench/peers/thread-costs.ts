/** What the kernel's scheduler has noted of a daemon's threads (CONFIG_SCHEDSTATS): figures that a loaded machine blurs less than a round trip. */
import { readdirSync, readFileSync } from 'node:fs';
import type { Daemon } from '../../test/support/daemon.ts';

/** Ever, in milliseconds. */
export interface ThreadCosts {
  /** Threads with packets were ready, and had no processor. */
  readonly packetsWaitedMs: number;
  /** Processor time of all other threads: operators' ones, the main thread, V8's. */
  readonly othersRanMs: number;
}

const packetRoles = /^(tun-reader|tun-writer|sealer|opener|wan-link|faketcp-stack|tls-link)/;

/** Reads what `daemon` has taken; its actors must run already, and not be renewed. */
export async function threadCostsOf(daemon: Daemon): Promise<() => ThreadCosts> {
  const actors = await daemon.actors();
  const ids = actors.filter(({ role }) => packetRoles.test(role)).map(({ kernelThreadId }) => String(kernelThreadId));
  const packets = new Set(ids);
  return () => {
    const costs = { packetsWaitedMs: 0, othersRanMs: 0 };
    for (const id of readdirSync(`/proc/${daemon.pid}/task`)) {
      const [ranNs = 0, waitedNs = 0] = readFileSync(`/proc/${daemon.pid}/task/${id}/schedstat`, 'latin1')
        .split(' ')
        .map(Number);
      if (packets.has(id)) costs.packetsWaitedMs += waitedNs / 1e6;
      else costs.othersRanMs += ranNs / 1e6;
    }
    return costs;
  };
}
