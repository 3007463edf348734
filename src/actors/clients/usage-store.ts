/**
 * What clients have used, on the disk: by client, day and server. Days that are more than 400 days old become months (`2025-10`), which are kept
 * as long as the client is.
 */
import { type Database, inTransaction, type SqlRow } from '../../io/sqlite.ts';

const dayCharacters = 10;

export interface UsageDelta {
  /** Of the client. */
  readonly id: string;
  /** `2026-11-29`, where the client's day is counted; `2025-10` of a month whose days are not kept. */
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
  /** What processes before have counted is gone: it takes a look at all there is. */
  #isCleared = false;

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
      if (!this.#isCleared) database.run('DELETE FROM counted WHERE process <> ?', [this.#process]);
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
    this.#isCleared = true;
  }

  /** By day, the latest first, all servers together. */
  daysOf(id: string): UsageDelta[] {
    const sql = 'SELECT day, SUM(up) AS up, SUM(down) AS down FROM usage WHERE id = ? GROUP BY day ORDER BY day DESC';
    return this.#database
      .all(sql, [id])
      .map(({ day, up, down }) => ({ id, day: String(day), upBytes: Number(up), downBytes: Number(down) }));
  }

  /** Of several at once, from the day `since` on, in any order: a question costs more than its answer. */
  daysOfAll(ids: readonly string[], since: string): UsageDelta[] {
    const places = ids.map(() => '?').join(', ');
    const sql = `SELECT id, day, SUM(up) AS up, SUM(down) AS down FROM usage WHERE id IN (${places}) AND day >= ? GROUP BY id, day`;
    return this.#database.all(sql, [...ids, since]).map(({ id, day, up, down }) => ({
      id: String(id),
      day: String(day),
      upBytes: Number(up),
      downBytes: Number(down),
    }));
  }

  /**
   * Days before that one become months; all or nothing. Not where nothing was written from the day `recent` until before `today`: a clock that
   * jumps by years would make a month of days of which a quota is judged.
   */
  thin(before: string, recent: string, today: string): void {
    const database = this.#database;
    const lately = `SELECT 1 FROM usage WHERE length(day) = ${dayCharacters} AND day >= ? AND day < ? LIMIT 1`;
    if (database.all(lately, [recent, today]).length === 0) return;
    const old = `length(day) = ${dayCharacters} AND day < ?`;
    inTransaction(database, () => {
      database.run(
        `INSERT INTO usage (id, day, server, up, down)
         SELECT id, substr(day, 1, 7), server, SUM(up), SUM(down) FROM usage WHERE ${old} GROUP BY id, substr(day, 1, 7), server
         ON CONFLICT (id, day, server) DO UPDATE SET up = up + excluded.up, down = down + excluded.down`,
        [before],
      );
      database.run(`DELETE FROM usage WHERE ${old}`, [before]);
    });
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
