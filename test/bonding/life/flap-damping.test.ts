/** How long a path that does not last is held down: longer each time, and never shorter than the configuration says. */
import t from 'tap';
import { FlapDamping } from '../../../src/bonding/life/flap-damping.ts';

const second = 1_000_000;

/** Hold-downs, seconds, of a path that dies `livedS` after each return. */
function holds(failbackS: number, livedS: number, times: number): number[] {
  const damping = new FlapDamping(failbackS * second);
  let nowUs = 0;
  return Array.from({ length: times }, () => {
    damping.handleReturn(nowUs);
    nowUs += livedS * second;
    damping.handleDeath(nowUs);
    nowUs += damping.holdUs;
    return damping.holdUs / second;
  });
}

t.test('the hold-down of what dies soon after each return doubles, up to a minute', async (t) => {
  t.same(holds(5, 2, 6), [10, 20, 40, 60, 60, 60]);
});

t.test('a configuration that says more than a minute is kept to', async (t) => {
  t.same(holds(300, 10, 3), [300, 300, 300]);
});

t.test('a good life halves it, down to what is configured', async (t) => {
  const damping = new FlapDamping(5 * second);
  for (const atS of [0, 20, 60]) {
    damping.handleReturn(atS * second);
    damping.handleDeath((atS + 2) * second);
  }
  t.equal(damping.holdUs, 40 * second);
  t.ok(damping.isDamped);
  damping.handleReturn(200 * second);
  damping.handleDeath(400 * second);
  t.equal(damping.holdUs, 5 * second);
  t.notOk(damping.isDamped);
});
