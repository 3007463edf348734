/** OneWayDelay against a path whose way back changes, and against clocks that drift and wrap. */
import t from 'tap';
import { OneWayDelay } from '../../../src/bonding/rate/one-way-delay.ts';

const wrap = 2 ** 32;

t.test('roundTripUs() follows the way there and not the way back', async (t) => {
  const delay = new OneWayDelay();
  const offset = wrap - 30_000;
  const sample = (nowUs: number, thereUs: number, backUs: number): number =>
    delay.roundTripUs(thereUs + backUs, (offset + thereUs) % wrap, nowUs);
  t.equal(sample(0, 10_000, 10_000), 20_000);
  const moved = sample(10_000, 10_000, 40_000);
  t.ok(Math.abs(moved - 20_000) < 100, `${moved} after the way back grew by 30 ms`);
  const queued = sample(20_000, 35_000, 40_000);
  t.ok(Math.abs(queued - 45_000) < 100, `${queued} with a queue of 25 ms there, across the wrap of the clock`);
});

t.test('roundTripUs() keeps to the truth while the clocks drift apart, and when one is set', async (t) => {
  const delay = new OneWayDelay();
  let worstUs = 0;
  for (let nowUs = 0; nowUs < 600e6; nowUs += 10_000) {
    const rttUs = delay.roundTripUs(20_000, (5e6 + nowUs * 100e-6 + 10_000) % wrap, nowUs);
    worstUs = Math.max(worstUs, Math.abs(rttUs - 20_000));
  }
  t.ok(worstUs < 100, `${worstUs} us off after ten minutes at 100 ppm`);
  t.equal(delay.roundTripUs(21_000, 900e6, 600e6), 21_000);
});

t.test('roundTripUs() forgets within a second that its first sample met a stall', async (t) => {
  const delay = new OneWayDelay();
  const sample = (nowUs: number, backUs: number): number => delay.roundTripUs(8_000 + backUs, 5e6 + 8_000, nowUs);
  t.equal(sample(0, 50_000), 58_000);
  let seenUs = 0;
  for (let nowUs = 10_000; nowUs <= 1e6; nowUs += 10_000) seenUs = sample(nowUs, nowUs % 30_000 === 0 ? 8_000 : 25_000);
  t.ok(seenUs < 17_000, `${seenUs} us where 16 ms is the truth`);
});
