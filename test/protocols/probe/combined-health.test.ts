import t from 'tap';
import { linkHealth, linkHealthReason } from '../../../src/contract/link-tables.ts';
import { CombinedHealth } from '../../../src/protocols/probe/combined-health.ts';
import { type HealthLimits, LinkHealth } from '../../../src/protocols/probe/link-health.ts';

const limits: HealthLimits = {
  intervalMs: 200,
  failures: 3,
  successes: 3,
  degraded: { latencyMs: 200, lossPercent: 5 },
  down: { latencyMs: 500, jitterMs: 100, lossPercent: 20 },
};
const second = 1_000_000;

/** Three checks; `set` brings them into these states. */
function build(need: number) {
  const parts = [0, 1, 2].map(() => new LinkHealth(limits));
  const whole = new CombinedHealth(parts, need);
  let nowUs = second;
  const set = (...up: boolean[]): number => {
    for (let round = 0; round < 12; round += 1) {
      nowUs += 100_000;
      for (const [index, part] of parts.entries()) {
        if (up[index] === true) part.handleAnswer(nowUs, 20_000);
        else part.handleFailure(nowUs);
        whole.update(nowUs);
      }
    }
    return whole.state;
  };
  return { whole, parts, set };
}

t.test('CombinedHealth is up while enough checks pass: any, all, two of three', async (t) => {
  const any = build(1);
  t.equal(any.set(true, false, false), linkHealth.up);
  t.equal(any.set(false, false, false), linkHealth.down);
  t.equal(any.whole.reason, linkHealthReason.checks);
  const all = build(3);
  t.equal(all.set(true, true, true), linkHealth.up);
  t.equal(all.set(true, true, false), linkHealth.down);
  const two = build(2);
  t.equal(two.set(true, true, false), linkHealth.up);
  t.equal(two.set(true, false, false), linkHealth.down);
});

t.test('CombinedHealth decides nothing before it can', async (t) => {
  const { whole, parts } = build(2);
  parts[0]?.handleAnswer(second, 20_000);
  t.notOk(whole.update(second));
  t.equal(whole.state, linkHealth.unknown, 'one of two that are needed');
  parts[1]?.handleAnswer(second, 300_000);
  t.ok(whole.update(second));
  t.equal(whole.state, linkHealth.degraded, 'the second passes slowly');
});

t.test('CombinedHealth tells the numbers of a check that passes, and counts its own time', async (t) => {
  const { whole, set } = build(1);
  set(false, true, false);
  t.equal(whole.smoothedRttUs, 20_000);
  t.ok(whole.inRow > 0);
  const before = whole.times(10 * second);
  t.strictSame(whole.times(11 * second), { knownUs: before.knownUs + second, upUs: before.upUs + second });
});
