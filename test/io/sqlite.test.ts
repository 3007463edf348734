/** Database files in both of their journals: what was committed is there whatever ended the process, and an orderly end leaves one file. */
import { copyFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import t from 'tap';
import { inTransaction, journalsOf, openDatabase } from '../../src/io/sqlite.ts';

const insert = 'INSERT INTO one (name) VALUES (?)';
const names = (database: ReturnType<typeof openDatabase>): unknown[] =>
  database.all('SELECT name FROM one ORDER BY rowid').map(({ name }) => name);

for (const journal of ['delete', 'wal'] as const) {
  t.test(`openDatabase() with the journal ${journal}`, async (t) => {
    const folder = t.testdir({ there: {}, copy: {} });
    const file = path.join(folder, 'there', 'a.db');
    const database = openDatabase(file, journal);
    t.same(database.all('PRAGMA journal_mode'), [{ journal_mode: journal }]);
    t.same(database.all('PRAGMA synchronous'), [{ synchronous: 2 }], 'it waits for the disk at each commit');
    database.exec('CREATE TABLE one (name TEXT NOT NULL UNIQUE)');
    inTransaction(database, () => database.run(insert, ['a']));
    t.throws(() => inTransaction(database, () => [database.run(insert, ['b']), database.run(insert, ['a'])]), /UNIQUE/);
    inTransaction(database, () => database.run(insert, ['c']));
    t.same(names(database), ['a', 'c'], 'all or nothing, and the statement serves again');

    // As a process that is killed here leaves it.
    const copy = path.join(folder, 'copy', 'a.db');
    for (const one of [file, ...journalsOf(file)].filter((each) =>
      readdirSync(path.dirname(file)).includes(path.basename(each)),
    ))
      copyFileSync(one, path.join(folder, 'copy', path.basename(one)));
    const later = openDatabase(copy, journal);
    t.same(names(later), ['a', 'c']);
    later.close();

    database.close();
    database.close();
    t.same(readdirSync(path.dirname(file)), ['a.db']);
    const other = openDatabase(file, journal === 'wal' ? 'delete' : 'wal');
    t.same(names(other), ['a', 'c'], 'whoever opens it then');
    other.close();
  });
}
