/** What clients have used, on the disk: by client, day and server. */
import { type Database, inTransaction, type SqlRow } from '../../io/sqlite.ts';

export interface UsageDelta {
  /** Of the client. */
  readonly id: string;
  /** `2026-11-29`, where the client's day is counted. */
  readonly day: string;
  readonly upBytes: number;
  readonly downBytes: number;
}

/** Up to where the counters of a device's row have been added. */
export interface UsageCount {
  readonly publicKey: string;
  readonly upBytes: number;
  readonly downBytes: number;
}

export class UsageStore {
  readonly #database: Database;
  /** Which hub counts, and in which process: counters begin anew with each. */
  readonly #server: string;
  readonly #process: string;

  constructor(database: Database, server: string, process: string) {
    this.#database = database;
    this.#server = server;
    this.#process = process;
  }

  /** What was counted in this process already. */
  counted(): Map<string, { upBytes: number; downBytes: number }> {
    const rows = this.#database.all('SELECT key, up, down FROM counted WHERE process = ?', [this.#process]);
    return new Map(rows.map(({ key, up, down }) => [String(key), { upBytes: Number(up), downBytes: Number(down) }]));
  }

  /** All or nothing. */
  add(deltas: readonly UsageDelta[], counts: readonly UsageCount[]): void {
    const database = this.#database;
    inTransaction(database, () => {
      database.run('DELETE FROM counted WHERE process <> ?', [this.#process]);
      for (const { id, day, upBytes, downBytes } of deltas)
        database.run(
          `INSERT INTO usage (id, day, server, up, down) VALUES (?, ?, ?, ?, ?)
           ON CONFLICT (id, day, server) DO UPDATE SET up = up + excluded.up, down = down + excluded.down`,
          [id, day, this.#server, upBytes, downBytes],
        );
      for (const { publicKey, upBytes, downBytes } of counts)
        database.run('INSERT OR REPLACE INTO counted (key, process, up, down) VALUES (?, ?, ?, ?)', [
          publicKey,
          this.#process,
          upBytes,
          downBytes,
        ]);
    });
  }

  /** By day, the latest first, all servers together. */
  daysOf(id: string): UsageDelta[] {
    const sql = 'SELECT day, SUM(up) AS up, SUM(down) AS down FROM usage WHERE id = ? GROUP BY day ORDER BY day DESC';
    return this.#database
      .all(sql, [id])
      .map(({ day, up, down }) => ({ id, day: String(day), upBytes: Number(up), downBytes: Number(down) }));
  }

  /** Of several at once, in any order: a question costs more than its answer. */
  daysOfAll(ids: readonly string[]): UsageDelta[] {
    const places = ids.map(() => '?').join(', ');
    const sql = `SELECT id, day, SUM(up) AS up, SUM(down) AS down FROM usage WHERE id IN (${places}) GROUP BY id, day`;
    return this.#database.all(sql, ids).map(({ id, day, up, down }) => ({
      id: String(id),
      day: String(day),
      upBytes: Number(up),
      downBytes: Number(down),
    }));
  }

  /** Rows of another store of ours. */
  putAll(rows: readonly SqlRow[]): void {
    inTransaction(this.#database, () => {
      for (const { id = '', day = '', server = '', up = 0, down = 0 } of rows)
        this.#database.run('INSERT OR REPLACE INTO usage (id, day, server, up, down) VALUES (?, ?, ?, ?, ?)', [
          id,
          day,
          server,
          up,
          down,
        ]);
    });
  }

  forget(id: string): void {
    this.#database.run('DELETE FROM usage WHERE id = ?', [id]);
  }
}
