/** CoDel against RFC 8289: when it begins, how its drops grow closer, and when it stops. */
import t from 'tap';
import { Codel, intervalUs, targetUs } from '../../../src/bonding/queue/codel.ts';

const stepUs = 1_000;

/** Asks once a millisecond from `fromUs` to `untilUs` with heads that waited `waitedUs`; returns the times of the drops. */
function ask(codel: Codel, fromUs: number, untilUs: number, waitedUs: number, last = false): number[] {
  const drops: number[] = [];
  for (let nowUs = fromUs; nowUs < untilUs; nowUs += stepUs)
    if (codel.shouldDrop(nowUs, waitedUs, last)) drops.push(nowUs);
  return drops;
}

t.test('target and interval are those of RFC 8289, 4.2 and 4.3', async (t) => {
  t.equal(targetUs, 5_000);
  t.equal(intervalUs, 100_000);
});

t.test('shouldDrop() never drops below the target, nor the last of the queue', async (t) => {
  t.same(ask(new Codel(), 1_000_000, 3_000_000, targetUs - 1), []);
  t.same(ask(new Codel(), 1_000_000, 3_000_000, 80_000, true), []);
});

t.test('shouldDrop() tolerates a burst shorter than the interval', async (t) => {
  const codel = new Codel();
  t.same(ask(codel, 1_000_000, 1_000_000 + intervalUs - stepUs, 50_000), []);
  t.same(ask(codel, 1_100_000, 1_101_000, 0), [], 'the queue drained for a moment');
  t.same(ask(codel, 1_101_000, 1_101_000 + intervalUs, 50_000), [], 'so the interval begins anew');
});

t.test('shouldDrop() drops after one interval, then after interval / sqrt(count)', async (t) => {
  const drops = ask(new Codel(), 1_000_000, 2_000_000, 50_000);
  t.equal(drops[0], 1_000_000 + intervalUs);
  let expectedUs = drops[0] as number;
  for (let count = 1; count < drops.length; count += 1) {
    expectedUs += intervalUs / Math.sqrt(count);
    const seenUs = drops[count] as number;
    t.ok(seenUs >= expectedUs && seenUs < expectedUs + stepUs, `drop ${count + 1} at ${seenUs}, due ${expectedUs}`);
  }
  t.ok(drops.length > 15, `${drops.length} drops in 0.9 s`);
});

t.test('shouldDrop() stops at once when the wait falls below the target', async (t) => {
  const codel = new Codel();
  t.ok(ask(codel, 1_000_000, 1_500_000, 50_000).length > 3);
  t.same(ask(codel, 1_500_000, 1_502_000, 1_000), []);
  t.same(ask(codel, 1_502_000, 1_502_000 + intervalUs, 50_000), [], 'an interval of grace');
});

t.test('shouldDrop() goes on near its last rate when trouble comes back soon (RFC 8289, 5.4), not later', async (t) => {
  for (const [pauseUs, isRecent] of [
    [10_000, true],
    [17 * intervalUs, false],
  ] as const) {
    const codel = new Codel();
    const before = ask(codel, 1_000_000, 2_000_000, 50_000).length;
    const againUs = 2_000_000 + pauseUs;
    ask(codel, againUs - stepUs, againUs, 0);
    const [first = 0, second = 0] = ask(codel, againUs, againUs + 3 * intervalUs, 50_000);
    const gapUs = second - first;
    if (isRecent) t.ok(gapUs <= intervalUs / Math.sqrt(before - 2) + stepUs, `gap ${gapUs} after ${before} drops`);
    else t.ok(gapUs >= intervalUs, `gap ${gapUs}`);
  }
});

t.test('shouldDrop() waits longer for the answer of a sender whose round trip is longer', async (t) => {
  const codel = new Codel();
  const drops: number[] = [];
  for (let nowUs = 0; nowUs < 1_000_000; nowUs += stepUs)
    if (codel.shouldDrop(nowUs, 50_000, false, 0, 100_000)) drops.push(nowUs);
  t.equal(drops[0], intervalUs, 'the first is no later');
  t.equal(drops[1], 3 * intervalUs);
});
