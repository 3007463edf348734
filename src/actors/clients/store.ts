/**
 * Clients on the disk: SQLite behind verbs that a store of several servers could have as well (get, put if the revision is the one that
 * was seen, delete, list, watch). A client is in the file before a verb returns, whatever happens then.
 */
import { HawserError } from '../../base/errors.ts';
import { type Database, inTransaction, tidyLog } from '../../io/sqlite.ts';
import { type ClientRecord, clientFromText, clientToText, type StoredClient } from './client-record.ts';
import type { InvitationRecord } from './invitation-record.ts';
import { InvitationStore } from './invitation-store.ts';
import { UsageStore } from './usage-store.ts';

/** A client came, is another than before, or went. */
export interface ClientChange {
  readonly id: string;
  readonly before: StoredClient | undefined;
  readonly after: StoredClient | undefined;
}

/** Who counts usage: the hub, and its process, with which counters begin anew. */
export interface StoreOwner {
  readonly server: string;
  readonly process: string;
}

export type ClientWatcher = (changes: readonly ClientChange[]) => void;

/** Of some six pages each: a quarter of a megabyte of log. */
const changesPerTidy = 10;

/** One is added at the end and never changed: what they made is in files. `user_version` says how many were done. */
const migrations = [
  `CREATE TABLE clients (
     id TEXT NOT NULL UNIQUE,
     name TEXT NOT NULL UNIQUE,
     revision INTEGER NOT NULL,
     document TEXT NOT NULL
   )`,
  `CREATE TABLE usage (
     id TEXT NOT NULL,
     day TEXT NOT NULL,
     server TEXT NOT NULL,
     up INTEGER NOT NULL,
     down INTEGER NOT NULL,
     PRIMARY KEY (id, day, server)
   );
   CREATE TABLE counted (key TEXT PRIMARY KEY, process TEXT NOT NULL, up INTEGER NOT NULL, down INTEGER NOT NULL)`,
  `CREATE TABLE invitations (id TEXT PRIMARY KEY, document TEXT NOT NULL)`,
] as const;

export class ClientStore {
  readonly usage: UsageStore;
  readonly invitations: InvitationStore;
  readonly #database: Database;
  readonly #known = new Map<string, StoredClient>();
  readonly #watchers = new Set<ClientWatcher>();
  #changes = 0;

  /** Brings the file to this version. Throws STORE_VERSION for a file of a later one, and what SQLite says. */
  constructor(database: Database, owner: StoreOwner = { server: '', process: '' }) {
    this.#database = database;
    migrate(database);
    this.usage = new UsageStore(database, owner.server, owner.process);
    this.invitations = new InvitationStore(database);
    for (const { revision, document } of database.all('SELECT revision, document FROM clients ORDER BY rowid')) {
      const record = clientFromText(String(document));
      if (record === undefined) throw new HawserError('STORE_DAMAGED', 'A row of the store is no client of ours');
      this.#known.set(record.id, { record, revision: Number(revision) });
    }
  }

  get(id: string): StoredClient | undefined {
    return this.#known.get(id);
  }

  /** In the order of their coming. */
  list(): Iterable<StoredClient> {
    return this.#known.values();
  }

  get count(): number {
    return this.#known.size;
  }

  /**
   * `revision`: the one that was seen, 0 = there was none. Throws CHANGED when it is another. `also`: an invitation that is written with it,
   * or neither is.
   */
  putIfRevision(record: ClientRecord, revision: number, also?: InvitationRecord): StoredClient {
    const [stored] = this.putAll([{ record, revision }], also);
    return stored as StoredClient;
  }

  /** Several at once: all or none. */
  putAll(wanted: readonly StoredClient[], also?: InvitationRecord): StoredClient[] {
    const changes = wanted.map(({ record, revision }) => {
      const before = this.#seen(record.id, record.name, revision);
      return { id: record.id, before, after: { record, revision: revision + 1 } };
    });
    inTransaction(this.#database, () => {
      for (const { before, after } of changes) {
        const { id, name } = after.record;
        const values = [name, after.revision, clientToText(after.record), id];
        if (before === undefined)
          this.#database.run('INSERT INTO clients (name, revision, document, id) VALUES (?, ?, ?, ?)', values);
        else this.#database.run('UPDATE clients SET name = ?, revision = ?, document = ? WHERE id = ?', values);
      }
      if (also !== undefined) this.invitations.write(also);
    });
    if (also !== undefined) this.invitations.keep(also);
    for (const { id, after } of changes) this.#known.set(id, after);
    this.#tell(changes);
    return changes.map(({ after }) => after);
  }

  /** Throws CHANGED when the revision is another. */
  delete(id: string, revision: number): void {
    const before = this.#seen(id, id, revision);
    inTransaction(this.#database, () => {
      this.#database.run('DELETE FROM clients WHERE id = ?', [id]);
      this.usage.forget(id);
    });
    this.#known.delete(id);
    this.#tell([{ id, before, after: undefined }]);
  }

  /** Told of each change after it is on the disk. Returns how to end that. */
  watch(watcher: ClientWatcher): () => void {
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }

  /** Changes since the log was written to where it belongs: `tidy` is wanted once nobody waits. */
  get isUntidy(): boolean {
    return this.#changes >= changesPerTidy;
  }

  /** Throws what SQLite says; then it is done by a later commit. */
  tidy(): void {
    this.#changes = 0;
    tidyLog(this.#database);
  }

  /** Writes what is there already. Throws what SQLite says, where nothing can be written. */
  probe(): void {
    this.#database.exec(`PRAGMA user_version = ${migrations.length}`);
  }

  close(): void {
    this.#watchers.clear();
    this.#database.close();
  }

  #seen(id: string, name: string, revision: number): StoredClient | undefined {
    const before = this.#known.get(id);
    if ((before?.revision ?? 0) === revision) return before;
    throw changedError(name);
  }

  #tell(changes: readonly ClientChange[]): void {
    this.#changes += 1;
    for (const watcher of this.#watchers) watcher(changes);
  }
}

function migrate(database: Database): void {
  const [row] = database.all('PRAGMA user_version');
  const done = Number(row?.user_version ?? 0);
  if (done > migrations.length) {
    const message = `The store is of a later version of hawser (${done}; this one knows ${migrations.length})`;
    throw new HawserError('STORE_VERSION', message, 'update hawser');
  }
  for (const [index, sql] of migrations.entries()) {
    if (index < done) continue;
    inTransaction(database, () => database.exec(`${sql}; PRAGMA user_version = ${index + 1};`));
  }
}

/** Whoever changes it has seen it as it was before somebody else did. */
export function changedError(name: string): HawserError {
  return new HawserError('CHANGED', `Client "${name}" was changed by somebody else meanwhile`, 'look, and try again');
}
