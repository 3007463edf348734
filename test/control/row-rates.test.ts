import t from 'tap';
import { path, peer } from '../../src/contract/peer-tables.ts';
import { LastChanges } from '../../src/control/last-changes.ts';
import { RowRates } from '../../src/control/row-rates.ts';
import { createRowTable, pathTable, peerTable } from '../../src/rings/table.ts';

const seconds = (count: number): number => count * 1e6;

t.test('RowRates tells how fast a column grows, over one to two seconds', async (t) => {
  const table = peerTable(createRowTable(peer, 8));
  table.setUsed(8);
  const rates = new RowRates(table, [peer.receivedBytesAt, peer.sentBytesAt]);
  table.setNumber(3, peer.receivedBytesAt, 500);
  table.setNumber(5, peer.receivedBytesAt, 900);
  t.equal(rates.perSecond(3, peer.receivedBytesAt, seconds(9)), 0, 'no sample yet');
  rates.sample(seconds(10), [3]);
  table.setNumber(3, peer.receivedBytesAt, 700);
  rates.sample(seconds(10.4), [3]);
  t.equal(rates.perSecond(3, peer.receivedBytesAt, seconds(12)), 100);
  rates.sample(seconds(11), [3]);
  rates.sample(seconds(12), [3]);
  t.equal(rates.perSecond(3, peer.receivedBytesAt, seconds(12)), 0, 'it stands still since 11 s');
  t.equal(rates.perSecond(3, peer.sentBytesAt, seconds(12)), 0, 'another column');
  t.equal(rates.perSecond(5, peer.receivedBytesAt, seconds(12)), 0, 'a row that was not sampled');
  table.setNumber(3, peer.receivedBytesAt, 0);
  t.equal(rates.perSecond(3, peer.receivedBytesAt, seconds(13)), 0, 'reset');
});

t.test('RowRates does not take a row for what had it before', async (t) => {
  const table = pathTable(createRowTable(path, 4));
  table.setUsed(4);
  const rates = new RowRates(table, [path.sentBytesAt, path.bornUsAt]);
  table.setNumber(1, path.bornUsAt, 7);
  rates.sample(seconds(1), [1]);
  table.setNumber(1, path.sentBytesAt, 1000);
  t.equal(rates.perSecond(1, path.sentBytesAt, seconds(2), path.bornUsAt), 1000);
  table.setNumber(1, path.bornUsAt, 8);
  t.equal(rates.perSecond(1, path.sentBytesAt, seconds(2), path.bornUsAt), 0);
});

t.test('LastChanges.lookRows() names a counter once it has gone up', async (t) => {
  const table = peerTable(createRowTable(peer, 8));
  table.setUsed(8);
  const changes = new LastChanges();
  const counters = {
    table,
    rows: [2, 6],
    columns: { resentPackets: peer.resentPacketsAt, givenUpPackets: peer.givenUpPacketsAt },
    keyOf: (row: number, column: string) => `peer ${row} ${column}`,
  };
  table.setNumber(2, peer.resentPacketsAt, 4);
  changes.lookRows(counters, seconds(1));
  t.strictSame(changes.agesMs(seconds(2)), {}, 'what stood there before says nothing of when it moved');
  table.setNumber(6, peer.givenUpPacketsAt, 1);
  changes.lookRows(counters, seconds(2));
  table.setNumber(2, peer.resentPacketsAt, 0);
  changes.lookRows(counters, seconds(3));
  t.strictSame(changes.agesMs(seconds(5)), { 'peer 6 givenUpPackets': 3000 }, 'a row that began anew is no change');
});
