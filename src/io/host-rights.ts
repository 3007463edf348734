/** What helps a process that the kernel refuses something for want of rights. */
import { readFileSync } from 'node:fs';

/** user_namespaces(7): the first namespace maps all user ids to themselves. */
const allIds = /^\s*0\s+0\s+4294967295\s*$/;

/**
 * Root of a user namespace has every capability there and none over a network that was made outside: to tell it to be root would send it
 * in a circle.
 */
export function rightsRemedy(rights = 'CAP_NET_ADMIN', uidMap = readFileSync('/proc/self/uid_map', 'utf8')): string {
  if (allIds.test(uidMap.trim())) return `run as root or with ${rights}`;
  return 'it is root of a user namespace alone, which has no say over this network: run it outside, or give it a network of its own (unshare --net)';
}
