/**
 * A database file: SQLite of Node where Node has it (22.13 and later), else its WebAssembly build. Both keep a rollback journal (the build
 * has no WAL, and could not open a file that the other one left in that mode) and wait for the disk at each commit. For evented actors:
 * a call blocks its thread as long as the disk takes.
 */
import { chmodSync, closeSync, existsSync, openSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import process from 'node:process';

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

interface NodeSqlite {
  readonly DatabaseSync: new (
    file: string,
  ) => {
    exec(sql: string): void;
    prepare(sql: string): { run(...values: SqlValue[]): unknown; all(...values: SqlValue[]): unknown[] };
    close(): void;
  };
}

interface WasmSqlite {
  readonly Database: new (
    file: string,
  ) => {
    readonly isOpen: boolean;
    exec(sql: string): void;
    run(sql: string, values: SqlValue[]): unknown;
    all(sql: string, values: SqlValue[]): unknown[];
    close(): void;
  };
}

/** Waited for at each commit (FULL), so that what was answered is there after a power cut. */
const setUp = 'PRAGMA journal_mode = DELETE; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;';

/**
 * Opens `file`, or makes it, under mode 0600. Nobody else may have it open: a lock that lies there was left by a process that was killed
 * (the WebAssembly build locks by a folder), and is removed; the caller holds a lock of its own. Throws what SQLite says.
 */
export function openDatabase(file: string): Database {
  rmSync(`${file}.lock`, { recursive: true, force: true });
  if (!existsSync(file)) closeSync(openSync(file, 'a', 0o600));
  chmodSync(file, 0o600);
  const native = nodeSqlite();
  const database = native === undefined ? openWasm(file) : openNative(native, file);
  try {
    database.exec(setUp);
  } catch (error) {
    database.close();
    throw error;
  }
  return database;
}

/** All of `work`, or nothing of it. */
export function inTransaction<T>(database: Database, work: () => T): T {
  database.exec('BEGIN IMMEDIATE');
  try {
    const result = work();
    database.exec('COMMIT');
    return result;
  } catch (error) {
    rollBack(database);
    throw error;
  }
}

/** SQLite may have rolled back by itself (a full disk): the first error is the one to tell. */
function rollBack(database: Database): void {
  try {
    database.exec('ROLLBACK');
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
  let isOpen = true;
  return {
    exec: (sql) => database.exec(sql),
    run: (sql, values = []) => void database.prepare(sql).run(...values),
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
  return {
    exec: (sql) => database.exec(sql),
    run: (sql, values = []) => void database.run(sql, [...values]),
    all: (sql, values = []) => database.all(sql, [...values]) as SqlRow[],
    close: () => {
      if (database.isOpen) database.close();
    },
  };
}
