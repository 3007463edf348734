/**
 * A database file: SQLite of Node where Node has it (22.13 and later), else its WebAssembly build. It waits for the disk at each commit. For
 * evented actors: a call blocks its thread as long as the disk takes.
 */
import { chmodSync, closeSync, existsSync, openSync, readSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import process from 'node:process';
import { makeDurable } from '../base/lasting-files.ts';

export type SqlValue = number | string | Uint8Array | null;
export type SqlRow = Readonly<Record<string, SqlValue>>;

export interface Database {
  /** Statements without values. */
  exec(sql: string): void;
  run(sql: string, values?: readonly SqlValue[]): void;
  all(sql: string, values?: readonly SqlValue[]): SqlRow[];
  /** Idempotent. */
  close(): void;
}

interface NodeStatement {
  run(...values: SqlValue[]): unknown;
  all(...values: SqlValue[]): unknown[];
}

interface NodeSqlite {
  readonly DatabaseSync: new (
    file: string,
  ) => {
    exec(sql: string): void;
    prepare(sql: string): NodeStatement;
    close(): void;
  };
}

interface WasmStatement {
  run(values: SqlValue[]): unknown;
  finalize(): void;
}

interface WasmSqlite {
  readonly Database: new (
    file: string,
  ) => {
    readonly isOpen: boolean;
    exec(sql: string): void;
    prepare(sql: string): WasmStatement;
    all(sql: string, values: SqlValue[]): unknown[];
    close(): void;
  };
}

/**
 * `delete`: a rollback journal, three waits for the disk a commit. `wal`: one, and now and then three (sqlite.org/wal.html). The WebAssembly build
 * shares no memory with others, and has that journal only while the file is its own (section 8 there).
 */
export type JournalMode = 'delete' | 'wal';

/** Waited for at each commit (FULL), so that what was answered is there after a power cut. */
const always = 'PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;';
/** Of 4 KiB, in the log between its cuts. Disks of routers are small. */
const mostLogPages = 128;
/** A commit that finds more in the log writes them to where they belong, and waits for the disk three times: nobody has done it before (`tidyLog`). */
const mostUntidyPages = 4 * mostLogPages;
const setUp: Readonly<Record<JournalMode, string>> = {
  delete: `PRAGMA journal_mode = DELETE; ${always}`,
  // One transaction may be longer than the log shall be; it is cut to that when it begins anew.
  wal: `PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = ${mostUntidyPages};
    PRAGMA journal_size_limit = ${mostLogPages * 4096}; ${always}`,
};
/** What SQLite keeps beside a file; one that is left belongs to that very file. */
export const journalsOf = (file: string): string[] => [`${file}-journal`, `${file}-wal`];

/**
 * Opens `file`, or makes it, under mode 0600. Nobody else may have it open: a lock that lies there was left by a process that was killed
 * (the WebAssembly build locks by a folder), and is removed; the caller holds a lock of its own. A file that was opened with `wal` and never closed
 * has to be opened so again. `examine` reads it while nothing in it is changed yet, and may throw. Throws what SQLite says.
 */
export function openDatabase(
  file: string,
  journal: JournalMode = 'delete',
  examine: (database: Database) => void = () => undefined,
): Database {
  rmSync(`${file}.lock`, { recursive: true, force: true });
  if (!existsSync(file)) closeSync(openSync(file, 'a', 0o600));
  chmodSync(file, 0o600);
  const native = nodeSqlite();
  const database = native === undefined ? openWasm(file) : openNative(native, file);
  try {
    // Before anything is read: without it the WebAssembly build cannot read such a journal.
    if (journal === 'wal') database.exec('PRAGMA locking_mode = EXCLUSIVE');
    examine(database);
    database.exec(setUp[journal]);
    // The journal itself, as what is in it.
    if (journal === 'wal') makeDurable(path.dirname(file));
  } catch (error) {
    database.close();
    throw error;
  }
  return journal === 'wal' ? closedAsAny(database) : database;
}

/** Whatever opens the file after an orderly end finds it as one without such a journal: a version of ours before this one could not open it. */
function closedAsAny(database: Database): Database {
  return {
    ...database,
    close: () => {
      // Closed already, or on a disk that takes nothing: what is in the journal is read at the next start.
      attempt(() => database.exec('PRAGMA journal_mode = DELETE'));
      database.close();
    },
  };
}

/** Writes what is in the log to where it belongs, while nobody waits for a commit. Throws what SQLite says. */
export function tidyLog(database: Database): void {
  database.all('PRAGMA wal_checkpoint(PASSIVE)');
}

/** All of `work`, or nothing of it. */
export function inTransaction<T>(database: Database, work: () => T): T {
  database.exec('BEGIN IMMEDIATE');
  try {
    const result = work();
    database.exec('COMMIT');
    return result;
  } catch (error) {
    // SQLite may have rolled back by itself (a full disk): the first error is the one to tell.
    attempt(() => database.exec('ROLLBACK'));
    throw error;
  }
}

/** Whatever SQLite says of it. */
function attempt(work: () => void): void {
  try {
    work();
  } catch (error) {
    if (!(error instanceof Error)) throw error;
  }
}

/** Types of Node 20 do not know it. */
function nodeSqlite(): NodeSqlite | undefined {
  const getBuiltin: unknown = Reflect.get(process, 'getBuiltinModule');
  if (typeof getBuiltin !== 'function') return undefined;
  return (getBuiltin as (id: string) => NodeSqlite | undefined)('node:sqlite');
}

function openNative({ DatabaseSync }: NodeSqlite, file: string): Database {
  const database = new DatabaseSync(file);
  const statements = new Map<string, NodeStatement>();
  let isOpen = true;
  return {
    exec: (sql) => database.exec(sql),
    run: (sql, values = []) => void kept(statements, sql, () => database.prepare(sql)).run(...values),
    all: (sql, values = []) => database.prepare(sql).all(...values) as SqlRow[],
    close: () => {
      if (isOpen) database.close();
      isOpen = false;
    },
  };
}

function openWasm(file: string): Database {
  const require = createRequire(import.meta.url);
  const { Database: WasmDatabase } = require('node-sqlite3-wasm') as WasmSqlite;
  const database = new WasmDatabase(file);
  try {
    takeBackUnfinished(database, path.resolve(file), require('node:fs') as MutableFiles);
  } catch (error) {
    database.close();
    throw error;
  }
  const statements = new Map<string, WasmStatement>();
  return {
    exec: (sql) => database.exec(sql),
    run(sql, values = []) {
      const statement = kept(statements, sql, () => database.prepare(sql));
      try {
        statement.run([...values]);
      } catch (error) {
        // One that has failed cannot be bound again.
        statements.delete(sql);
        attempt(() => statement.finalize());
        throw error;
      }
    },
    all: (sql, values = []) => database.all(sql, [...values]) as SqlRow[],
    close: () => {
      if (!database.isOpen) return;
      for (const statement of statements.values()) attempt(() => statement.finalize());
      database.close();
    },
  };
}

/** What the WebAssembly build looks at the world with. */
interface MutableFiles {
  accessSync: (name: string, mode?: number) => void;
}

/**
 * Takes back what a process had begun to write when it was killed: its journal lies beside the file. SQLite does so at the first read, unless somebody
 * else is writing; and the WebAssembly build takes the lock that it has just made itself for somebody else's (`_nodejsCheckReservedLock`), so
 * that it would read what was half written. Nobody else has the file open: for this one read there is no such lock. Throws what SQLite says.
 */
function takeBackUnfinished(database: InstanceType<WasmSqlite['Database']>, file: string, files: MutableFiles): void {
  const journal = `${file}-journal`;
  if (!isHot(journal)) return;
  const { accessSync } = files;
  files.accessSync = (name, mode) => {
    if (name === `${file}.lock`) throw new Error('ENOENT');
    accessSync(name, mode);
  };
  try {
    database.all('SELECT count(*) FROM sqlite_schema', []);
  } catch (error) {
    // A file with a log cannot be read like that; that its journal is gone says that this much was done.
    if (isHot(journal)) throw error;
  } finally {
    files.accessSync = accessSync;
  }
}

/** One that is empty, or begins with a zero byte, has nothing to take back: what it was for was not begun, or is over (sqlite.org/fileformat2.html section 3). */
function isHot(journal: string): boolean {
  if (!existsSync(journal)) return false;
  const fd = openSync(journal, 'r');
  try {
    const first = new Uint8Array(1);
    return readSync(fd, first, 0, 1, 0) === 1 && first[0] !== 0;
  } finally {
    closeSync(fd);
  }
}

/** What is run is one of a few texts; to read one costs more than to run it. */
function kept<Statement>(statements: Map<string, Statement>, sql: string, prepare: () => Statement): Statement {
  const known = statements.get(sql);
  if (known !== undefined) return known;
  const statement = prepare();
  statements.set(sql, statement);
  return statement;
}
