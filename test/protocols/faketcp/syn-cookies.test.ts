/** SynCookies: what it says, which the addon says, too (`test/native/faketcp.test.cc` has the same numbers). */
import t from 'tap';
import { viewOf } from '../../../src/base/bytes.ts';
import { tuple } from '../../../src/contract/flows.ts';
import { SynCookies } from '../../../src/protocols/faketcp/syn-cookies.ts';

const nowUs = 200e6;
const epochUs = 64e6;

/** FNV-1a: a key is the caller's affair. */
function hashOf(bytes: Uint8Array): number {
  let hash = 2_166_136_261;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 16_777_619) >>> 0;
  return hash;
}

/** From port 4001 to port 4000, of 10.0.0.1 both. */
function connection(): Uint8Array {
  const bytes = new Uint8Array(tuple.bytes);
  bytes.set([2, 0, 4001 >> 8, 4001 & 255, 10, 0, 0, 1], tuple.endpointAt);
  bytes.set([10, 0, 0, 1], tuple.localAt);
  viewOf(bytes).setUint16(tuple.localPortAt, 4000, true);
  return bytes;
}

t.test('make() says what the addon says', (t) => {
  const cookies = new SynCookies(hashOf);
  t.equal(cookies.make(connection(), 7, nowUs), 0xa533_5108);
  t.equal(cookies.make(connection(), -1, nowUs), 0x8533_4470);
  t.equal((nowUs / 1000 + cookies.offset(connection())) >>> 0, 0x0633_d5b4);
  t.end();
});

t.test('check() knows its own for one to two epochs, and no other', (t) => {
  const cookies = new SynCookies(hashOf);
  for (const shift of [-1, 0, 7, 14]) {
    const made = cookies.make(connection(), shift, nowUs);
    t.equal(cookies.check(connection(), made, nowUs), shift);
    t.equal(cookies.check(connection(), made, nowUs + epochUs), shift);
    t.equal(cookies.check(connection(), made, nowUs + 2 * epochUs), undefined);
    t.equal(cookies.check(connection(), made ^ 1, nowUs), undefined);
  }
  t.end();
});
