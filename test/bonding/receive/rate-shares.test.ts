/** shareRate(): who may send how much when all together send too much. */
import t from 'tap';
import { shareRate } from '../../../src/bonding/receive/rate-shares.ts';

const claims = (...pairs: readonly (readonly [number, number])[]) =>
  pairs.map(([priority, bps]) => ({ priority, bps }));
const mega = 1e6;

t.test('all that fits is left alone', async (t) => {
  t.same(shareRate(claims([50, 4 * mega], [80, 6 * mega]), 10 * mega), [0, 0]);
  t.same(shareRate([], mega), []);
});

t.test('80 and 20 share four to one', async (t) => {
  t.same(shareRate(claims([80, 50 * mega], [20, 50 * mega]), 10 * mega), [8 * mega, 2 * mega]);
});

t.test('who asks for less leaves the rest to the others, by their priorities', async (t) => {
  t.same(shareRate(claims([50, mega], [60, 50 * mega], [20, 50 * mega]), 9 * mega), [mega, 6 * mega, 2 * mega]);
  t.same(shareRate(claims([80, mega], [20, 50 * mega]), 10 * mega), [mega, 9 * mega]);
});

t.test('priority 0 gets what is left, and shares that alike', async (t) => {
  t.same(shareRate(claims([0, 50 * mega], [1, 4 * mega], [0, 50 * mega]), 10 * mega), [3 * mega, 4 * mega, 3 * mega]);
  const [zero = 0, one] = shareRate(claims([0, 50 * mega], [1, 50 * mega]), 10 * mega);
  t.equal(one, 10 * mega);
  t.ok(zero > 0 && zero < 0.1 * mega, 'but for a trickle, by which it can ask');
});

t.test('many claims use the rate up, and nobody gets more than it asks for', async (t) => {
  let seed = 7;
  const random = (): number => {
    seed = (seed * 48_271) % 2_147_483_647;
    return seed / 2_147_483_647;
  };
  for (let round = 0; round < 200; round += 1) {
    const all = Array.from({ length: 1 + Math.floor(random() * 40) }, () => ({
      priority: 1 + Math.floor(random() * 100),
      bps: 100_000 + random() * 20 * mega,
    }));
    const sum = all.reduce((bytes, { bps }) => bytes + bps, 0);
    const total = sum * (0.1 + 0.8 * random());
    const shares = shareRate(all, total);
    const used = shares.reduce((bytes, bps) => bytes + bps, 0);
    t.ok(used > total * 0.999 && used < total + all.length * 64_000);
    t.ok(shares.every((bps, index) => bps <= Math.max(64_000, all[index]?.bps ?? 0) * 1.000_001));
  }
});
