/** Where devices have to stop so that all of them together come to what is left. */
import t from 'tap';
import { stopsOf } from '../../src/actors/clients/quota-stops.ts';

const meter = (bytes: number, weight: number) => ({ bytes, weight });

t.test('stopsOf() divides what is left as it was used of late, and never more of it', async (t) => {
  t.same(stopsOf([meter(100, 0), meter(500, 0)], 1e6), [500_100, 500_500], 'nobody used anything: equal parts');
  const [up = 0, down = 0] = stopsOf([meter(0, 3), meter(0, 97)], 1e6);
  t.ok(down > 900_000 && up > 30_000 && up < 100_000, `${up} ${down}`);
  t.ok(up + down <= 1e6 && up + down > 999_000);
  const [idle = 0] = stopsOf([meter(0, 0), meter(0, 1e6)], 1e6);
  t.ok(idle > 20_000, 'who begins finds something');
});

t.test('stopsOf() divides a little too, gives each a packet, and ends here and now without', async (t) => {
  t.same(stopsOf([meter(10, 0), meter(20, 0)], 1_000), [510, 520]);
  t.same(
    stopsOf([meter(10, 1e9), meter(20, 0)], 2).map((stop, at) => stop - 10 * (at + 1)),
    [1, 1],
    'the packet that reaches an end passes',
  );
  t.same(stopsOf([meter(10, 5), meter(0, 0)], 0), [10, 1], 'never 0, which would be no end');
  t.same(stopsOf([meter(10, 5)], -7), [10]);
});

t.test('many devices are over by a packet for each direction at most', async (t) => {
  for (const count of [10, 200]) {
    for (let left = 1; left <= 1_500 * count; left += 1_499) {
      const stops = stopsOf(
        Array.from({ length: count }, () => meter(0, 7)),
        left,
      );
      // Each wants more than there is.
      const used = stops.reduce((sum, stop) => sum + Math.ceil(stop / 1_420) * 1_420, 0);
      t.ok(used - left <= count * 1_420, `${count} meters, ${left} left: ${used - left} over`);
    }
  }
});

t.test('two directions that take what they get come to the quota, within a packet each', async (t) => {
  for (const shares of [
    [0.5, 0.5],
    [0.97, 0.03],
    [0.001, 0.999],
  ]) {
    let left = 20e6;
    const used = [0, 0];
    let rates = [0, 0];
    let looks = 0;
    for (; left > 0 && looks < 1_000; looks += 1) {
      const stops = stopsOf(
        used.map((bytes, at) => meter(bytes, rates[at] ?? 0)),
        left,
      );
      const before = [...used];
      for (const [at, stop] of stops.entries()) {
        // As much as 20 ms at 100 Mbit/s bring, packet by packet.
        const wanted = (used[at] ?? 0) + 250_000 * (shares[at] ?? 0);
        while ((used[at] ?? 0) < Math.min(stop, wanted)) used[at] = (used[at] ?? 0) + 1_420;
      }
      rates = used.map((bytes, at) => (rates[at] ?? 0) / 2 + (bytes - (before[at] ?? 0)) / 2);
      left = 20e6 - (used[0] ?? 0) - (used[1] ?? 0);
    }
    t.ok(left <= 0 && left > -2 * 1_420, `${shares}: ${left} left after ${looks} looks`);
  }
});
