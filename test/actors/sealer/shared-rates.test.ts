/** SharedRates: devices of one client in front of one bucket. */
import t from 'tap';
import { SharedRates } from '../../../src/actors/sealer/shared-rates.ts';

const mbit = 1e6;
const stepUs = 100;

/** Devices that always have something to send but those that are `away`; bytes that each was sent over so long. */
function run(
  shared: SharedRates,
  rows: readonly number[],
  seconds: number,
  away: (row: number, us: number) => boolean = () => false,
): number[] {
  const sent = new Map<number, number>();
  const asking = new Set(rows);
  for (let us = 0; us < seconds * 1e6; us += stepUs) {
    shared.turn(us, (row) => asking.add(row));
    for (const row of rows) {
      const one = shared.of(row);
      if (one === undefined || !asking.has(row) || away(row, us)) continue;
      let allowed = one.allowedBytes(row, false, us);
      for (; allowed > 0; allowed = one.allowedBytes(row, false, us)) {
        one.spend(row, 1500);
        sent.set(row, (sent.get(row) ?? 0) + 1500);
      }
      asking.delete(row);
      shared.wait(row, one, us);
    }
  }
  return rows.map((row) => ((sent.get(row) ?? 0) * 8) / seconds / mbit);
}

t.test('three devices have the rate together, a third each', async (t) => {
  const shared = new SharedRates();
  for (const row of [4, 7, 9]) shared.follow(row, 4, 20 * mbit, 0);
  const rates = run(shared, [4, 7, 9], 4);
  for (const rate of rates) t.ok(Math.abs(rate - 20 / 3) < 0.2, `${rates}`);
});

t.test('what one leaves the others have', async (t) => {
  const shared = new SharedRates();
  for (const row of [4, 7]) shared.follow(row, 4, 20 * mbit, 0);
  const [first = 0, second = 0] = run(shared, [4, 7], 4, (row, us) => row === 7 && us > 2e6);
  t.ok(Math.abs(first - 15) < 0.5 && Math.abs(second - 5) < 0.5, `${first} and ${second}`);
});

t.test('nothing is urgent enough for more than the reserve, and bulk passes nobody who waits', async (t) => {
  const shared = new SharedRates();
  for (const row of [4, 7]) shared.follow(row, 4, 8 * mbit, 0);
  const one = shared.of(4);
  if (one === undefined) throw new Error('no rate');
  one.spend(4, 20_000);
  shared.wait(4, one, 0);
  t.ok(one.allowedBytes(7, true, 0) <= 0, 'overdrawn');
  t.equal(one.allowedBytes(7, false, 1e6), 0, 'the other one was first');
  t.ok(one.allowedBytes(7, true, 1e6) > 0);
  const resumed: number[] = [];
  shared.turn(1e6, (row) => resumed.push(row));
  t.same(resumed, [4]);
  t.ok(one.allowedBytes(4, false, 1e6) > 0);
});

t.test('who goes is waited for by nobody, and the last one takes the bucket along', async (t) => {
  const shared = new SharedRates();
  for (const row of [4, 7]) shared.follow(row, 4, 8 * mbit, 0);
  const one = shared.of(7);
  if (one === undefined) throw new Error('no rate');
  shared.wait(7, one, 0);
  shared.follow(7, -1, 8 * mbit, 0);
  t.equal(shared.of(7), undefined);
  t.notOk(one.isAwaited);
  shared.follow(4, 4, 0, 0);
  t.equal(shared.of(4), undefined);
  t.equal(shared.nextUs, Number.POSITIVE_INFINITY);
});
