import t from 'tap';
import { ProbeTrain, trainPackets } from '../../../src/bonding/rate/probe-train.ts';

const bytesEach = 1_450;

/** A train over a bottleneck that takes `gapUs` for a packet; `lost`: places of those that do not arrive. */
function run(train: ProbeTrain, first: number, gapUs: number, lost: readonly number[] = []): void {
  train.handleSent(first, bytesEach);
  for (let place = 0; place < trainPackets; place += 1) {
    if (!lost.includes(place)) train.handleReply(first + place, 20_000 + (place + 1) * gapUs);
  }
  train.handleReply(first + trainPackets, 20_000);
}

t.test('bytesPerUs is the rate of a slow bottleneck after two trains, by the closer one', async (t) => {
  const train = new ProbeTrain();
  t.ok(train.isWanted);
  run(train, 2, 2_900);
  t.equal(train.bytesPerUs, 0, 'one train may be spread by chance');
  t.ok(train.isWanted);
  run(train, 7, 2_320);
  t.equal(train.bytesPerUs, bytesEach / 2_320, '5 Mbit/s');
  t.notOk(train.isWanted);
});

t.test('bytesPerUs stays unknown where packets arrive as they left', async (t) => {
  const train = new ProbeTrain();
  run(train, 2, 300);
  run(train, 7, 10);
  t.equal(train.bytesPerUs, 0);
  t.notOk(train.isWanted);
});

t.test('a train that lost too much is not counted, and another is sent instead, but not for ever', async (t) => {
  const train = new ProbeTrain();
  run(train, 2, 2_320, [0]);
  run(train, 7, 2_320, [0, 3]);
  t.equal(train.bytesPerUs, 0);
  t.ok(train.isWanted);
  run(train, 12, 2_320, [1, 2]);
  t.equal(train.bytesPerUs, bytesEach / 2_320);
  const silent = new ProbeTrain();
  for (let count = 0; count < 4; count += 1) run(silent, 2 + 5 * count, 2_320, [0, 1, 2, 3]);
  t.notOk(silent.isWanted);
  t.equal(silent.bytesPerUs, 0);
});

t.test('the probe that left in front of a train does not end it', async (t) => {
  const train = new ProbeTrain();
  for (const first of [2, 7]) {
    train.handleSent(first, bytesEach);
    train.handleReply(first - 1, 20_000);
    for (let place = 0; place < trainPackets; place += 1) train.handleReply(first + place, 22_000 + place * 2_320);
  }
  t.equal(train.bytesPerUs, bytesEach / 2_320);
});

t.test('has() knows the packets of the last train only', async (t) => {
  const train = new ProbeTrain();
  t.notOk(train.has(0));
  train.handleSent(2, bytesEach);
  t.notOk(train.has(1));
  t.ok(train.has(2) && train.has(5));
  t.notOk(train.has(6));
});
