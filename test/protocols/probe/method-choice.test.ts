import t from 'tap';
import { MethodChoice } from '../../../src/protocols/probe/method-choice.ts';

const second = 1_000_000;

t.test('MethodChoice asks all in turn until one answers, and counts whole rounds only', async (t) => {
  const choice = new MethodChoice(['icmp', 'dns', 'tcp']);
  const asked = new Set<number>();
  let counted = 0;
  for (let count = 0; count < 6; count++) {
    const { candidate, counts } = choice.next(0.5, false);
    asked.add(candidate);
    if (counts) counted += 1;
    choice.handleOutcome(candidate, false, count * second);
  }
  t.strictSame([...asked].sort(), [0, 1, 2]);
  t.equal(counted, 2, 'one failure of the link a round');
  t.equal(choice.current, -1);
  choice.handleOutcome(2, true, 9 * second);
  t.equal(choice.current, 2, 'the first that answers');
});

t.test('MethodChoice explores in a tenth of the probes, and failures there are not the link’s', async (t) => {
  const choice = new MethodChoice(['icmp', 'dns', 'tcp']);
  choice.handleOutcome(0, true, 0);
  t.strictSame(choice.next(0.1, false), { candidate: 0, counts: true });
  const explored = new Set<number>();
  for (let count = 0; count < 4; count++) {
    const { candidate, counts } = choice.next(0.099, false);
    t.notOk(counts);
    explored.add(candidate);
    choice.handleOutcome(candidate, false, count * second);
  }
  t.strictSame([...explored].sort(), [1, 2]);
  t.equal(choice.current, 0);
  t.equal(new MethodChoice(['icmp']).scoreOf('dns'), undefined);
});

t.test('MethodChoice lets those that have answered take turns while the chosen one fails', async (t) => {
  const choice = new MethodChoice(['icmp', 'dns', 'tcp']);
  choice.handleOutcome(0, true, 0);
  choice.handleOutcome(2, true, 0);
  choice.handleOutcome(0, false, second);
  const asked = [choice.next(0.5, false), choice.next(0.5, false), choice.next(0.5, false)];
  t.strictSame([...new Set(asked.map((one) => one.candidate))].sort(), [0, 2], 'dns never answered');
  t.ok(asked.every((one) => one.counts));
  choice.handleOutcome(2, true, second);
  t.equal(choice.next(0.5, false).candidate, 0, 'the link lives: back to the chosen one');
  const dead = new Set(Array.from({ length: 3 }, () => choice.next(0.5, true).candidate));
  t.strictSame([...dead].sort(), [0, 1, 2], 'a dead link is asked in every way');
});

t.test('MethodChoice changes the target at once and the method once a minute', async (t) => {
  const choice = new MethodChoice(['icmp', 'icmp', 'tcp', 'dns']);
  for (const candidate of [0, 1, 2, 3]) choice.handleOutcome(candidate, true, 0);
  const fail = (candidate: number, times: number, atUs: number) => {
    for (let count = 0; count < times; count++) choice.handleOutcome(candidate, false, atUs);
  };
  fail(0, 3, second);
  t.equal(choice.current, 1, 'the other target of the same method');
  fail(1, 3, 2 * second);
  t.equal(choice.current, 2, 'another method, for the first time');
  fail(2, 10, 3 * second);
  t.equal(choice.current, 2, 'not twice within a minute');
  fail(2, 1, 61 * second);
  t.equal(choice.current, 2);
  fail(2, 1, 63 * second);
  t.equal(choice.current, 3);
  t.ok((choice.scoreOf('tcp') ?? 1) < 0.1 && (choice.scoreOf('dns') ?? 0) > 0.5);
});
