/** How well PathController steers, link by link: every run is seeded, so the committed table changes with the code only. */
import t from 'tap';
import { runBacklog } from './backlog.ts';
import { type Column, compareWithTable, type Row } from './committed-table.ts';
import { durationUs, type PathResult, pathScenarios, summarize } from './path-scenarios.ts';

/** The simulations run before the first test, and tap's 30 s count from the start: a busy machine needs more. */
t.setTimeout(0);

const title = `# The sending controller on simulated links

One path, always more to send, 12 s; utilisation and queue from 3 s on, without the second after a change. Written by
\`HAWSER_TABLES=write node build/test/sim/path-controller.sim.test.js\`, compared by the same test.`;

const columns: readonly Column[] = [
  { name: 'utilisation', digits: 3, absolute: 0.02, relative: 0 },
  { name: 'queue p95 ms', digits: 1, absolute: 2, relative: 0.25 },
  { name: 'queue max ms', digits: 0, absolute: 8, relative: 0.4 },
  { name: 'overflow %', digits: 2, absolute: 0.5, relative: 0.3 },
  { name: 'start ms', digits: 0, absolute: 60, relative: 0.25 },
  { name: 'follows in ms', digits: 0, absolute: 100, relative: 0.25 },
];

function rowOf(name: string, result: PathResult): Row {
  const { utilisation, queueP95Ms, queueMaxMs, dropShare, startMs, followMs } = result;
  return { name, values: [utilisation, queueP95Ms, queueMaxMs, dropShare * 100, startMs, followMs] };
}

const results = pathScenarios.map((scenario) => ({
  scenario,
  result: summarize(scenario, runBacklog({ link: scenario.link, reportUs: scenario.reportUs, durationUs })),
}));

t.test('PathController fills a link and keeps its queue short', async (t) => {
  for (const { scenario, result } of results) {
    const { limits, name } = scenario;
    t.ok(result.utilisation >= limits.utilisation, `${name}: utilisation ${result.utilisation.toFixed(3)}`);
    t.ok(result.queueP95Ms <= limits.queueP95Ms, `${name}: queue p95 ${result.queueP95Ms.toFixed(1)} ms`);
    t.ok(result.dropShare <= limits.dropShare, `${name}: overflow ${(result.dropShare * 100).toFixed(2)} %`);
  }
});

t.test('PathController follows a link that halves, doubles, or moves away within a second', async (t) => {
  for (const { scenario, result } of results)
    if (result.followMs !== undefined) t.ok(result.followMs <= 1_000, `${scenario.name}: ${result.followMs} ms`);
});

t.test('PathController is as good as the committed table says', async (t) => {
  const rows = results.map(({ scenario, result }) => rowOf(scenario.name, result));
  t.same(compareWithTable('path-controller.table.md', title, columns, rows), []);
});
