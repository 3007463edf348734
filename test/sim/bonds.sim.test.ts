/**
 * Whole bonds of random links: one inner flow gets no less than over the best link alone. 24 sets in the suite; HAWSER_LONG=1 draws
 * 500. `HAWSER_TABLES=write` writes the sets that were run into the table.
 */

import t from 'tap';
import { isLong } from '../support/long-run.ts';
import { bondSetOf, runBondSet } from './bond-sets.ts';
import { type Column, compareWithTable } from './committed-table.ts';

const sets = isLong ? 500 : 24;
/** Of the best single link. */
const leastShare = 0.98;
/** Share of the sets that may fall below: random losses hit a flow over a bond at other moments than over a link. */
const mostBelow = 0.1;

/** The simulations run before the first test, and tap's 30 s count from the start: a busy machine needs more. */
t.setTimeout(0);

const title = `# Random bonds

One inner flow over 2 to 4 links (Mbit/s@round trip in ms, l = loss in %, j = jitter in ms), the real bond at one end and the real order
and reports at the other, 5 s of ramp and 10 s measured under a virtual clock. A run that differs by more than 3 % fails. Written by
\`HAWSER_TABLES=write node build/test/sim/bonds.sim.test.js\` (with HAWSER_LONG=1: 500 sets).`;

/** The same code gives the same figures; what is rounded for the table is less than `absolute`. */
const columns: readonly Column[] = [
  { name: 'best link Mbit/s', digits: 1, absolute: 0.1, relative: 0.03 },
  { name: 'bond Mbit/s', digits: 1, absolute: 0.1, relative: 0.03 },
  { name: 'of best', digits: 3, absolute: 0.001, relative: 0.03 },
  { name: 'of sum', digits: 3, absolute: 0.001, relative: 0.03 },
];

const results = Array.from({ length: sets }, (_, index) => {
  const set = bondSetOf(index + 1);
  const { best, sum, bond } = runBondSet(set);
  return { name: set.name, values: [best, bond.mbps, bond.mbps / best, bond.mbps / sum] as const };
});

t.test('a bond is not worse than its best link', async (t) => {
  const below = results.filter((result) => result.values[2] < leastShare);
  for (const { name, values } of below) t.comment(`${name}: ${values[2].toFixed(3)} of the best link`);
  t.ok(below.length <= sets * mostBelow, `${below.length} of ${sets} sets below ${leastShare}`);
});

t.test('bonds are as good as the committed table says', async (t) => {
  t.same(compareWithTable('bonds.table.md', title, columns, results), []);
});
