import t from 'tap';
import { FreeRows, type RowWish } from '../../src/supervisor/free-rows.ts';

const restMs = 1000;
const any: RowWish = { group: undefined, shard: undefined };
const wish = (change: Partial<RowWish>): RowWish => ({ ...any, ...change });

/** Chooses and takes. */
function give(rows: FreeRows, wishes: readonly RowWish[], nowMs = 0): number[] | undefined {
  const chosen = rows.choose(wishes, nowMs);
  if (chosen !== undefined) rows.take(chosen);
  return chosen;
}

t.test('FreeRows', async (t) => {
  t.test('gives rows from the bottom, and those that were set free after they have rested', async (t) => {
    const rows = new FreeRows(4, 1, restMs);
    t.strictSame(give(rows, [any, any, any]), [0, 1, 2]);
    rows.free(1, 100);
    t.strictSame(give(rows, [any]), [3], 'what was never used comes first');
    t.equal(give(rows, [any], 1099), undefined);
    t.strictSame(give(rows, [any], 1100), [1]);
    t.equal(give(rows, [any], 9999), undefined);
  });

  t.test('choosing takes nothing', async (t) => {
    const rows = new FreeRows(3, 1, restMs);
    t.strictSame(rows.choose([any, any], 0), [0, 1]);
    t.strictSame(rows.choose([any, any], 0), [0, 1]);
    t.equal(rows.choose([any, any, any, any], 0), undefined);
    t.equal(rows.take([0, 1]), 2, 'how many were used ever');
  });

  t.test('gives a row of the shard that is wanted, and what it passed over to others', async (t) => {
    const rows = new FreeRows(8, 2, restMs);
    t.strictSame(give(rows, [wish({ shard: 1 })]), [1]);
    t.strictSame(give(rows, [wish({ shard: 1 })]), [3]);
    t.strictSame(give(rows, [any, any, any]), [0, 2, 4]);
    rows.free(0, 0);
    t.strictSame(give(rows, [wish({ shard: 0 })], 5000), [6]);
    t.strictSame(give(rows, [wish({ shard: 0 })], 5000), [0]);
    t.equal(give(rows, [wish({ shard: 0 })], 5000), undefined, 'the other shard has rows');
    t.strictSame(give(rows, [any, any], 5000), [5, 7]);
  });

  t.test('devices of one group come at once and are of one shard', async (t) => {
    const rows = new FreeRows(64, 3, restMs);
    const groups = ['a', 'b', 'a', 'c', 'b', 'a', 'd', 'e'];
    const given =
      give(
        rows,
        groups.map((group) => wish({ group })),
      ) ?? [];
    t.equal(new Set(given).size, groups.length);
    for (const group of new Set(groups)) {
      const shards = new Set(given.filter((_, index) => groups[index] === group).map((row) => row % 3));
      t.equal(shards.size, 1, `${group}: ${[...shards].join()}`);
    }
  });

  t.test('a thousand peers do not take a million steps', async (t) => {
    const rows = new FreeRows(65_536, 2, restMs);
    const wishes = Array.from({ length: 20_000 }, (_, index) => wish({ group: `client ${index >> 1}` }));
    const startMs = performance.now();
    t.equal(give(rows, wishes)?.length, 20_000);
    t.ok(performance.now() - startMs < 5_000);
  });
});
