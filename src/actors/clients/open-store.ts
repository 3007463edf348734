/**
 * Opens the store; a damaged one is copied as it lies there, and made anew of what can be read of it and of the backup beside it. Nothing is thrown
 * away, and a store that nothing can be read of is not taken for an empty one.
 */
import { copyFileSync, existsSync, renameSync, rmSync } from 'node:fs';
import path from 'node:path';
import { HawserError, messageOf } from '../../base/errors.ts';
import { makeDurable } from '../../base/lasting-files.ts';
import { type Database, journalsOf, openDatabase, type SqlRow } from '../../io/sqlite.ts';
import { readBackup } from './backup.ts';
import { clientFromText, type StoredClient } from './client-record.ts';
import { type InvitationRecord, invitationFromText } from './invitation-record.ts';
import { ClientStore, type StoreOwner } from './store.ts';

export interface OpenedStore {
  readonly store: ClientStore;
  /** What happened to it, for people; '' = nothing. */
  readonly rescued: string;
}

export function backupFileOf(file: string): string {
  return `${file}.backup.json`;
}

/** Throws what keeps it from being opened; the file is then as it was. `stamp`: names what is kept of this day. */
export function openStore(file: string, stamp: string, owner?: StoreOwner): OpenedStore {
  const copy = `${file}.damaged-${stamp}`;
  try {
    return { store: openWhole(file, copy, owner), rescued: '' };
  } catch (error) {
    if (!isDamage(error)) throw error;
    return rescue(file, copy, messageOf(error), owner);
  }
}

function openWhole(file: string, copy: string, owner?: StoreOwner): ClientStore {
  const database = openDatabase(file, 'wal', (one) => {
    try {
      examine(one);
    } catch (error) {
      // SQLite writes the log into the file when it is closed.
      if (isDamage(error)) keepCopy(file, copy);
      throw error;
    }
  });
  try {
    return new ClientStore(database, owner);
  } catch (error) {
    database.close();
    throw error;
  }
}

function examine(database: Database): void {
  const [row] = database.all('PRAGMA quick_check(1)');
  const verdict = String(Object.values(row ?? {})[0]);
  if (verdict !== 'ok') throw new HawserError('STORE_DAMAGED', verdict.split('\n').at(-1) ?? '');
}

/** SQLITE_CORRUPT, SQLITE_NOTADB, and rows that are none of ours. */
function isDamage(error: unknown): boolean {
  if (error instanceof HawserError) return error.code === 'STORE_DAMAGED';
  return error instanceof Error && /malformed|not a database|corrupt/.test(error.message);
}

function rescue(file: string, copy: string, reason: string, owner?: StoreOwner): OpenedStore {
  // The pages of this one are sound, and a row is no client of ours.
  if (!existsSync(copy)) keepCopy(file, copy);
  let told: string;
  try {
    told = makeAnew(file, reason);
  } catch (error) {
    putBack(file, copy);
    throw error;
  }
  const rescued = `${file} was damaged (${reason}) and was made anew: ${told}; the damaged one is kept as ${copy}`;
  return { store: openWhole(file, copy, owner), rescued };
}

/** Says who is in it. */
function makeAnew(file: string, reason: string): string {
  const backup = readBackup(backupFileOf(file));
  const { read, usage, invitations } = readRows(file);
  if (read.length === 0 && backup === undefined) {
    const message = `it is damaged (${reason}), nothing can be read of it, and there is no backup`;
    const remedy = `put back a copy of ${file}, or remove it and use \`hawser client import\``;
    throw new HawserError('STORE_DAMAGED', message, remedy);
  }
  const clients = newestOf([...read, ...(backup ?? [])]);
  const draft = `${file}.rescued`;
  for (const one of withJournals(draft)) rmSync(one, { force: true });
  const fresh = new ClientStore(openDatabase(draft));
  fresh.putAll(clients);
  fresh.usage.putAll(usage);
  const ids = new Set(clients.map(({ record }) => record.id));
  // One whose client is lost may be used again.
  fresh.invitations.putAll(
    invitations.map((one) => (ids.has(one.joining?.clientId ?? '') ? one : { ...one, joining: undefined })),
  );
  fresh.close();
  for (const journal of journalsOf(file)) rmSync(journal, { force: true });
  renameSync(draft, file);
  const lost = backup === undefined ? ', and what could not be read is lost' : '';
  return `${clients.length} clients, ${read.length} of them read from it${lost}`;
}

const withJournals = (file: string): string[] => [file, ...journalsOf(file)];

/** On the disk before anything is done to what it is a copy of: `putBack` may put it in its place. */
function keepCopy(file: string, copy: string): void {
  const to = withJournals(copy);
  try {
    for (const [index, one] of withJournals(file).entries()) {
      if (!existsSync(one)) continue;
      copyFileSync(one, to[index] as string);
      makeDurable(to[index] as string);
    }
    makeDurable(path.dirname(copy));
  } catch (error) {
    for (const one of to) rmSync(one, { force: true });
    throw error;
  }
}

/** The copy takes the place of what it is one of: each try at a store that stays as it is would leave another. */
function putBack(file: string, copy: string): void {
  const from = withJournals(copy);
  for (const [index, one] of withJournals(file).entries()) {
    if (existsSync(from[index] as string)) renameSync(from[index] as string, one);
    else rmSync(one, { force: true });
  }
}

interface ReadRows {
  readonly read: readonly StoredClient[];
  readonly usage: readonly SqlRow[];
  readonly invitations: readonly InvitationRecord[];
}

/** One by one where they cannot be read at once. */
function readRows(file: string): ReadRows {
  let database: Database | undefined;
  try {
    database = openDatabase(file, 'wal');
    const read = allRows(database).flatMap(({ document, revision }) => {
      const record = clientFromText(String(document));
      return record === undefined ? [] : [{ record, revision: Number(revision) }];
    });
    const usage = allOf(database, 'SELECT id, day, server, up, down FROM usage');
    const invited = allOf(database, 'SELECT document FROM invitations');
    const invitations = invited.flatMap(({ document }) => invitationFromText(String(document)) ?? []);
    return { read, usage, invitations };
  } catch (error) {
    if (error instanceof Error) return { read: [], usage: [], invitations: [] };
    throw error;
  } finally {
    database?.close();
  }
}

/** None where a page of them is damaged, or the table is not there. */
function allOf(database: Database, sql: string): SqlRow[] {
  try {
    return database.all(sql);
  } catch (error) {
    if (error instanceof Error) return [];
    throw error;
  }
}

/** More rows than there may be clients. */
const mostRows = 100_000;
/** So many in a row that cannot be read, and there are no more. */
const mostGap = 2_000;

function allRows(database: Database): SqlRow[] {
  const rows: SqlRow[] = [];
  for (let rowid = 1, gap = 0; rowid < mostRows && gap < mostGap; rowid += 1) {
    const row = rowAt(database, rowid);
    gap = row === undefined ? gap + 1 : 0;
    if (row !== undefined) rows.push(row);
  }
  return rows;
}

function rowAt(database: Database, rowid: number): SqlRow | undefined {
  try {
    return database.all('SELECT revision, document FROM clients WHERE rowid = ?', [rowid])[0];
  } catch (error) {
    if (error instanceof Error) return undefined;
    throw error;
  }
}

/** Of each client the last that was written, and of a name that two have, the last as well. */
function newestOf(all: readonly StoredClient[]): StoredClient[] {
  const byId = new Map<string, StoredClient>();
  for (const one of all) {
    const known = byId.get(one.record.id);
    if (known === undefined || known.revision < one.revision) byId.set(one.record.id, one);
  }
  const byName = new Map<string, StoredClient>();
  for (const one of byId.values()) byName.set(one.record.name, one);
  // A new store has seen none of them.
  return [...byName.values()].map(({ record }) => ({ record, revision: 0 }));
}
