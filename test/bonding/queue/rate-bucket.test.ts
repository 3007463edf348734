/** RateBucket: holds what is sent to a rate, however late its turns come. */
import t from 'tap';
import { RateBucket } from '../../../src/bonding/queue/rate-bucket.ts';

const packet = 1_400;

/** Sends all that may leave, packet by packet, at each due time, `lateUs` late; returns bytes. */
function sendFor(bucket: RateBucket, seconds: number, lateUs: (turn: number) => number): number {
  let sent = 0;
  let turn = 0;
  for (let nowUs = 0; nowUs < seconds * 1e6; turn += 1) {
    while (bucket.allowedBytes(false, nowUs) > 0) {
      bucket.spend(packet);
      sent += packet;
    }
    nowUs = Math.max(nowUs + 1, bucket.dueUs(nowUs)) + lateUs(turn);
  }
  return sent;
}

for (const mbit of [0.1, 1, 20, 400, 5_000]) {
  t.test(`a sender that always has something gets ${mbit} Mbit/s, no more and no less`, async (t) => {
    const wanted = (mbit * 1e6) / 8;
    const seconds = mbit < 1 ? 100 : 10;
    for (const lateUs of [0, 300, 3_000]) {
      const sent = sendFor(new RateBucket(mbit * 1e6, 0), seconds, () => lateUs) / seconds;
      t.ok(
        Math.abs(sent / wanted - 1) < 0.01,
        `${((100 * sent) / wanted).toFixed(2)} % when turns come ${lateUs} us late`,
      );
    }
    const stalls = (turn: number): number => (turn % 50 === 49 ? 8_000 : 0);
    const sent = sendFor(new RateBucket(mbit * 1e6, 0), seconds, stalls) / seconds;
    t.ok(Math.abs(sent / wanted - 1) < 0.01, `${((100 * sent) / wanted).toFixed(2)} % with stalls of 8 ms`);
  });
}

t.test('turns are few: what is worth one is worth two milliseconds', async (t) => {
  const bucket = new RateBucket(100e6, 0);
  let turns = 0;
  for (let nowUs = 0; nowUs < 1e6; turns += 1) {
    while (bucket.allowedBytes(false, nowUs) > 0) bucket.spend(packet);
    nowUs = bucket.dueUs(nowUs);
  }
  t.ok(turns < 510, `${turns} a second`);
});

t.test('urgent packets may overdraw it, and bulk pays that back', async (t) => {
  const bucket = new RateBucket(20e6, 0);
  while (bucket.allowedBytes(false, 0) > 0) bucket.spend(packet);
  let urgent = 0;
  while (bucket.allowedBytes(true, 0) > 0) {
    bucket.spend(100);
    urgent += 100;
  }
  t.ok(urgent >= 20_000 && urgent < 30_000, `${urgent} bytes`);
  t.ok(bucket.dueUs(0) >= 10_000, 'bulk waits as long as they take');
  t.equal(bucket.allowedBytes(false, 5_000) > 0, false);
  t.equal(bucket.allowedBytes(false, 15_000) > 0, true);
});

t.test('setRate() holds at once, and a small rate does not pay for years for what a large one owed', async (t) => {
  const bucket = new RateBucket(1_000e6, 0);
  bucket.spend(2_000_000);
  bucket.setRate(1e6, 0);
  t.ok(bucket.dueUs(0) < 50_000, `${bucket.dueUs(0)} us`);
  const fast = new RateBucket(1e6, 0);
  fast.setRate(100e6, 0);
  t.ok(Math.abs(sendFor(fast, 10, () => 0) / 125e6 - 1) < 0.01);
});

t.test('a clock that stands still or goes back gives nothing', async (t) => {
  const bucket = new RateBucket(20e6, 1e6);
  while (bucket.allowedBytes(false, 1e6) > 0) bucket.spend(packet);
  const owed = bucket.allowedBytes(false, 1e6);
  t.equal(bucket.allowedBytes(false, 0), owed);
  t.equal(bucket.allowedBytes(false, 1e6), owed, 'nor is the time there counted twice');
});
