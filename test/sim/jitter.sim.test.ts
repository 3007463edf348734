/** Ropes of links whose delay jitters with its order kept, there and back: every run is seeded, so the committed table changes with the code only. */
import t from 'tap';
import { jitterSets, type RadioSet } from '../support/radio-links.ts';
import { type Column, compareWithTable } from './committed-table.ts';
import type { LinkOptions } from './link.ts';
import { runRope } from './rope.ts';

/** The simulations run before the first test, and tap's 30 s count from the start: a busy machine needs more. */
t.setTimeout(0);

const title = `# Jitter

Inner flows over links (Mbit/s@one way in ms ± standard deviation, l = loss in %) whose delay jitters with its order kept, there and back:
what one flow and sixteen carry, of the sum of the links alone without jitter and loss, and what pings beside them take longer than the
idle ones' 95th percentile; too soon: gaps in the one flow that were given up and filled after all. Means of three seeds, from 4 s to 16 s. A run that differs by more than 3 % (pings: 2 ms) fails. Written by
\`HAWSER_TABLES=write node build/test/sim/jitter.sim.test.js\`.`;

const times = { durationUs: 16_000_000, settledUs: 4_000_000 };
const seeds = [1, 2, 3] as const;

const columns: readonly Column[] = [
  { name: 'sum Mbit/s', digits: 1, absolute: 0.1, relative: 0.03 },
  { name: 'one flow', digits: 3, absolute: 0.001, relative: 0.03 },
  { name: '16 flows', digits: 3, absolute: 0.001, relative: 0.03 },
  { name: 'ping ms more', digits: 1, absolute: 2, relative: 0.03 },
  { name: 'with 16', digits: 1, absolute: 2, relative: 0.03 },
  { name: 'too soon', digits: 1, absolute: 1, relative: 0.1 },
];

function cleanLinks({ links }: RadioSet): readonly LinkOptions[] {
  return links.map(({ rateMbit, delayMs }, seed) => ({
    rateBps: rateMbit * 1e6,
    delayUs: delayMs * 1_000,
    queueUs: 100_000,
    seed,
  }));
}

function radioLinks(set: RadioSet, seed: number): readonly LinkOptions[] {
  return cleanLinks(set).map((clean, index) => ({
    ...clean,
    jitterUs: (set.links[index]?.jitterMs ?? 0) * 1_000,
    loss: set.links[index]?.loss ?? 0,
    keepsOrder: true,
    isAlikeBack: true,
    seed: seed * 100 + index,
  }));
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

const results = jitterSets.map((set) => {
  const sum = cleanLinks(set).reduce((total, link) => total + runRope({ links: [link], ...times }).mbps, 0);
  const runs = seeds.map((seed) => {
    const links = radioLinks(set, seed);
    const [idle, one, many] = [0, 1, 16].map((flows) => runRope({ links, flows, pings: true, ...times }));
    const idleMs = idle?.pingP95Ms ?? 0;
    return [
      one?.mbps ?? 0,
      many?.mbps ?? 0,
      (one?.pingP95Ms ?? 0) - idleMs,
      (many?.pingP95Ms ?? 0) - idleMs,
      one?.givenUpTooSoon ?? 0,
    ];
  });
  const of = (column: number): number => mean(runs.map((run) => run[column] ?? 0));
  return { name: set.name, values: [sum, of(0) / sum, of(1) / sum, of(2), of(3), of(4)] as const };
});

t.test('ropes of jittery links are as good as the committed table says', async (t) => {
  t.same(compareWithTable('jitter.table.md', title, columns, results), []);
});
