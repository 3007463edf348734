/** Whether this kernel, and the tunnel's interface, have IPv6. */
import { existsSync, readFileSync } from 'node:fs';
import { formatCidr } from '../../config/address.ts';
import type { NetworkPlan } from './plan.ts';

const ipv6Conf = '/proc/sys/net/ipv6/conf';
/** RFC 8200 section 5: below it the kernel takes IPv6 off the interface. */
const ipv6LeastMtu = 1280;

/** Whether the kernel runs with it at all. */
export function hasIpv6(): boolean {
  return existsSync(ipv6Conf);
}

interface Ipv6Verdict {
  readonly inKernel: boolean;
  readonly onInterface: boolean;
  readonly warnings: readonly string[];
}

/** Whether IPv6 can be had on the tunnel's interface, and why not if the plan wants it. */
export function checkIpv6(plan: NetworkPlan): Ipv6Verdict {
  const wanted = [...plan.addresses, ...plan.routes].filter((cidr) => cidr.family === 6);
  const list = wanted.map(formatCidr).join(', ');
  const verdict = (inKernel: boolean, why: string): Ipv6Verdict => ({
    inKernel,
    onInterface: why === '',
    warnings: why === '' || wanted.length === 0 ? [] : [`Left out ${list} on ${plan.interface}: ${why}`],
  });
  if (!hasIpv6()) {
    return verdict(false, 'this kernel runs without IPv6 (boot without ipv6.disable=1, or remove the IPv6 entries)');
  }
  if (plan.mtu < ipv6LeastMtu) {
    return verdict(true, `IPv6 needs an MTU of ${ipv6LeastMtu} and tunnel.mtu is ${plan.mtu} (raise tunnel.mtu)`);
  }
  const setting = `${ipv6Conf}/${plan.interface}/disable_ipv6`;
  // A kernel takes the directory away while the interface's MTU is too small; the MTU is set before the addresses.
  const disabled = existsSync(setting) && readFileSync(setting, 'utf8').trim() !== '0';
  return verdict(
    true,
    disabled ? `IPv6 is disabled there (sysctl -w net.ipv6.conf.${plan.interface}.disable_ipv6=0)` : '',
  );
}
