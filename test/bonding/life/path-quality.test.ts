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
