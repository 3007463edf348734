/** AckThinner: a young flow is acknowledged some times a round trip, a grown one as its receiver wants. */
import t from 'tap';
import { AckThinner } from '../../../src/bonding/queue/ack-thinner.ts';

const trips = {
  leastUs: 20_000,
  mostUs: 80_000,
  inUseUs: 20_000,
  seenSinceUs: Number.NEGATIVE_INFINITY,
  sendingSinceUs: 0,
};
const segment = 1_448;

/** Acknowledges every second segment of what comes at `bytesPerUs`; returns when acknowledgements left. */
function acknowledge(thinner: AckThinner, fromUs: number, fromBytes: number, untilBytes: number, bytesPerUs: number) {
  const leftUs: number[] = [];
  let heldUntilUs = 0;
  let held = -1;
  for (let bytes = fromBytes; bytes <= untilBytes; bytes += 2 * segment) {
    const nowUs = fromUs + (bytes - fromBytes) / bytesPerUs;
    if (held >= 0 && heldUntilUs <= nowUs) {
      leftUs.push(heldUntilUs);
      thinner.handleSent(1, held, heldUntilUs);
    }
    held = -1;
    heldUntilUs = thinner.holdUntilUs(1, bytes, trips, nowUs);
    if (heldUntilUs > nowUs) {
      held = bytes;
    } else {
      leftUs.push(nowUs);
      thinner.handleSent(1, bytes, nowUs);
    }
  }
  return leftUs;
}

t.test('holdUntilUs() leaves HyStart fewer than its eight samples for each doubling of a young flow', async (t) => {
  const thinner = new AckThinner();
  acknowledge(thinner, 0, 0, 100_000, 12.5);
  // A path of 100 Mbit/s that is full: 200 kB take 16 ms, and 69 acknowledgements.
  const leftUs = acknowledge(thinner, 8_000, 100_000, 300_000, 12.5);
  t.ok(leftUs.length >= 3 && leftUs.length <= 8, `${leftUs.length} in one and a half doublings`);
  const gapsUs = leftUs.slice(1).map((atUs, i) => atUs - (leftUs[i] as number));
  t.ok(Math.min(...gapsUs) > 2_000, `the shortest gap is ${Math.min(...gapsUs)} us: no train`);
});

t.test('holdUntilUs() lets go what nothing follows', async (t) => {
  const thinner = new AckThinner();
  acknowledge(thinner, 0, 0, 200_000, 12.5);
  thinner.handleSent(1, 200_000, 16_000);
  const untilUs = thinner.holdUntilUs(1, 200_000 + segment, trips, 17_000);
  t.ok(untilUs > 17_000 && untilUs <= 17_000 + trips.leastUs / 2, `held for ${untilUs - 17_000} us`);
});

t.test('holdUntilUs() takes a pause for an end only so long after the acknowledgement before', async (t) => {
  const thinner = new AckThinner();
  acknowledge(thinner, 0, 0, 200_000, 12.5);
  thinner.handleSent(1, 200_000, 16_000);
  const far = { ...trips, inUseUs: 60_000 };
  const untilUs = thinner.holdUntilUs(1, 200_000 + segment, far, 17_000);
  t.ok(untilUs >= 16_000 + 20_000 && untilUs <= 16_000 + 30_000, `held for ${untilUs - 17_000} us`);
  t.equal(thinner.holdUntilUs(1, 200_000 + segment, far, 40_000), 45_000, 'long after it as ever');
});

t.test('holdUntilUs() holds nothing that acknowledges nothing new', async (t) => {
  const thinner = new AckThinner();
  acknowledge(thinner, 0, 0, 200_000, 12.5);
  thinner.handleSent(1, 200_000, 16_000);
  t.equal(thinner.holdUntilUs(1, 200_000, trips, 17_000), 17_000);
});

t.test('holdUntilUs() holds nothing of a grown flow, and again of one that rested', async (t) => {
  const thinner = new AckThinner();
  const leftUs = acknowledge(thinner, 0, 0, 40e6, 12.5);
  const late = leftUs.filter((atUs) => atUs > 2.6e6).length;
  const came = Math.floor(40e6 / (2 * segment)) - Math.floor(32.5e6 / (2 * segment));
  t.equal(late, came, 'all of the last 0.6 s');
  t.equal(thinner.isYoung(1, 3.3e6), false);
  t.equal(thinner.isYoung(1, 5e6), true, 'it was silent for a second');
  t.equal(thinner.isYoung(2, 3.3e6), true, 'never seen');
});

t.test('isYoung() keeps a grown flow grown that is seen and never asked about', async (t) => {
  const thinner = new AckThinner();
  acknowledge(thinner, 0, 0, 40e6, 12.5);
  for (let nowUs = 3.3e6; nowUs < 6e6; nowUs += 100_000) t.equal(thinner.isYoung(1, nowUs), false);
});

t.test('holdUntilUs() counts through the wrap of sequence numbers', async (t) => {
  const thinner = new AckThinner();
  const from = 2 ** 32 - 100_000;
  thinner.holdUntilUs(1, from, trips, 0);
  thinner.handleSent(1, from, 0);
  t.equal(thinner.holdUntilUs(1, 50_000, trips, 10_000), 10_000, '150 kB more than before');
  thinner.handleSent(1, 50_000, 10_000);
  t.ok(thinner.holdUntilUs(1, 50_000 + segment, trips, 10_100) > 10_100);
});

t.test('holdUntilUs() takes no flow for a young one that was under way before anybody looked', async (t) => {
  const thinner = new AckThinner();
  const lookedAt = { ...trips, seenSinceUs: 7e6 };
  for (let step = 0; step < 100; step += 1) {
    const nowUs = 7.01e6 + step * 10_000;
    t.equal(thinner.holdUntilUs(1, step * 4 * segment, lookedAt, nowUs), nowUs);
    thinner.handleSent(1, step * 4 * segment, nowUs);
  }
  t.equal(thinner.isYoung(1, 8.1e6), false);
  thinner.holdUntilUs(2, 0, lookedAt, 9e6);
  thinner.handleSent(2, 0, 9e6);
  t.ok(thinner.holdUntilUs(2, 20 * segment, lookedAt, 9.001e6) > 9.001e6, 'one that begins later is young');
});

t.test('holdUntilUs() takes no time for a rest in which nobody looked', async (t) => {
  const thinner = new AckThinner();
  acknowledge(thinner, 0, 0, 40e6, 12.5);
  const again = { ...trips, seenSinceUs: 20e6 };
  const leftUs: number[] = [];
  for (let step = 0; step < 50; step += 1) {
    const nowUs = 20.001e6 + step * 10_000;
    const untilUs = thinner.holdUntilUs(1, 90e6 + step * 4 * segment, again, nowUs);
    if (untilUs <= nowUs) leftUs.push(nowUs);
    thinner.handleSent(1, 90e6 + step * 4 * segment, nowUs);
  }
  t.equal(leftUs.length, 50);
});
