/** ToldSkips: what a SKIP that was lost had named. */
import t from 'tap';
import { ToldSkips } from '../../../src/actors/sealer/told-skips.ts';

const second = 1_000_000;

t.test('take() finds what left under a counter of a slot, once', async (t) => {
  const told = new ToldSkips();
  told.note(1, 2 ** 40 + 5, 2 ** 40 + 3, 2, 0);
  told.note(1, 2 ** 40 + 6, 2 ** 40 + 1, 1, 0);
  t.equal(told.take(2, 2 ** 40 + 5, 0), -1, 'of another slot');
  t.equal(told.take(1, 2 ** 40 + 4, 0), -1);
  const place = told.take(1, 2 ** 40 + 5, second);
  t.same([told.firstOf(place), told.countOf(place)], [2 ** 40 + 3, 2]);
  t.equal(told.take(1, 2 ** 40 + 5, second), -1, 'it was said again');
});

t.test('take() finds nothing that left long ago, or before very many others', async (t) => {
  const told = new ToldSkips();
  told.note(1, 5, 3, 2, 0);
  t.equal(told.take(1, 5, 3 * second), -1);
  told.note(1, 6, 3, 2, 3 * second);
  for (let counter = 0; counter < 512; counter += 1) told.note(2, counter, 0, 1, 3 * second);
  t.equal(told.take(1, 6, 3 * second), -1);
});
