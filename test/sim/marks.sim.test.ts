/** What PathController makes of marks (ECN): it yields before anything is lost, and does not starve where everything is marked. */
import t from 'tap';
import { MarkResponse } from '../../src/bonding/rate/mark-response.ts';
import { runBacklog } from './backlog.ts';
import type { LinkOptions } from './link.ts';
import { summarize } from './path-scenarios.ts';

t.setTimeout(0);

const durationUs = 12_000_000;
const limits = { utilisation: 0, queueP95Ms: 0, dropShare: 0 };

function run(link: Omit<LinkOptions, 'seed'>) {
  const scenario = { name: '', link: { ...link, seed: 7 }, reportUs: 10_000, limits };
  const trace = runBacklog({ link: scenario.link, reportUs: scenario.reportUs, durationUs });
  return { ...summarize(scenario, trace), markedShare: trace.path.markedPackets / trace.link.sentPackets };
}

t.test('answer() cuts once a round trip, for one mark as for many, and leaves inner flows their own', async (t) => {
  const response = new MarkResponse();
  const answers: number[] = [];
  for (let nowUs = 0; nowUs < 500_000; nowUs += 10_000) {
    response.note(20, 1);
    answers.push(response.answer(false, nowUs, 100_000));
  }
  t.equal(answers.filter((kept) => kept < 1).length, 5, 'five round trips');
  t.equal(Math.min(...answers), 0.975, 'by half of the share that is marked');
  response.note(20, 20);
  t.equal(response.answer(true, 1_000_000, 100_000), 1, 'too little was sent to fill a queue');
  t.equal(response.answer(false, 2_000_000, 100_000), 1, 'nothing is marked');
});

t.test('PathController keeps a queue that marks shorter than it would let it grow, and loses nothing', async (t) => {
  for (const [mbit, rttMs, marksAboveUs] of [
    [20, 40, 2_000],
    [50, 20, 2_000],
    [50, 100, 2_000],
    [200, 40, 2_000],
    [35, 80, 5_000],
  ] as const) {
    // It wants 3 ms of queue, and most of these begin to mark at 2.
    const link = { rateBps: mbit * 1e6, delayUs: rttMs * 500, queueUs: 100_000 };
    const { utilisation, queueP95Ms, dropShare, markedShare, startMs } = run({ ...link, marksAboveUs });
    const deaf = run(link);
    const name = `${mbit} Mbit/s, ${rttMs} ms`;
    t.ok(utilisation > 0.85, `${name}: utilisation ${utilisation.toFixed(3)}`);
    t.ok(queueP95Ms < deaf.queueP95Ms, `${name}: queue p95 ${queueP95Ms.toFixed(1)} ms, else ${deaf.queueP95Ms}`);
    t.ok(markedShare < 0.1, `${name}: ${(markedShare * 100).toFixed(1)} % marked`);
    t.ok(startMs < 1_000, `${name}: starts in ${startMs} ms`);
    t.equal(dropShare, 0, `${name}: nothing is dropped`);
  }
});

t.test('PathController takes a path that marks everything for what it is', async (t) => {
  const { utilisation } = run({ rateBps: 50e6, delayUs: 20_000, queueUs: 100_000, marksAboveUs: -1 });
  t.ok(utilisation > 0.9, `utilisation ${utilisation.toFixed(3)}`);
});
