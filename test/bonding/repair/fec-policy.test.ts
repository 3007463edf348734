/** FecPolicy: no parity without loss, enough against it, within what it may cost; judged on simulated Gilbert channels. */
import fc from 'fast-check';
import t from 'tap';
import { FecPolicy } from '../../../src/bonding/repair/fec-policy.ts';

const fast = 6;

function chosen(loss: number, burst = 1, rate = fast): FecPolicy {
  const policy = new FecPolicy('auto');
  policy.update(0, loss, burst, rate);
  return policy;
}

/** Share of data packets that stay lost over a channel of mean loss and burst length. */
function residual(policy: FecPolicy, loss: number, burst: number): number {
  let seed = 12_345;
  const random = (): number => {
    seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) | 0;
    return (seed >>> 0) / 4_294_967_296;
  };
  let isBad = false;
  let lost = 0;
  const groups = 20_000;
  for (let group = 0; group < groups; group += 1) {
    let missing = 0;
    let missingData = 0;
    for (let packet = 0; packet < policy.data + policy.parity; packet += 1) {
      isBad = random() < (isBad ? 1 - 1 / burst : loss / burst / (1 - loss));
      if (!isBad) continue;
      missing += 1;
      if (packet < policy.data) missingData += 1;
    }
    if (missing > policy.parity) lost += missingData;
  }
  return lost / (groups * policy.data);
}

t.test('update() chooses no parity without loss, and below 0.1 %', async (t) => {
  for (const loss of [0, 0.0001, 0.0009]) t.equal(chosen(loss).parity, 0, `${loss}`);
  t.equal(chosen(0.5).parity, 0, 'an overload, not noise');
});

t.test('update() spends at most 15 % at 2 % loss, and repairs most of it', async (t) => {
  const policy = chosen(0.02);
  t.ok(policy.parity > 0);
  t.ok(policy.parity / policy.data <= 0.15 + 1e-9, `${policy.data}+${policy.parity}`);
  const left = residual(policy, 0.02, 1);
  t.ok(left <= 0.002, `${left} stays lost with ${policy.data}+${policy.parity}`);
});

t.test('update() never spends more than its bound, and more parity leaves less loss', async (t) => {
  fc.assert(
    fc.property(
      fc.double({ min: 0.001, max: 0.3, noNaN: true }),
      fc.double({ min: 1, max: 8, noNaN: true }),
      fc.double({ min: 0.05, max: 100, noNaN: true }),
      (loss, burst, rate) => {
        const policy = chosen(loss, burst, rate);
        const bound = Math.min(0.5, 0.07 + 4 * loss);
        return policy.parity <= policy.data * bound + 1e-9 && policy.data >= 4 && policy.data <= 30;
      },
    ),
  );
  const [little, much] = [chosen(0.01), chosen(0.05)];
  t.ok(much.parity / much.data > little.parity / little.data);
  t.ok(residual(much, 0.05, 1) < 0.05 / 4);
});

t.test('update() asks for more parity against bursts than against the same loss spread out', async (t) => {
  const spread = chosen(0.01, 1);
  const bursty = chosen(0.01, 3);
  t.ok(bursty.parity > spread.parity, `${bursty.parity} against ${spread.parity}`);
  t.ok(residual(bursty, 0.01, 3) < residual(spread, 0.01, 3));
});

t.test('update() strengthens at once and relaxes only after 10 s without need', async (t) => {
  const policy = chosen(0.01);
  const before = policy.parity;
  policy.update(100_000, 0.05, 1, fast);
  const most = policy.parity;
  t.ok(most > before);
  policy.update(5e6, 0.001, 1, fast);
  t.equal(policy.parity, most);
  policy.update(11e6, 0, 1, fast);
  t.equal(policy.parity, 0);
});

t.test('groups are small on a slow link, and close in time', async (t) => {
  const slow = chosen(0.02, 1, 0.625);
  t.ok(slow.data <= 5, `${slow.data}`);
  t.ok(slow.groupTimeoutUs <= 10_000);
  t.ok(chosen(0.02, 1, 50).groupTimeoutUs < 5_000);
  const policy = new FecPolicy({ data: 10, parity: 3 });
  policy.update(0, 0, 1, fast);
  t.same([policy.data, policy.parity], [10, 3], 'as configured, whatever the loss');
});
