import t from 'tap';
import { RowList } from '../../src/base/row-list.ts';

t.test('rows come back in the order they were added in, and none after it was cleared', async (t) => {
  const list = new RowList();
  for (const row of [7, 3, 7]) list.add(row);
  t.same(
    Array.from({ length: list.count }, (_, place) => list.at(place)),
    [7, 3, 7],
  );
  list.clear();
  t.equal(list.count, 0);
  list.add(1);
  t.same([list.count, list.at(0)], [1, 1]);
});
