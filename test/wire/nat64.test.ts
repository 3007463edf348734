/** NAT64's addresses, by the table of RFC 6052 section 2.4. */
import t from 'tap';
import { formatAddress, parseCidr } from '../../src/config/address.ts';
import { type Nat64Prefix, nat64Embed, nat64PrefixOf } from '../../src/wire/nat64.ts';

function bytesOf(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(parseCidr(text)?.addressHex ?? '', 'hex'));
}

function prefixOf(text: string): Nat64Prefix {
  return { bytes: bytesOf(text.split('/')[0] ?? ''), bits: Number(text.split('/')[1]) };
}

const table = [
  ['2001:db8::/32', '2001:db8:c000:221::'],
  ['2001:db8:100::/40', '2001:db8:1c0:2:21::'],
  ['2001:db8:122::/48', '2001:db8:122:c000:2:2100::'],
  ['2001:db8:122:300::/56', '2001:db8:122:3c0:0:221::'],
  ['2001:db8:122:344::/64', '2001:db8:122:344:c0:2:2100:0'],
  ['2001:db8:122:344::/96', '2001:db8:122:344::c000:221'],
  ['64:ff9b::/96', '64:ff9b::c000:221'],
] as const;

for (const [prefix, address] of table)
  t.test(prefix, async (t) => {
    t.same(nat64Embed(prefixOf(prefix), bytesOf('192.0.2.33')), bytesOf(address));
    for (const one of ['192.0.0.170', '192.0.0.171']) {
      const found = nat64PrefixOf(nat64Embed(prefixOf(prefix), bytesOf(one)));
      t.equal(found === undefined ? '' : `${formatAddress(Buffer.from(found.bytes))}/${found.bits}`, prefix);
    }
  });

t.test('what holds no address of ipv4only.arpa has no prefix', async (t) => {
  t.equal(nat64PrefixOf(bytesOf('2001:db8::1')), undefined);
  t.equal(nat64PrefixOf(bytesOf('192.0.0.170')), undefined, 'of IPv4 itself');
});

t.test('nat64Embed() takes no other length', async (t) => {
  t.throws(() => nat64Embed(prefixOf('2001:db8::/33'), bytesOf('192.0.2.33')), RangeError);
});
