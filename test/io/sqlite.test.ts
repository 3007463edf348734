/** The database file: what a killed process leaves, transactions, who may read it. */
import { existsSync, mkdirSync, statSync } from 'node:fs';
import path from 'node:path';
import t from 'tap';
import { inTransaction, openDatabase } from '../../src/io/sqlite.ts';

t.test('openDatabase() takes a file over whose owner was killed, and hides it from others', async (t) => {
  const file = path.join(t.testdir(), 'a.db');
  const first = openDatabase(file);
  first.exec('CREATE TABLE one (x)');
  first.run('INSERT INTO one VALUES (?)', [7]);
  first.close();
  first.close();
  mkdirSync(`${file}.lock`);
  const second = openDatabase(file);
  t.same(second.all('SELECT x FROM one'), [{ x: 7 }]);
  t.equal(statSync(file).mode & 0o777, 0o600);
  second.close();
  t.notOk(existsSync(`${file}.lock`));
});

t.test('inTransaction() does all or nothing', async (t) => {
  const database = openDatabase(path.join(t.testdir(), 'a.db'));
  t.teardown(() => database.close());
  database.exec('CREATE TABLE one (x INTEGER PRIMARY KEY, text TEXT)');
  inTransaction(database, () => database.run('INSERT INTO one VALUES (1, ?)', ['ä"\'; DROP TABLE one']));
  t.throws(() =>
    inTransaction(database, () => {
      database.run('INSERT INTO one VALUES (2, ?)', ['b']);
      database.run('INSERT INTO one VALUES (1, ?)', ['again']);
    }),
  );
  t.same(database.all('SELECT * FROM one'), [{ x: 1, text: 'ä"\'; DROP TABLE one' }]);
});
