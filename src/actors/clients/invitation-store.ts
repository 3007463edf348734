/** Invitations on the disk, in the file of the clients: those that may still be used. */
import { type Database, inTransaction } from '../../io/sqlite.ts';
import { type InvitationRecord, invitationFromText, invitationToText } from './invitation-record.ts';

export class InvitationStore {
  readonly #database: Database;
  readonly #known = new Map<string, InvitationRecord>();

  /** A row that is none of ours is nobody's invitation. */
  constructor(database: Database) {
    this.#database = database;
    for (const { document } of database.all('SELECT document FROM invitations ORDER BY rowid')) {
      const record = invitationFromText(String(document));
      if (record !== undefined) this.#known.set(record.id, record);
    }
  }

  /** In the order of their coming. */
  list(): Iterable<InvitationRecord> {
    return this.#known.values();
  }

  get count(): number {
    return this.#known.size;
  }

  /** All or none. Throws what SQLite says. */
  putAll(records: readonly InvitationRecord[]): void {
    inTransaction(this.#database, () => {
      for (const record of records) this.write(record);
    });
    for (const record of records) this.keep(record);
  }

  /** All or none. */
  deleteAll(records: readonly InvitationRecord[]): void {
    inTransaction(this.#database, () => {
      for (const { id } of records) this.#database.run('DELETE FROM invitations WHERE id = ?', [id]);
    });
    for (const { id } of records) this.#known.delete(id);
  }

  /** Within a transaction of the caller's, who calls `keep` when that has come to its end. */
  write(record: InvitationRecord): void {
    const values = [record.id, invitationToText(record)];
    const sql = `INSERT INTO invitations (id, document) VALUES (?, ?)
      ON CONFLICT (id) DO UPDATE SET document = excluded.document`;
    this.#database.run(sql, values);
  }

  keep(record: InvitationRecord): void {
    this.#known.set(record.id, record);
  }
}
