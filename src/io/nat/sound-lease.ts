/**
 * A wall before nft: what stands in a lease becomes text of a transaction, which fails as a whole, for everybody, or does what the text says.
 * Whoever made the lease should have looked at it; a file or a later version may not have. Pure.
 */
import type { Family } from '../../base/family.ts';
import { parseCidr } from '../../config/address.ts';
import { formatForward, parseForward } from '../../config/nat-schema.ts';
import type { NatLease } from './plan.ts';

/** Without what is malformed, which `refuse` hears of; addresses in their canonical form. */
export function soundLease(lease: NatLease, refuse: (reason: string) => void): NatLease {
  const { name, forwards = [] } = lease;
  const address = (text: string | undefined, family: Family | undefined): string | undefined => {
    if (text === undefined) return undefined;
    const parsed = typeof text === 'string' && !text.includes('/') ? parseCidr(text) : undefined;
    if (parsed !== undefined && (family ?? parsed.family) === parsed.family) return parsed.address;
    refuse(`${JSON.stringify(text)} of client "${name}" is no address`);
    return undefined;
  };
  const sound = forwards.filter((one) => {
    // What is not one of its own comes back as another, or not at all.
    const text = formatForward(one);
    const parsed = parseForward(text);
    const isSound =
      parsed !== undefined && parsed.protocol === one.protocol && parsed.port === one.port && parsed.to === one.to;
    if (!isSound) refuse(`${JSON.stringify(text)} of client "${name}" is no port that leads to it`);
    return isSound;
  });
  return {
    ...lease,
    ipv4: address(lease.ipv4, 4),
    ipv6: address(lease.ipv6, 6),
    publicAddress: address(lease.publicAddress, undefined),
    forwards: sound,
  };
}
