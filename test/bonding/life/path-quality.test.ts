import t from 'tap';
import { PathQuality, quality } from '../../../src/bonding/life/path-quality.ts';

const ms = 1_000;

/** Milliseconds of this loss until the path counts as bad, at most 5000. */
function badAfterMs(loss: number): number {
  const judged = new PathQuality(5_000 * ms);
  for (let atMs = 0; atMs < 5_000; atMs += 10) {
    judged.update(atMs * ms, 40 * ms, 0, loss);
    if (judged.isBad) return atMs;
  }
  return 5_000;
}

t.test('update() calls a path bad the sooner the more it loses, and never at once', async (t) => {
  t.equal(badAfterMs(0.19), 5_000);
  t.equal(badAfterMs(0.2), 2_000);
  t.equal(badAfterMs(0.3), 890);
  t.equal(badAfterMs(0.6), 500);
  t.equal(badAfterMs(1), 500);
});

t.test('update() forgets a loss that ends before its time', async (t) => {
  const judged = new PathQuality(5_000 * ms);
  for (let atMs = 0; atMs < 450; atMs += 10) judged.update(atMs * ms, 40 * ms, 0, 0.6);
  judged.update(450 * ms, 40 * ms, 0, 0);
  for (let atMs = 460; atMs < 900; atMs += 10) judged.update(atMs * ms, 40 * ms, 0, 0.6);
  t.equal(judged.value, quality.good);
});

t.test('update() does not call a degraded path bad for a spike', async (t) => {
  const judged = new PathQuality(5_000 * ms);
  for (let atMs = 0; atMs < 1_990; atMs += 10) judged.update(atMs * ms, 250 * ms, 0, 0);
  for (let atMs = 1_990; atMs < 2_100; atMs += 10) judged.update(atMs * ms, 600 * ms, 0, 0);
  t.equal(judged.value, quality.degraded);
  for (let atMs = 2_100; atMs < 4_200; atMs += 10) judged.update(atMs * ms, 600 * ms, 0, 0);
  t.equal(judged.value, quality.bad, 'but for what lasts');
});

t.test(
  'update() wants a path that is bad again soon to be better for longer, and forgives it after a long good time',
  async (t) => {
    const judged = new PathQuality(5_000 * ms);
    let atMs = 0;
    /** Milliseconds of this loss until it is, or is no longer, bad. */
    const until = (isBad: boolean, loss: number): number => {
      const fromMs = atMs;
      for (; judged.isBad !== isBad; atMs += 10) judged.update(atMs * ms, 40 * ms, 0, loss);
      return Math.round((atMs - fromMs) / 1_000);
    };
    const waits: number[] = [];
    for (let round = 0; round < 6; round += 1) {
      until(true, 0.3);
      waits.push(until(false, 0));
    }
    t.same(waits, [5, 10, 20, 40, 60, 60]);
    atMs += 250_000;
    until(true, 0.3);
    t.equal(until(false, 0), 5);
  },
);

t.test('update() takes a path back that has a spike now and then, however often it was bad', async (t) => {
  const judged = new PathQuality(5_000 * ms);
  let atMs = 0;
  const run = (milliseconds: number, jitterMs: number): void => {
    for (const endMs = atMs + milliseconds; atMs < endMs; atMs += 10)
      judged.update(atMs * ms, 40 * ms, jitterMs * ms, 0);
  };
  for (let round = 0; round < 5; round += 1) {
    run(3_000, 150);
    t.ok(judged.isBad);
    if (round < 4) while (judged.isBad) run(100, 0);
  }
  const fromMs = atMs;
  while (judged.isBad && atMs - fromMs < 1_800_000) {
    run(50_000, 0);
    run(300, 101);
  }
  t.notOk(judged.isBad, `${(atMs - fromMs) / 1000} s`);
});
