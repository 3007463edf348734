/**
 * Minutes, hours and events on the disk: SQLite, one row for each series and chunk of time (an hour's minutes, a day's hours) of a fixed size,
 * rewritten in place. So many chunks are kept, counted and not dated: a clock that was wrong for a while neither deletes nor keeps anything
 * for ever, and the file never grows beyond `mostBytesOf`.
 */
import { copyFileSync, rmSync, statSync } from 'node:fs';
import { HawserError, messageOf } from '../../base/errors.ts';
import type { HistoryConfig } from '../../config/history-schema.ts';
import type { EventRecord } from '../../control/events.ts';
import { type HistoryKind, historyColumns } from '../../control/history.ts';
import { type Database, inTransaction, openDatabase } from '../../io/sqlite.ts';
import { hourLevel, type Level, minuteLevel } from './points.ts';

export interface SeriesName {
  readonly kind: HistoryKind;
  readonly name: string;
}

export interface StoredChunk extends SeriesName {
  readonly level: Level['name'];
  /** Seconds since 1970 over the seconds of a chunk. */
  readonly start: number;
  readonly values: Float32Array;
}

/** Room for the numbers of series beside the number of a chunk, in one key. */
const seriesPerChunk = 4096;
export const mostSeries = 4000;
export const mostEvents = 10_000;
/** So many are read at a time: of a link that much happens to the latest are enough. */
const eventBatch = 1000;
/** Of one event as JSON; longer ones are kept without their fields. */
const mostEventBytes = 1024;
const pageBytes = 4096;
/** Of a page, its header; of a row, its key, its length and its place (sqlite.org/fileformat2.html sections 1.6 and 2.1). */
const pageHeaderBytes = 8;
const rowBytes = 14;
/** Interior pages, indexes, and what is free within pages after rows were moved. */
const slack = 1.1;
const eventRowBytes = 420;

const schema = `
  CREATE TABLE IF NOT EXISTS series (id INTEGER PRIMARY KEY, kind TEXT NOT NULL, name TEXT NOT NULL, UNIQUE (kind, name));
  CREATE TABLE IF NOT EXISTS chunk (seq INTEGER PRIMARY KEY, level TEXT NOT NULL, start INTEGER NOT NULL, UNIQUE (level, start));
  CREATE TABLE IF NOT EXISTS minute (id INTEGER PRIMARY KEY, data BLOB NOT NULL);
  CREATE TABLE IF NOT EXISTS hour (id INTEGER PRIMARY KEY, data BLOB NOT NULL);
  CREATE TABLE IF NOT EXISTS event (id INTEGER PRIMARY KEY, timeMs INTEGER NOT NULL, record TEXT NOT NULL);
  CREATE INDEX IF NOT EXISTS event_time ON event (timeMs);
  PRAGMA user_version = 1;
`;

export const levels: Readonly<Record<Level['name'], Level>> = { minute: minuteLevel, hour: hourLevel };

export class ArchiveFile {
  readonly #file: string;
  readonly #database: Database;
  readonly #keep: HistoryConfig['keep'];
  readonly #ids = new Map<string, number>();
  /** Names of `#ids` in their order. */
  readonly #names = new Map<number, SeriesName>();

  constructor(file: string, keep: HistoryConfig['keep']) {
    this.#file = file;
    this.#keep = keep;
    this.#database = openDatabase(file);
    try {
      const [row] = this.#database.all('PRAGMA quick_check(1)');
      const verdict = String(Object.values(row ?? {})[0]);
      if (verdict !== 'ok') throw new HawserError('DAMAGED', verdict.split('\n').at(-1) ?? '');
      const version = Number(Object.values(this.#database.all('PRAGMA user_version')[0] ?? {})[0]);
      if (version > 1) throw new HawserError('NEWER', `it is of a newer Hawser (version ${version})`);
      this.#database.exec(schema);
      this.#learn();
    } catch (error) {
      this.#database.close();
      throw error;
    }
  }

  series(): SeriesName[] {
    return [...this.#names.values()];
  }

  bytes(): number {
    return statSync(this.#file).size;
  }

  /** All or nothing. Returns how many were left out because there are too many series. */
  write(chunks: readonly StoredChunk[], events: readonly EventRecord[]): number {
    let leftOut = 0;
    try {
      inTransaction(this.#database, () => {
        for (const chunk of chunks) if (!this.#put(chunk)) leftOut += 1;
        for (const event of events) this.#putEvent(event);
        this.#evict();
      });
    } catch (error) {
      // Names that were given numbers in it have none any more.
      this.#learn();
      throw error;
    }
    return leftOut;
  }

  /** undefined = there is none. */
  read({ kind, name, level, start }: Omit<StoredChunk, 'values'>): Float32Array | undefined {
    return this.readAll({ kind, name }, level, start, start)[0]?.values;
  }

  /** Chunks from `first` to `last`, in the order of time. */
  readAll(series: SeriesName, level: Level['name'], first: number, last: number): StoredChunk[] {
    const id = this.#ids.get(keyOf(series));
    if (id === undefined) return [];
    const sql = 'SELECT start FROM chunk WHERE level = ? AND start BETWEEN ? AND ? ORDER BY start';
    const starts = this.#database.all(sql, [level, first, last]).map(({ start }) => Number(start));
    if (starts.length === 0) return [];
    const keys = starts.map((start) => start * seriesPerChunk + id).join(',');
    const rows = this.#database.all(
      `SELECT id / ${seriesPerChunk} AS start, data FROM ${level} WHERE id IN (${keys}) ORDER BY id`,
    );
    const size = levels[level].points * historyColumns[series.kind].length;
    return rows.flatMap(({ start, data }) => {
      const values = valuesOf(data);
      return values?.length === size ? [{ ...series, level, start: Number(start), values }] : [];
    });
  }

  /** The latest of those that `isWanted`, in the order of time. */
  events(fromMs: number, toMs: number, most: number, isWanted: (record: EventRecord) => boolean): EventRecord[] {
    const found: EventRecord[] = [];
    const sql = `SELECT record FROM event WHERE timeMs >= ? AND timeMs < ? ORDER BY timeMs DESC, id DESC LIMIT ${eventBatch} OFFSET ?`;
    for (let at = 0; at < mostEvents && found.length < most; at += eventBatch) {
      const rows = this.#database.all(sql, [fromMs, toMs, at]);
      const events = rows.map(({ record }) => JSON.parse(String(record)) as EventRecord);
      found.push(...events.filter(isWanted));
      if (rows.length < eventBatch) break;
    }
    return found.slice(0, most).reverse();
  }

  eventCount(): number {
    return Number(this.#database.all('SELECT COUNT(*) AS n FROM event')[0]?.n ?? 0);
  }

  close(): void {
    this.#database.close();
  }

  #learn(): void {
    this.#ids.clear();
    this.#names.clear();
    for (const { id, kind, name } of this.#database.all('SELECT id, kind, name FROM series ORDER BY kind, name')) {
      const series = { kind: kind as HistoryKind, name: String(name) };
      this.#ids.set(keyOf(series), Number(id));
      this.#names.set(Number(id), series);
    }
  }

  #put(chunk: StoredChunk): boolean {
    const id = this.#idOf(chunk);
    if (id === undefined) return false;
    const { level, start, values } = chunk;
    this.#database.run('INSERT OR IGNORE INTO chunk (level, start) VALUES (?, ?)', [level, start]);
    const data = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    const key = start * seriesPerChunk + id;
    this.#database.run(
      `INSERT INTO ${level} (id, data) VALUES (${key}, ?) ON CONFLICT (id) DO UPDATE SET data = excluded.data`,
      [data],
    );
    return true;
  }

  #idOf(series: SeriesName): number | undefined {
    const known = this.#ids.get(keyOf(series));
    if (known !== undefined) return known;
    const id = this.#freeId();
    if (id === undefined) return undefined;
    this.#database.run('INSERT INTO series (id, kind, name) VALUES (?, ?, ?)', [id, series.kind, series.name]);
    this.#ids.set(keyOf(series), id);
    this.#names.set(id, { kind: series.kind, name: series.name });
    return id;
  }

  #freeId(): number | undefined {
    if (this.#names.size >= mostSeries) return undefined;
    for (let id = 1; id <= mostSeries; id += 1) if (!this.#names.has(id)) return id;
    return undefined;
  }

  #putEvent(event: EventRecord): void {
    const whole = JSON.stringify(event);
    const { kind, id, timeMs, source } = event;
    const record = Buffer.byteLength(whole) <= mostEventBytes ? whole : JSON.stringify({ kind, id, timeMs, source });
    this.#database.run('INSERT INTO event (timeMs, record) VALUES (?, ?)', [timeMs, record]);
  }

  /** The chunks that came first go first, whatever time they are of. */
  #evict(): void {
    let isGone = false;
    for (const level of Object.values(levels)) {
      const sql = 'SELECT seq, start FROM chunk WHERE level = ? ORDER BY seq DESC LIMIT -1 OFFSET ?';
      for (const { seq, start } of this.#database.all(sql, [level.name, chunksOf(this.#keep, level)])) {
        const first = Number(start) * seriesPerChunk;
        this.#database.exec(`DELETE FROM ${level.name} WHERE id BETWEEN ${first} AND ${first + seriesPerChunk - 1}`);
        this.#database.run('DELETE FROM chunk WHERE seq = ?', [seq ?? 0]);
        isGone = true;
      }
    }
    this.#database.run('DELETE FROM event WHERE id <= (SELECT MAX(id) FROM event) - ?', [mostEvents]);
    if (isGone) this.#forgetNames();
  }

  /** Of series that nothing is kept of any more. Whole tables are looked at, once an hour at most. */
  #forgetNames(): void {
    const used = `SELECT id % ${seriesPerChunk} FROM minute UNION SELECT id % ${seriesPerChunk} FROM hour`;
    this.#database.exec(`DELETE FROM series WHERE id NOT IN (${used})`);
    this.#learn();
  }
}

/** Opens it; a damaged one is kept beside, and a new one is begun. `told`: what happened to it, '' = nothing. */
export function openArchive(
  file: string,
  keep: HistoryConfig['keep'],
  stamp: string,
): { readonly archive: ArchiveFile; readonly told: string } {
  try {
    return { archive: new ArchiveFile(file, keep), told: '' };
  } catch (error) {
    if (!isDamage(error)) throw error;
    const copy = `${file}.damaged-${stamp}`;
    copyFileSync(file, copy);
    rmSync(file);
    rmSync(`${file}-journal`, { force: true });
    const told = `${file} was damaged (${messageOf(error)}): a new history was begun, the damaged one is kept as ${copy}`;
    return { archive: new ArchiveFile(file, keep), told };
  }
}

/** So many chunks of a level: what is to be kept, and the one that is being filled. */
export function chunksOf(keep: HistoryConfig['keep'], { name, stepS, points }: Level): number {
  const keptS = name === 'minute' ? keep.minuteS : keep.hourS;
  return keptS === 0 ? 0 : Math.ceil(keptS / (stepS * points)) + 1;
}

/** What the file has at most with so many series of each kind. */
export function mostBytesOf(keep: HistoryConfig['keep'], counts: Readonly<Record<HistoryKind, number>>): number {
  let pages = (mostEvents * eventRowBytes) / pageBytes;
  for (const level of Object.values(levels)) {
    for (const [kind, columns] of Object.entries(historyColumns)) {
      const row = level.points * columns.length * 4 + rowBytes;
      const perPage = Math.floor((pageBytes - pageHeaderBytes) / row);
      pages += (chunksOf(keep, level) * counts[kind as HistoryKind]) / perPage;
    }
  }
  return Math.ceil(pages * slack) * pageBytes;
}

export function keyOf({ kind, name }: SeriesName): string {
  return `${kind} ${name}`;
}

function valuesOf(data: unknown): Float32Array | undefined {
  if (!(data instanceof Uint8Array) || data.byteLength % 4 !== 0) return undefined;
  return new Float32Array(data.slice().buffer);
}

/** SQLITE_CORRUPT, SQLITE_NOTADB. */
function isDamage(error: unknown): boolean {
  if (error instanceof HawserError) return error.code === 'DAMAGED';
  return error instanceof Error && /malformed|not a database|corrupt/.test(error.message);
}
