/** Database files in both of their journals: what was committed is there whatever ended the process, and an orderly end leaves one file. */
import { copyFileSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
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

for (const journal of ['delete', 'wal'] as const)
  t.test(`openDatabase() by ${journal} takes back what a process that was killed had half written`, async (t) => {
    const folder = t.testdir({ there: {}, copy: {} });
    const file = path.join(folder, 'there', 'a.db');
    const database = openDatabase(file, 'delete');
    database.exec('CREATE TABLE one (name TEXT NOT NULL)');
    const rows = Array.from({ length: 500 }, (_, at) => `row ${at} ${'x'.repeat(200)}`);
    inTransaction(database, () => {
      for (const row of rows) database.run(insert, [row]);
    });
    // With room for next to no pages it writes them into the file before it commits.
    database.exec("PRAGMA cache_size = 1; BEGIN; UPDATE one SET name = 'of the transaction'");
    const copy = path.join(folder, 'copy', 'a.db');
    for (const one of [file, `${file}-journal`]) copyFileSync(one, path.join(folder, 'copy', path.basename(one)));
    t.ok(readFileSync(copy, 'latin1').includes('of the transaction'), 'it is in the file already');
    const later = openDatabase(copy, journal, (examined) => t.same(names(examined), rows, 'also to who examines it'));
    t.same(names(later), rows);
    t.same(later.all('PRAGMA integrity_check'), [{ integrity_check: 'ok' }]);
    later.close();
    t.same(readdirSync(path.dirname(copy)), ['a.db']);
    database.close();
  });

for (const [what, bytes] of [
  ['is empty', 0],
  ['is not begun', 4616],
] as const)
  t.test(
    `openDatabase() by wal opens a file whose journal ${what}, as an orderly end that is killed leaves it`,
    async (t) => {
      const folder = t.testdir({ there: {}, copy: {} });
      const file = path.join(folder, 'there', 'a.db');
      const database = openDatabase(file, 'wal');
      database.exec(
        "CREATE TABLE one (name TEXT NOT NULL); INSERT INTO one VALUES ('a'); PRAGMA wal_checkpoint(TRUNCATE)",
      );
      const copy = path.join(folder, 'copy', 'a.db');
      copyFileSync(file, copy);
      t.equal(readFileSync(copy)[18], 2, 'its header says that it has a log (sqlite.org/fileformat2.html section 1.3)');
      writeFileSync(`${copy}-journal`, new Uint8Array(bytes));
      const later = openDatabase(copy, 'wal');
      t.same(names(later), ['a']);
      later.close();
      t.same(readdirSync(path.dirname(copy)), ['a.db']);
      database.close();
    },
  );
