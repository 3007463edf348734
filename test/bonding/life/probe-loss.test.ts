import t from 'tap';
import { ProbeLoss } from '../../../src/bonding/life/probe-loss.ts';

/** `answer(n)`: what comes back of probe n. */
function run(
  count: number,
  answer: (n: number) => 'here' | 'elsewhere' | 'both' | 'none',
  loss = new ProbeLoss(),
  first = 1,
) {
  for (let n = first; n < first + count; n += 1) {
    loss.handleSent(n, n * 50_000);
    const came = answer(n);
    if (came === 'elsewhere' || came === 'both') loss.handleReply(n, false);
    if (came === 'here' || came === 'both') loss.handleReply(n, true);
  }
  return loss;
}

t.test('ProbeLoss tells the two directions apart', async (t) => {
  t.match(
    run(100, () => 'both'),
    { forward: 0, backward: 0, lossyUs: 0 },
  );
  const up = run(200, (n) => (n % 2 === 0 ? 'both' : 'none'));
  t.ok(up.forward > 0.35 && up.forward < 0.65, `${up.forward} of what is sent is lost`);
  t.equal(up.backward, 0);
  const down = run(200, (n) => (n % 2 === 0 ? 'both' : 'elsewhere'));
  t.equal(down.forward, 0);
  t.ok(down.backward > 0.35 && down.backward < 0.65, `${down.backward} of what comes back is lost`);
});

t.test('ProbeLoss says since when, and forgets when it is over', async (t) => {
  const loss = run(40, () => 'both');
  run(60, (n) => (n % 3 === 0 ? 'none' : 'both'), loss, 41);
  t.ok(loss.lossyUs > 40 * 50_000 && loss.lossyUs < 70 * 50_000, `since ${loss.lossyUs}`);
  run(100, () => 'both', loss, 101);
  t.equal(loss.lossyUs, 0);
});

t.test('ProbeLoss passes over answers to what it did not ask', async (t) => {
  const loss = new ProbeLoss();
  loss.handleReply(3, true);
  loss.handleSent(8, 0);
  t.match(loss, { forward: 0, backward: 0 });
});
