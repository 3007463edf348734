/** What the kernel is told of a thread is what it says of it. */
import t from 'tap';
import { setPatience } from '../../src/io/thread-slices.ts';
import { loadAddon } from '../../src/native/addon.ts';

t.test('setPatience()', async (t) => {
  const addon = loadAddon();
  const isHeeded = setPatience(addon, true);
  t.equal(setPatience(addon, false), isHeeded, 'there and back, by whoever may do nothing else');
  t.equal(addon.setThreadSlice(2 ** 30, 1000), -3, 'ESRCH of a thread that is gone');
});

t.test('pause() sleeps for as long as it is told', async (t) => {
  const addon = loadAddon();
  const beganUs = addon.nowUs();
  addon.pause(2000);
  t.ok(addon.nowUs() - beganUs >= 2000);
  for (const wrong of [Number.NaN, -1, 0]) addon.pause(wrong);
});
