/** Some of thousands of clients, in an order, a page at a time. */
import t from 'tap';
import { peer as layout } from '../../src/contract/peer-tables.ts';
import { openClientLab } from '../support/client-lab.ts';

const names = (rows: readonly { readonly name: string }[]): string[] => rows.map(({ name }) => name);

t.test('find() looks in names, devices and addresses, and answers a page at a time', async (t) => {
  const { book, add } = await openClientLab(t.testdir());
  for (const name of ['phone', 'Anna', 'laptop', 'anna-tv', 'Jürgen']) await add(name);
  const find = async (more: { match?: string; from?: number; most?: number } = {}) =>
    await book.verbs.find({ match: '', order: 'name', from: 0, most: 50, ...more });
  const all = await find();
  t.strictSame([all.total, all.found, names(all.clients)], [5, 5, ['Anna', 'Jürgen', 'anna-tv', 'laptop', 'phone']]);
  t.strictSame(names((await find({ match: ' ANNA ' })).clients), ['Anna', 'anna-tv']);
  t.strictSame(names((await find({ match: 'Ju\u0308rg' })).clients), ['Jürgen'], 'as names are composed');
  t.strictSame(names((await find({ match: '10.9.0.4' })).clients), ['laptop']);
  t.match(await find({ match: 'nobody' }), { total: 5, found: 0, clients: [] });
  const page = await find({ from: 2, most: 2 });
  t.strictSame([page.found, names(page.clients)], [5, ['anna-tv', 'laptop']]);
  t.strictSame((await find({ from: 40 })).clients, [], 'behind the last');
  t.strictSame((await find()).clients[3], await book.verbs.show({ name: 'laptop' }), 'a row is as `show` has it');
});

t.test('find() puts those first who used most, were there last, or came last', async (t) => {
  const lab = await openClientLab(t.testdir());
  for (const name of ['a', 'b', 'c']) {
    await lab.add(name);
    lab.clock.nowMs += 1000;
  }
  lab.keeper.look();
  const rows = ['a', 'b', 'c'].map((_, row) => row);
  const [bytes, times] = [
    [5e6, 0, 9e6],
    [100, 300, 200],
  ];
  for (const row of rows) {
    lab.peers.setNumber(row, layout.innerRxBytesAt, bytes[row] ?? 0);
    lab.peers.setNumber(row, layout.lastDataReceivedAt, times[row] ?? 0);
  }
  lab.keeper.look();
  const find = async (order: 'used' | 'active' | 'created') =>
    names((await lab.book.verbs.find({ match: '', order, from: 0, most: 50 })).clients);
  t.strictSame(await find('used'), ['c', 'a', 'b']);
  t.strictSame(await find('active'), ['b', 'c', 'a']);
  t.strictSame(await find('created'), ['c', 'b', 'a']);
});
