/** Readers that follow a table's changes: each change is told of once, and who lags is told to look at all. */
import t from 'tap';
import { journal, peer } from '../../src/contract/peer-tables.ts';
import { RowChanges } from '../../src/rings/row-changes.ts';
import { createRowTable, peerTable } from '../../src/rings/table.ts';

function follower() {
  const table = peerTable(createRowTable(peer, 1000));
  const changes = new RowChanges(table);
  const read = (): number[] | 'all' => {
    const rows: number[] = [];
    let isAll = false;
    changes.read(
      (row) => rows.push(row),
      () => {
        isAll = true;
      },
    );
    return isAll ? 'all' : rows;
  };
  return { table, changes, read };
}

t.test('RowChanges gives the rows that were told of since the last look, the first time all', (t) => {
  const { table, changes, read } = follower();
  t.notOk(changes.areNone);
  t.equal(read(), 'all');
  t.ok(changes.areNone);
  for (const row of [7, 3, 7]) table.tell(row);
  t.notOk(changes.areNone);
  t.same(read(), [7, 3, 7]);
  t.same(read(), []);
  t.end();
});

t.test('RowChanges says so when there was more than the journal holds', (t) => {
  const { table, read } = follower();
  read();
  for (let row = 0; row < journal.rows - 1; row += 1) table.tell(row);
  t.equal(read().length, journal.rows - 1);
  for (let row = 0; row < journal.rows; row += 1) table.tell(row);
  t.equal(read(), 'all');
  table.tell(5);
  t.same(read(), [5]);
  t.end();
});

t.test('RowChanges says so when changes come while it reads', (t) => {
  const { table, changes, read } = follower();
  read();
  for (let row = 0; row < 10; row += 1) table.tell(row);
  let isAll = false;
  const overtake = (): void => {
    for (let row = 0; row < journal.rows; row += 1) table.tell(500);
  };
  changes.read(overtake, () => {
    isAll = true;
  });
  t.ok(isAll);
  t.end();
});
