/** Whether this host passes packets of others on, and how many it refused to: what a hub's clients need. */
import { readFileSync } from 'node:fs';

export interface Forwarding {
  readonly forwardsV4: boolean;
  readonly forwardsV6: boolean;
}

/** Of this network namespace; what cannot be read is taken for switched on, so that nobody is warned of nothing. */
export function readForwarding(): Forwarding {
  return {
    forwardsV4: readLine('/proc/sys/net/ipv4/ip_forward') !== '0',
    forwardsV6: readLine('/proc/sys/net/ipv6/conf/all/forwarding') !== '0',
  };
}

/**
 * Packets for other hosts that came in and were refused because the kernel does not forward (`ip_error` of net/ipv4/route.c and
 * `ip6_pkt_discard` of net/ipv6/route.c count them as address errors), by the names of /proc/net/snmp and snmp6.
 */
export function readAddressErrors(): [string, number][] {
  const lines = readLine('/proc/net/snmp', true)
    .split('\n')
    .filter((line) => line.startsWith('Ip:'))
    .map((line) => line.split(' '));
  const at = lines[0]?.indexOf('InAddrErrors') ?? -1;
  const v6 = /^Ip6InAddrErrors\s+(\d+)/m.exec(readLine('/proc/net/snmp6', true));
  return [
    ['IpInAddrErrors', at < 0 ? 0 : Number(lines[1]?.[at] ?? 0)],
    ['Ip6InAddrErrors', Number(v6?.[1] ?? 0)],
  ];
}

function readLine(file: string, isWhole = false): string {
  try {
    const text = readFileSync(file, 'latin1');
    return isWhole ? text : text.trim();
  } catch (error) {
    if (error instanceof Error) return '';
    throw error;
  }
}
