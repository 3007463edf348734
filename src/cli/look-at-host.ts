/** What others have on this host that would keep a configuration from having its effect: their routes and rules. Nothing is changed. */
import { HawserError } from '../base/errors.ts';
import { formatCidr, parseCidr } from '../config/address.ts';
import type { Config } from '../config/config.ts';
import { poolsOf } from '../config/server.ts';
import type { Warning } from '../config/warnings.ts';
import { sentenceOf } from '../io/network/conflicts.ts';
import { describeConflicts, describeMisled, describeOverlaps } from '../io/network/network.ts';
import { planNetwork } from '../io/network/plan.ts';
import { loadAddon } from '../native/addon.ts';

export function lookAtHost(config: Config): Warning[] {
  const plan = planNetwork(config);
  const endpoints = config.peers.flatMap((peer) => peer.endpoints).filter(({ zone }) => zone === undefined);
  const destinations = endpoints.flatMap(({ host }) => parseCidr(host)?.addressHex ?? []);
  try {
    const addon = loadAddon();
    const pools = config.server === undefined ? [] : poolsOf(config.server);
    const ofPool = (text: string): boolean => pools.some((pool) => text.startsWith(`${formatCidr(pool)} `));
    const conflicts = describeConflicts(addon, plan).map((trouble) => ({
      path: ofPool(trouble.text) ? 'server' : 'peers.allowedIPs',
      trouble,
    }));
    const overlaps = describeOverlaps(addon, plan.interface, pools).map((trouble) => ({ path: 'server', trouble }));
    const misled = describeMisled(addon, plan, { links: config.links, destinations });
    const found = [...conflicts, ...overlaps, ...misled.map((trouble) => ({ path: 'routing', trouble }))];
    return found.map(({ path, trouble }) => ({ path, message: sentenceOf(trouble) }));
  } catch (error) {
    // A configuration can be checked where no netlink is: in a build, in a sandbox.
    if (error instanceof HawserError) return [];
    throw error;
  }
}
