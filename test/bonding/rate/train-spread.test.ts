import t from 'tap';
import { TrainSpread } from '../../../src/bonding/rate/train-spread.ts';

const packet = 1_500;

t.test('handleReport() reads the rate of a bottleneck off a train that it spread', async (t) => {
  const spread = new TrainSpread();
  t.equal(spread.handleReport(40_000, 2 * packet, 0, 0), 0, 'the first says nothing');
  // 40 packets left within 5 ms and came within 15: the last was 10 ms later than the first.
  t.equal(spread.handleReport(50_000, 40 * packet, 15_000, 0), (40 * packet) / 15_000);
});

t.test(
  'handleReport() sees none where packets arrive as they left, nor in a few, nor in what may be chance',
  async (t) => {
    const spread = new TrainSpread();
    spread.handleReport(40_000, packet, 0, 0);
    t.equal(spread.handleReport(40_500, 40 * packet, 10_000, 0), 0, 'as they left');
    t.equal(spread.handleReport(50_000, 4 * packet, 10_000, 0), 0, 'few');
    t.equal(spread.handleReport(60_000, 40 * packet, 15_000, 5_000), 0, 'two sigmas');
    t.equal(spread.handleReport(-1, 40 * packet, 15_000, 0), 0, 'no round trip');
    spread.forget();
    t.equal(spread.handleReport(90_000, 40 * packet, 15_000, 0), 0, 'after a rest');
  },
);
