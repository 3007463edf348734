/** Ropes whose links die, stall, reorder and lose: every run is seeded, so the committed table changes with the code only. */
import t from 'tap';
import { type Column, compareWithTable } from './committed-table.ts';
import { faults } from './faults.ts';
import { runRope } from './rope.ts';

/** The simulations run before the first test, and tap's 30 s count from the start: a busy machine needs more. */
t.setTimeout(0);

const title = `# Faults

One inner flow over links (Mbit/s@round trip in ms, l = loss in %) that die, stall, reorder and lose: Mbit/s from 4 s on; in the 4 s before
a fault, in its first second, and in the stretches that \`faults.ts\` names; packets taken for lost, and sent again. A run that differs by
more than 3 % fails. Written by \`HAWSER_TABLES=write node build/test/sim/faults.sim.test.js\`.`;

function rateColumn(name: string): Column {
  return { name, digits: 2, absolute: 0.1, relative: 0.03 };
}

const columns: readonly Column[] = [
  ...['in all', 'before', 'first second', 'then', 'at last'].map(rateColumn),
  { name: 'lost', digits: 0, absolute: 3, relative: 0.03 },
  { name: 'again', digits: 0, absolute: 3, relative: 0.03 },
];

const results = faults.map(({ name, options }) => {
  const { mbps, windows, lostPackets, resentPackets } = runRope(options);
  const [before, first, then, last] = windows;
  return { name, values: [mbps, before, first, then, last, lostPackets, resentPackets] as const };
});

t.test('the survivor of a death carries at least nine tenths of what it can, from the second second on', async (t) => {
  const [first, second] = results;
  t.ok((first?.values[3] ?? 0) >= 0.9 * 40 * 0.95, `${first?.values[3]?.toFixed(1)} of 40 Mbit/s`);
  t.ok((second?.values[3] ?? 0) >= 0.9 * 60 * 0.95, `${second?.values[3]?.toFixed(1)} of 60 Mbit/s`);
});

t.test('after a stall, and after a return and its stability time, the rope carries what it did', async (t) => {
  for (const { name, values } of results) {
    const [, before, , , last] = values;
    if (before === undefined || last === undefined) continue;
    t.ok(last >= 0.9 * before, `${name}: ${last.toFixed(1)} after ${before.toFixed(1)} Mbit/s`);
  }
});

t.test('ropes with faults are as good as the committed table says', async (t) => {
  t.same(compareWithTable('faults.table.md', title, columns, results), []);
});
