/** ReorderDeadline: as long as lateness needs, nothing where it cannot help, and never beyond its cap. */
import fc from 'fast-check';
import t from 'tap';
import { ReorderDeadline } from '../../../src/bonding/receive/reorder-deadline.ts';
import { trafficClass } from '../../../src/contract/records.ts';

const { bulk, latency, control } = trafficClass;
const reportUs = 10_000;

/** Feeds `gaps` a second for `seconds`; each call of `gap` says how late it filled, or -1: never. */
function learn(
  deadline: ReorderDeadline,
  seconds: number,
  gap: (index: number) => number,
  skewUs = 0,
  rttUs = 40_000,
  fromUs = 0,
): void {
  const spacingUs = 10_000;
  for (let index = 0; index * spacingUs < seconds * 1e6; index += 1) {
    const lateUs = gap(index);
    if (lateUs < 0) deadline.handleGivenUp();
    else {
      const wasGivenUp = lateUs > deadline.deadlineUs(bulk);
      if (wasGivenUp) deadline.handleGivenUp();
      deadline.handleFilled(lateUs, wasGivenUp);
    }
    deadline.update(fromUs + index * spacingUs, skewUs, reportUs, rttUs);
  }
}

t.test(
  'deadlineUs() before anything was seen covers the skew of the paths, and what new paths may differ by',
  async (t) => {
    const deadline = new ReorderDeadline(-1);
    t.equal(deadline.deadlineUs(bulk), 0);
    deadline.update(0, 30_000, reportUs, 20_000);
    t.ok(deadline.deadlineUs(bulk) >= 60_000 && deadline.deadlineUs(bulk) <= 160_000);
    deadline.update(100_000, 200, reportUs, 20_000);
    t.equal(deadline.deadlineUs(bulk), 115_500);
  },
);

t.test('deadlineUs() does not trust in what it learnt in the first seconds, nor in those after a rest', async (t) => {
  const deadline = new ReorderDeadline(-1);
  learn(deadline, 2, () => 1_000, 30_000, 20_000);
  const firstUs = deadline.deadlineUs(bulk);
  t.ok(firstUs >= 90_000, `${firstUs} us, though nothing was late`);
  learn(deadline, 2, () => 1_000, 30_000, 20_000, 2e6);
  t.ok(deadline.deadlineUs(bulk) <= 45_000, 'the skew, once paths have found their rates');
  learn(deadline, 1, () => 1_000, 30_000, 20_000, 10e6);
  t.equal(deadline.deadlineUs(bulk), firstUs);
});

t.test('deadlineUs() never holds control and latency traffic', async (t) => {
  for (const deadline of [new ReorderDeadline(-1), new ReorderDeadline(80_000)]) {
    learn(deadline, 2, () => 30_000);
    t.equal(deadline.deadlineUs(latency), 0);
    t.equal(deadline.deadlineUs(control), 0);
  }
});

t.test('deadlineUs() is the configured one when there is one', async (t) => {
  const deadline = new ReorderDeadline(80_000);
  learn(deadline, 2, () => 3_000);
  t.equal(deadline.deadlineUs(bulk), 80_000);
  t.equal(new ReorderDeadline(0).deadlineUs(bulk), 0);
});

t.test('deadlineUs() covers 99 % of what it saw and is not much longer than that', async () => {
  fc.assert(
    fc.property(fc.integer({ min: 500, max: 150_000 }), fc.integer({ min: 0, max: 50_000 }), (baseUs, spreadUs) => {
      const deadline = new ReorderDeadline(-1);
      const lateness = (index: number): number => baseUs + (spreadUs * ((index * 37) % 100)) / 100;
      learn(deadline, 5, lateness, baseUs + spreadUs);
      const p99 = baseUs + spreadUs * 0.99;
      const seen = deadline.deadlineUs(bulk);
      return seen >= Math.min(250_000, p99) && seen <= Math.min(250_000, p99 * 1.25 * 1.2 + 4_000);
    }),
    { numRuns: 50 },
  );
});

t.test('deadlineUs() covers the few that are much later than the others', async (t) => {
  const deadline = new ReorderDeadline(-1);
  learn(deadline, 10, (index) => (index % 25 === 3 ? 20_000 : 1_000));
  t.ok(deadline.deadlineUs(bulk) >= 20_000, `${deadline.deadlineUs(bulk)}`);
});

t.test('deadlineUs() falls to nothing where gaps never fill, and comes back when they do', async (t) => {
  const deadline = new ReorderDeadline(-1);
  learn(deadline, 5, () => 20_000, 15_000);
  t.ok(deadline.deadlineUs(bulk) > 20_000);
  learn(deadline, 120, () => -1, 15_000, 40_000, 5e6);
  t.equal(deadline.deadlineUs(bulk), 0);
  learn(deadline, 5, () => 20_000, 15_000, 40_000, 125e6);
  t.ok(deadline.deadlineUs(bulk) > 20_000, 'late arrivals count too');
});

t.test('deadlineUs() forgets a far path that is no longer used', async (t) => {
  const deadline = new ReorderDeadline(-1);
  learn(deadline, 10, () => 120_000);
  t.ok(deadline.deadlineUs(bulk) > 120_000);
  learn(deadline, 100, () => 2_000, 0, 40_000, 10e6);
  t.ok(deadline.deadlineUs(bulk) < 10_000, `${deadline.deadlineUs(bulk)}`);
});

t.test('deadlineUs() adds a re-injection where losses are usually repaired, though few gaps are losses', async (t) => {
  // 1 gap in 500 is a loss that comes back after a report and a round trip; all others are 2 ms late.
  const repaired = new ReorderDeadline(-1);
  learn(repaired, 20, (index) => (index % 500 === 7 ? 52_000 : 2_000));
  t.ok(repaired.deadlineUs(bulk) >= 52_000, `${repaired.deadlineUs(bulk)}`);
  const lost = new ReorderDeadline(-1);
  learn(lost, 20, (index) => (index % 500 === 7 ? -1 : 2_000));
  t.ok(lost.deadlineUs(bulk) < 10_000, `${lost.deadlineUs(bulk)}`);
});

t.test('deadlineUs() of an only path covers two repairs, and is nothing where one would come too late', async (t) => {
  const at = (rttUs: number): number => {
    const deadline = new ReorderDeadline(-1);
    deadline.update(0, 0, reportUs, rttUs, true);
    return deadline.deadlineUs(bulk);
  };
  t.ok(at(60_000) >= 2 * (60_000 + reportUs), `${at(60_000)} us at 60 ms`);
  t.ok(at(5_000) <= 80_000, `${at(5_000)} us at 5 ms`);
  t.equal(at(150_000), 200_000, 'no longer than a sender waits before it tries again by itself');
  t.equal(at(190_000), 0);
});

t.test('deadlineUs() never exceeds 250 ms', async (t) => {
  const deadline = new ReorderDeadline(-1);
  learn(deadline, 5, () => 900_000, 800_000);
  t.equal(deadline.deadlineUs(bulk), 250_000);
});
