/** Whether an address is one of the Internet's, and not of a network that only this host or its neighbours have. */
import { BlockList, isIPv4, isIPv6 } from 'node:net';

/** IANA's registries of special-purpose addresses (RFC 6890 and later), less those that are globally reachable; multicast. */
const special4 = [
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.88.99.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '224.0.0.0/4',
  '240.0.0.0/4',
];
/** Everything but 2000::/3 is nobody's, or of a site; of that, what is special, and what carries an IPv4 address that may be. */
const special6 = ['::/3', '4000::/2', '8000::/1', '2001::/23', '2001:db8::/32', '2002::/16', '3fff::/20'];
/** RFC 6052: the last 32 bits are an IPv4 address. */
const translated = /^64:ff9b::(?:([0-9a-f]{1,4}):)?([0-9a-f]{1,4})$/;

// One list for each family: a list looks at an IPv4 address as ::ffff:a.b.c.d too.
const block4 = listOf(special4, 'ipv4');
const block6 = listOf(special6, 'ipv6');

const documentation4 = listOf(['192.0.2.0/24', '198.51.100.0/24', '203.0.113.0/24'], 'ipv4');

function listOf(cidrs: readonly string[], family: 'ipv4' | 'ipv6'): BlockList {
  const list = new BlockList();
  for (const cidr of cidrs) {
    const [network = '', prefix] = cidr.split('/');
    list.addSubnet(network, Number(prefix), family);
  }
  return list;
}

/** `address`: a literal without brackets and zone. What is no address is not public. */
export function isPublicAddress(address: string): boolean {
  if (isIPv4(address)) return !block4.check(address, 'ipv4');
  if (!isIPv6(address) || address.includes('%')) return false;
  const canonical = new URL(`http://[${address}]`).hostname.slice(1, -1);
  const words = translated.exec(canonical);
  if (words !== null) return isPublicAddress(dotted(words[1] ?? '0', words[2] ?? '0'));
  // ::ffff:a.b.c.d lies in ::/3, and is refused like all of it.
  return !block6.check(canonical, 'ipv6');
}

function dotted(high: string, low: string): string {
  const [a, b] = [Number.parseInt(high, 16), Number.parseInt(low, 16)];
  return `${a >> 8}.${a & 255}.${b >> 8}.${b & 255}`;
}

/** The same of an IPv4 address as far as routes go: networks of documentation are nobody's, and behave as what they stand for. */
export function isOfInternet(address: string): boolean {
  return isPublicAddress(address) || documentation4.check(address, 'ipv4');
}
