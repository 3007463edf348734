/** ShallowBuffer, and what a Pacer does for one. */
import t from 'tap';
import { Pacer } from '../../../src/bonding/rate/pacer.ts';
import { ShallowBuffer } from '../../../src/bonding/rate/shallow-buffer.ts';

const targetUs = 3_000;

t.test('a buffer is shallow when it overflows and no queue of the wanted length was seen before', async (t) => {
  const shallow = new ShallowBuffer();
  const report = (verdict: 'none' | 'begin' | 'overflow' | 'chance', queueUs: number, nowUs: number) =>
    shallow.handleReport(verdict, queueUs, targetUs, nowUs);
  for (let nowUs = 0; nowUs < 1e6; nowUs += 10_000) t.notOk(report('none', 2_500, nowUs));
  report('begin', 2_000, 1e6);
  t.notOk(shallow.isKnown(1e6));
  t.ok(report('overflow', 500, 1.1e6));
  t.ok(shallow.isKnown(31e6));
  t.notOk(shallow.isKnown(31.2e6), 'it is tried again after half a minute');
  report('none', 4_000, 32e6);
  report('begin', 2_000, 32.1e6);
  t.notOk(report('overflow', 500, 32.2e6), 'there was a queue');
  report('begin', 2_000, 33e6);
  t.notOk(report('chance', 500, 33.1e6), 'it was no overflow');
  t.notOk(shallow.isKnown(33.1e6));
});

/** Packets of the longest train that leaves by a path of 8 Mbit/s whose sender looks when it is told to, after a second of silence or not. */
function longestTrain(pacer: Pacer, fromUs: number): number {
  let longest = 0;
  for (let nowUs = fromUs; nowUs < fromUs + 1e6; nowUs += pacer.retryUs()) {
    let train = 0;
    for (; pacer.refill(nowUs) > 0; train += 1) pacer.spend(1_500);
    longest = Math.max(longest, train);
  }
  return longest;
}

t.test('an even Pacer lets packets go one by one on a slow path, and keeps the rate', async (t) => {
  const pacer = new Pacer();
  pacer.setPace(1);
  pacer.refill(0);
  t.equal(longestTrain(pacer, 1e6), 3, 'what 4 ms bring');
  pacer.isEven = true;
  t.equal(longestTrain(pacer, 3e6), 1);
  let sent = 0;
  for (let nowUs = 5e6; nowUs < 6e6; nowUs += pacer.retryUs())
    for (; pacer.refill(nowUs) > 0; sent += 1_500) pacer.spend(1_500);
  t.ok(Math.abs(sent - 1e6) < 0.01e6, `${sent} bytes in a second of 8 Mbit/s`);
});
