import t from 'tap';
import { linkHealth, linkHealthReason } from '../../../src/contract/link-tables.ts';
import { type HealthLimits, LinkHealth } from '../../../src/protocols/probe/link-health.ts';

const limits: HealthLimits = {
  intervalMs: 200,
  failures: 3,
  successes: 3,
  degraded: { latencyMs: 200, lossPercent: 5 },
  down: { latencyMs: 500, jitterMs: 100, lossPercent: 20 },
};
const ms = 1000;

/** A link and its clock: every outcome is one interval after the last. */
class Probed {
  readonly health = new LinkHealth(limits);
  nowUs = 1_000_000;

  answer(rttMs = 40, times = 1): this {
    for (let count = 0; count < times; count++) {
      this.nowUs += 200 * ms;
      this.health.handleAnswer(this.nowUs, rttMs * ms);
    }
    return this;
  }

  fail(times = 1): this {
    for (let count = 0; count < times; count++) {
      this.nowUs += 200 * ms;
      this.health.handleFailure(this.nowUs);
    }
    return this;
  }

  get is(): string {
    const state = Object.entries(linkHealth).find(([, value]) => value === this.health.state)?.[0];
    const reason = Object.entries(linkHealthReason).find(([, value]) => value === this.health.reason)?.[0];
    return `${state} by ${reason}`;
  }
}

t.test('LinkHealth is unknown, then what its first outcomes say', async (t) => {
  t.equal(new Probed().is, 'unknown by none');
  t.equal(new Probed().answer().is, 'up by answers');
  t.equal(new Probed().fail(2).is, 'unknown by none');
  t.equal(new Probed().fail(3).is, 'down by failures');
});

t.test('LinkHealth goes down after three failures in a row, and no sooner', async (t) => {
  const probed = new Probed().answer(40, 100);
  t.equal(probed.fail(2).is, 'up by answers');
  t.equal(probed.answer().fail(2).is, 'up by answers', 'an answer begins the row again');
  t.equal(probed.fail(1).is, 'down by failures');
  t.equal(probed.health.inRow, -3);
});

t.test('LinkHealth comes back after three answers, and needs more the more often it died', async (t) => {
  const probed = new Probed().answer(40, 50).fail(40);
  t.equal(probed.answer(40, 2).is, 'down by failures');
  t.equal(probed.answer().is, 'up by answers', 'the losses of its death are forgotten');
  probed.fail(3);
  t.equal(probed.answer(40, 5).is, 'down by failures', 'the second death within a minute takes six');
  t.equal(probed.answer().is, 'up by answers');
  t.notOk(probed.health.isFlapping);
  t.ok(probed.fail(3).health.isFlapping);
  t.equal(probed.answer(40, 11).is, 'down by failures');
  t.equal(probed.answer().is, 'up by answers');
  probed.answer(40, 400);
  t.notOk(probed.health.isFlapping, 'a quiet minute later');
  t.equal(probed.fail(3).answer(40, 3).is, 'up by answers');
});

t.test('LinkHealth judges loss over a hundred probes, with hysteresis', async (t) => {
  const probed = new Probed().answer(40, 94);
  for (let count = 0; count < 5; count++) probed.fail().answer();
  t.equal(probed.is, 'degraded by loss', '5 of 100');
  for (let count = 0; count < 15; count++) probed.fail().answer();
  t.equal(probed.is, 'down by loss', '20 of 100');
  probed.answer(40, 30);
  t.equal(probed.is, 'down by loss', 'it is not left at once');
  // 16 of 100 is a fifth below the limit.
  while (probed.health.loss >= 0.16) {
    t.equal(probed.is, 'down by loss');
    probed.answer();
  }
  t.equal(probed.is, 'degraded by loss');
  t.equal(probed.answer(40, 100).is, 'up by answers');
  const young = new Probed().answer(40, 10).fail(2).answer(40, 6);
  t.equal(young.is, 'up by answers', 'two of nineteen say nothing yet');
});

t.test('LinkHealth judges latency and jitter by smoothed values: no spike brings a link down', async (t) => {
  const probed = new Probed().answer(40, 50);
  t.equal(probed.answer(900).is, 'up by answers');
  t.equal(probed.answer(40, 30).answer(260, 20).is, 'degraded by latency');
  t.equal(probed.answer(520, 60).is, 'down by latency');
  t.equal(probed.answer(40, 60).is, 'up by answers');
  const shaky = new Probed();
  for (let count = 0; count < 60; count++) shaky.answer(20).answer(180);
  t.equal(shaky.is, 'down by jitter');
  t.match(shaky.health, { minRttUs: 20 * ms, maxRttUs: 180 * ms });
});

t.test('handleAnswer() takes back the failure of a probe that was only late', async (t) => {
  const probed = new Probed().answer(40, 98).fail(2);
  probed.health.handleAnswer(probed.nowUs, 300 * ms, true);
  t.equal(probed.health.loss, 1 / 100);
  t.equal(probed.health.inRow, 1);
  t.equal(probed.fail(2).is, 'up by answers');
  t.match(probed.health, { probes: 102, answers: 99 });
});

t.test('patienceUs() follows the round trip, between its least and what counts as dead anyway', async (t) => {
  t.equal(new Probed().health.patienceUs(), 500 * ms, 'nothing is known');
  t.equal(new Probed().answer(1, 50).health.patienceUs(), 150 * ms);
  t.equal(new Probed().answer(60, 50).health.patienceUs(), 240 * ms);
  t.equal(new Probed().answer(300, 50).health.patienceUs(), 500 * ms);
});

t.test('nextIntervalUs() hurries in doubt and rests while a link is long dead', async (t) => {
  const probed = new Probed();
  const intervalMs = () => probed.health.nextIntervalUs(probed.nowUs) / ms;
  t.equal(intervalMs(), 100, 'unknown');
  probed.answer(40, 10);
  t.equal(intervalMs(), 200);
  probed.fail();
  t.equal(intervalMs(), 100, 'is it dying?');
  probed.fail(2);
  t.equal(intervalMs(), 200);
  probed.nowUs += 10_000 * ms;
  t.equal(intervalMs(), 1000);
  probed.nowUs += 60_000 * ms;
  t.equal(intervalMs(), 5000);
  probed.answer();
  t.equal(intervalMs(), 100, 'is it coming back?');
});

t.test('times() counts what was judged and what was not down, also before a restart', async (t) => {
  const probed = new Probed().fail(2);
  t.strictSame(probed.health.times(probed.nowUs), { knownUs: 0, upUs: 0 }, 'unknown is neither');
  probed.answer(40, 11).fail(3);
  const { knownUs, upUs } = probed.health.times(probed.nowUs + 400 * ms);
  t.equal(knownUs, (10 + 3 + 2) * 200 * ms);
  t.equal(upUs, (10 + 3) * 200 * ms);
  t.strictSame(new LinkHealth(limits, { knownUs, upUs }).times(0), { knownUs, upUs });
});

t.test('LinkHealth never takes a link of 2 % loss and 15 ms of jitter for dead', async (t) => {
  const probed = new Probed();
  let seed = 7;
  const random = (): number => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    return seed / 2 ** 32;
  };
  const worst = new Set<string>();
  // Thirty minutes at five a second, three times over.
  for (let count = 0; count < 27_000; count++) {
    if (random() < 0.02) probed.fail();
    else probed.answer(40 + 15 * Math.sqrt(-2 * Math.log(random() + 1e-12)) * Math.cos(2 * Math.PI * random()) + 5);
    worst.add(probed.is);
  }
  t.notOk(
    [...worst].some((words) => words.startsWith('down')),
    [...worst].join(),
  );
});
