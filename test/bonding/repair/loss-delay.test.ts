import t from 'tap';
import { LossDelay } from '../../../src/bonding/repair/loss-delay.ts';

t.test('us() doubles with losses that were none, to half the round trip, and falls back with real ones', (t) => {
  const delay = new LossDelay();
  t.equal(delay.us(0), 1_000);
  delay.handleReport(3, 1, 100_000);
  t.equal(delay.us(0), 2_000);
  for (let report = 0; report < 10; report += 1) delay.handleReport(0, 1, 100_000);
  t.equal(delay.us(0), 50_000);
  for (let report = 0; report < 1_000; report += 1) delay.handleReport(1, 0, 100_000);
  t.equal(delay.us(0), 1_000);
  t.end();
});

t.test('us() may grow to 20 ms on a near path, and covers half the jitter of any', (t) => {
  const delay = new LossDelay();
  for (let report = 0; report < 10; report += 1) delay.handleReport(0, 1, 4_000);
  t.equal(delay.us(0), 20_000);
  t.equal(delay.us(60_000), 30_000);
  t.end();
});
