/** absentQueueUs(): how long bulk may stand in front of the survivors of a rope. */
import t from 'tap';
import { absentQueueUs, type HopedPath } from '../../../src/bonding/queue/absent-queue.ts';

const nowUs = 100e6;

function path(rateBytesPerUs: number, minRttUs: number, part: Partial<HopedPath> = {}): HopedPath {
  return { isUsable: true, isWanted: true, isReturning: false, usableUs: nowUs, rateBytesPerUs, minRttUs, ...part };
}

t.test(
  'absentQueueUs() lets senders keep the window that the whole rope needs while it may soon be whole',
  async (t) => {
    const survivor = path(5, 50_000);
    const gone = path(15, 20_000, { isUsable: false, usableUs: nowUs - 3e6 });
    // 20 bytes a microsecond for 50 ms and the 30 ms that might wait before, which the survivor carries in 320 ms.
    t.equal(absentQueueUs([survivor, gone], 30_000, nowUs), 270_000);
    const least = absentQueueUs([survivor, gone], 0, nowUs);
    t.ok(Math.abs(least - (4 * 50_000) / 0.7 + 50_000) < 1, `${least}: a window cut to 0.7 fills it still`);
    t.equal(absentQueueUs([survivor, gone], 200_000, nowUs), 300_000, 'and no queue lasts for ever');
  },
);

t.test('absentQueueUs() hopes for what went lately or is returning, and for nothing else', async (t) => {
  const survivor = path(5, 50_000);
  const longGone = { isUsable: false, usableUs: nowUs - 21e6 };
  t.equal(absentQueueUs([survivor, path(15, 20_000, longGone)], 30_000, nowUs), 0);
  t.ok(absentQueueUs([survivor, path(15, 20_000, { ...longGone, isReturning: true })], 30_000, nowUs) > 200_000);
  const unwanted = { isUsable: false, isWanted: false, isReturning: true };
  t.equal(absentQueueUs([survivor, path(15, 20_000, unwanted)], 30_000, nowUs), 0, 'nobody wants it back');
  t.equal(absentQueueUs([survivor, path(15, 20_000)], 30_000, nowUs), 0, 'the rope is whole');
  t.equal(absentQueueUs([path(5, 50_000, { isUsable: false })], 30_000, nowUs), 0, 'nobody survived');
});
