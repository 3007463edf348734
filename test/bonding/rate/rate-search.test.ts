/** The search for a rate on paths whose delay varies by itself. */
import t from 'tap';
import { PathGauge } from '../../../src/bonding/rate/path-gauge.ts';
import { RateSearch } from '../../../src/bonding/rate/rate-search.ts';
import { RoundTrip } from '../../../src/bonding/rate/round-trip.ts';
import { randomOf } from '../../support/random.ts';

const reportUs = 5_000;

/** Gives a search a report each 5 ms, of what was sent a round trip before. */
class Bench {
  readonly gauge = new PathGauge();
  readonly search = new RateSearch(this.gauge);
  nowUs = 1_000_000;

  report(rttUs: number, bytes: number, deliveryUs = reportUs, lostPackets = 0): void {
    this.nowUs += reportUs;
    this.gauge.handleSent(bytes);
    const sample = {
      nowUs: this.nowUs,
      rttUs,
      deliveredBytes: bytes,
      deliveryUs,
      ackedPackets: Math.ceil(bytes / 1_500),
      lostPackets,
      isAppLimited: true,
    };
    this.gauge.handleSample(sample);
    this.search.handleReport(sample, 12.5, false);
  }
}

t.test('a search is not ended by a delay that rose while next to nothing was sent', async (t) => {
  const bench = new Bench();
  for (let count = 0; count < 100; count += 1) bench.report(20_000, 150);
  for (let count = 0; count < 40; count += 1) bench.report(80_000, 150);
  t.notOk(bench.search.isOver, 'pings make no queue');
  for (let count = 0; count < 40; count += 1) bench.report(160_000, 15_000);
  t.ok(bench.search.isOver, 'what was sent a lot more does');
});

t.test('a search takes no rate from packets that a falling delay brings closer together', async (t) => {
  const most = (swingUs: number) => {
    const bench = new Bench();
    const delayAt = (us: number) => 40_000 + swingUs * Math.sin((us / 160_000) * 2 * Math.PI);
    for (let count = 0; count < 600; count += 1) {
      const fallUs = delayAt(bench.nowUs) - delayAt(bench.nowUs + reportUs);
      // Pings know how it varies by then.
      bench.report(delayAt(bench.nowUs + reportUs), count < 200 ? 150 : 25_000, reportUs - fallUs);
    }
    return bench.search.rateBytesPerUs;
  };
  t.ok(most(0) > 4.9 && most(0) < 5.1, `${most(0)} bytes a microsecond`);
  // At its steepest it falls by 0.4 ms a millisecond: 8 bytes a microsecond for an instant.
  t.ok(most(10_000) < 6.5, `${most(10_000)} of 5 bytes a microsecond`);
});

t.test('swayUs tells what varies slowly from packets that each have their own delay', async (t) => {
  const random = randomOf(7);
  const shareOf = (delayAt: (us: number) => number) => {
    const trip = new RoundTrip();
    let swaying = 0;
    for (let count = 1; count <= 2_000; count += 1) {
      trip.handleSample(delayAt(count * reportUs), count * reportUs, reportUs);
      if (trip.swayUs > trip.jitterUs / 2) swaying += 1;
    }
    return swaying / 2_000;
  };
  const slow = shareOf((us) => 60_000 + 20_000 * Math.sin((us / 160_000) * 2 * Math.PI));
  const each = shareOf(() => 60_000 + 40_000 * (random() - 0.5));
  t.ok(slow > 0.9, `${slow} of the time`);
  t.ok(each < 0.35, `${each} of the time`);
});

t.test(
  'a search ends when a window carries the same for round after round, and the path is seen to be used and to lose some of it',
  async (t) => {
    const secondsOf = (bytes: number, lostPackets: number) => {
      const bench = new Bench();
      // Bursts of 10 bytes a microsecond once in a while show what the path can do.
      for (let count = 0; count < 2_000; count += 1) {
        const isBurst = count % 40 < 2;
        bench.report(20_000, isBurst ? 50_000 : bytes, reportUs, count % 100 === 0 ? lostPackets : 0);
        if (bench.search.isOver) return (count * reportUs) / 1e6;
      }
      return Number.POSITIVE_INFINITY;
    };
    const used = secondsOf(25_000, 1);
    t.ok(used > 0.9 && used < 1.5, `${used} s`);
    t.equal(secondsOf(5_000, 1), Number.POSITIVE_INFINITY, 'a trickle says nothing of what a path can do');
    t.equal(
      secondsOf(25_000, 0),
      Number.POSITIVE_INFINITY,
      'nor does a rate that something in front of the path holds to',
    );
  },
);

t.test('a search is not over as long as each round trip brings more', async (t) => {
  const bench = new Bench();
  for (let count = 0; count < 400; count += 1) bench.report(20_000, 2_000 * 1.004 ** count);
  t.notOk(bench.search.isOver);
});

t.test(
  'a queue that a delay makes believe ends no search while trains come several times as fast as all did',
  async (t) => {
    const isOverWith = (deliveryUs: number) => {
      const bench = new Bench();
      for (let count = 0; count < 100; count += 1) bench.report(40_000, 150);
      // What a window lets go comes once a round trip, and each time later.
      for (let round = 1; round <= 3; round += 1) {
        for (let count = 0; count < 12; count += 1) bench.report(40_000 + round * 15_000, 150);
        bench.report(40_000 + round * 15_000, 60_000, deliveryUs);
      }
      return bench.search.isOver;
    };
    t.notOk(isOverWith(4_000), '60 kB in 4 ms came through no bottleneck of 10 Mbit/s');
    t.ok(isOverWith(40_000), 'what came hardly faster than on average was held up');
  },
);
