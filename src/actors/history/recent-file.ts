/**
 * The last hours by the second, and what the archive has not written yet: SQLite in the folder of run-time files, which is memory. So what is
 * measured is in a file within seconds, a process that is killed loses no more, and the disk is written to a few times an hour only.
 */
import { existsSync, rmSync, statSync } from 'node:fs';
import { deserialize, serialize } from 'node:v8';
import { messageOf } from '../../base/errors.ts';
import { type HistoryKind, historyColumns } from '../../control/history.ts';
import { type Database, inTransaction, openDatabase } from '../../io/sqlite.ts';
import { keyOf, type SeriesName } from './archive-file.ts';

/** What one series measured in one second. */
export interface Second {
  readonly series: SeriesName;
  /** Seconds since 1970. */
  readonly atS: number;
  readonly point: Float32Array;
}

/** Of a number's place in time, its series, and the columns of a link or path. */
const head = 2;
const width = historyColumns.link.length;
const cells = head + width;
/** Names are few; where links come and go by the thousand the file begins anew. */
const mostNames = 2000;
/** Of a batch, so that an offset in it is exact and a question finds it by where it begins. */
const mostBatchS = 60;

const schema = `
  CREATE TABLE IF NOT EXISTS series (id INTEGER PRIMARY KEY, kind TEXT NOT NULL, name TEXT NOT NULL, UNIQUE (kind, name));
  CREATE TABLE IF NOT EXISTS second (seq INTEGER PRIMARY KEY, startS INTEGER NOT NULL, count INTEGER NOT NULL, data BLOB NOT NULL);
  CREATE TABLE IF NOT EXISTS state (id INTEGER PRIMARY KEY, data BLOB NOT NULL);
`;

export class RecentFile {
  readonly #file: string;
  #database: Database;
  readonly #ids = new Map<string, number>();

  /** What was left there is used again, unless it is damaged. `onDamage` hears of that. */
  constructor(file: string, onDamage: (reason: string) => void) {
    this.#file = file;
    try {
      this.#database = this.#openFile();
    } catch (error) {
      if (!existsSync(file)) throw error;
      onDamage(messageOf(error));
      this.#remove();
      this.#database = this.#openFile();
    }
  }

  bytes(): number {
    return statSync(this.#file).size;
  }

  /** Keeps `seconds` and `state`, both or none, and no more than `keepS` seconds. */
  write(seconds: readonly Second[], state: unknown, keepS: number): void {
    if (this.#ids.size > mostNames) this.#beginAnew();
    try {
      inTransaction(this.#database, () => {
        for (const batch of batchesOf(seconds)) this.#putBatch(batch);
        this.#evict(keepS);
        this.#database.run('INSERT OR REPLACE INTO state (id, data) VALUES (1, ?)', [new Uint8Array(serialize(state))]);
      });
    } catch (error) {
      this.#learn();
      throw error;
    }
  }

  /** What `write` was given last; undefined = nothing that can be read. */
  state(): unknown {
    const data = this.#database.all('SELECT data FROM state WHERE id = 1')[0]?.data;
    if (!(data instanceof Uint8Array)) return undefined;
    try {
      return deserialize(data) as unknown;
    } catch (error) {
      if (error instanceof Error) return undefined;
      throw error;
    }
  }

  /** Of one series, from `fromS` to before `toS`, in the order of time. */
  read(series: SeriesName, fromS: number, toS: number): Second[] {
    const id = this.#ids.get(keyOf(series));
    if (id === undefined) return [];
    const sql = 'SELECT startS, data FROM second WHERE startS BETWEEN ? AND ? ORDER BY seq';
    const found = new Map<number, Second>();
    for (const { startS, data } of this.#database.all(sql, [fromS - mostBatchS, toS])) {
      const values = new Float32Array((data as Uint8Array).slice().buffer);
      for (let at = 0; at + cells <= values.length; at += cells) {
        const atS = Number(startS) + (values[at] as number);
        if (values[at + 1] === id && atS >= fromS && atS < toS)
          found.set(atS, { series, atS, point: values.subarray(at + head, at + cells) });
      }
    }
    return [...found.values()].sort((a, b) => a.atS - b.atS);
  }

  /** The earliest and the latest second that is kept, whatever its series; undefined = none is. */
  span(): { readonly fromS: number; readonly toS: number } | undefined {
    const [row] = this.#database.all('SELECT MIN(startS) AS fromS, MAX(startS + count) AS toS FROM second');
    return typeof row?.fromS === 'number' ? { fromS: row.fromS, toS: Number(row.toS) } : undefined;
  }

  close(): void {
    this.#database.close();
  }

  #openFile(): Database {
    const database = openDatabase(this.#file);
    try {
      database.exec(schema);
      database.all('SELECT MAX(seq) FROM second');
      this.#database = database;
      this.#learn();
      return database;
    } catch (error) {
      database.close();
      throw error;
    }
  }

  #beginAnew(): void {
    this.#database.close();
    this.#remove();
    this.#database = this.#openFile();
  }

  #remove(): void {
    for (const file of [this.#file, `${this.#file}-journal`]) rmSync(file, { force: true });
  }

  #learn(): void {
    this.#ids.clear();
    for (const { id, kind, name } of this.#database.all('SELECT id, kind, name FROM series'))
      this.#ids.set(keyOf({ kind: kind as HistoryKind, name: String(name) }), Number(id));
  }

  #putBatch(batch: readonly Second[]): void {
    const startS = batch[0]?.atS ?? 0;
    const data = new Float32Array(batch.length * cells);
    for (const [index, { series, atS, point }] of batch.entries()) {
      data.set([atS - startS, this.#idOf(series)], index * cells);
      data.set(point, index * cells + head);
    }
    const count = (batch.at(-1)?.atS ?? startS) - startS + 1;
    this.#database.run('INSERT INTO second (startS, count, data) VALUES (?, ?, ?)', [
      startS,
      count,
      new Uint8Array(data.buffer),
    ]);
  }

  /** The batches that came first go first: by how many seconds they hold, whatever the clock said. */
  #evict(keepS: number): void {
    const [sum] = this.#database.all('SELECT SUM(count) AS kept FROM second');
    let tooMany = Number(sum?.kept ?? 0) - keepS;
    if (tooMany <= 0) return;
    for (const { seq, count } of this.#database.all('SELECT seq, count FROM second ORDER BY seq LIMIT 100')) {
      if (tooMany <= 0) break;
      this.#database.run('DELETE FROM second WHERE seq = ?', [seq ?? 0]);
      tooMany -= Number(count);
    }
  }

  #idOf(series: SeriesName): number {
    const known = this.#ids.get(keyOf(series));
    if (known !== undefined) return known;
    const id = this.#ids.size + 1;
    this.#database.run('INSERT INTO series (id, kind, name) VALUES (?, ?, ?)', [id, series.kind, series.name]);
    this.#ids.set(keyOf(series), id);
    return id;
  }
}

/** A new one where the clock went back, or far ahead. */
function batchesOf(seconds: readonly Second[]): Second[][] {
  const batches: Second[][] = [];
  for (const second of seconds) {
    const batch = batches.at(-1);
    const offsetS = second.atS - (batch?.[0]?.atS ?? Number.NaN);
    const lastS = batch?.at(-1)?.atS ?? 0;
    if (batch !== undefined && second.atS >= lastS && offsetS < mostBatchS) batch.push(second);
    else batches.push([second]);
  }
  return batches;
}
