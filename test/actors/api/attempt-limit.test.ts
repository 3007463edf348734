/** Wrong attempts by address. */
import t from 'tap';
import { AttemptLimit } from '../../../src/actors/api/attempt-limit.ts';

t.test('an address may be wrong so often, and again after a while; others are not touched', async (t) => {
  const limit = new AttemptLimit(3, 1000);
  for (let tries = 0; tries < 3; tries += 1) {
    t.equal(limit.waitMs('192.0.2.1', 0), 0);
    limit.spend('192.0.2.1', 0);
  }
  t.equal(limit.waitMs('192.0.2.1', 0), 1000);
  t.equal(limit.waitMs('::ffff:192.0.2.1', 400), 600, 'the same, by a socket of IPv6');
  t.equal(limit.waitMs('192.0.2.2', 0), 0);
  t.equal(limit.waitMs('192.0.2.1', 1000), 0);
  limit.spend('192.0.2.1', 1000);
  t.equal(limit.waitMs('192.0.2.1', 1000), 1000);
  t.equal(limit.waitMs('192.0.2.1', 1e6), 0);
});

t.test('IPv6 is counted by /64, and only so many are remembered', async (t) => {
  const limit = new AttemptLimit(1, 1000);
  limit.spend('2001:db8:0:1::5', 0);
  t.equal(limit.waitMs('2001:db8:0:1:ffff::1', 0), 1000);
  t.equal(limit.waitMs('2001:db8:0:2::5', 0), 0);
  for (let host = 0; host < 1023; host += 1) limit.spend(`10.0.${host >> 8}.${host & 255}`, 0);
  t.equal(limit.waitMs('2001:db8:0:1::9', 0), 1000, 'the 1,024th');
  limit.spend('10.9.9.9', 0);
  t.equal(limit.waitMs('2001:db8:0:1::9', 0), 0, 'the oldest has made room');
});
