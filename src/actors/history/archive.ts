/**
 * The chunks that are being filled, over the file that they go to. Each minute is put into its hour; the hour's own point is made of its
 * minutes anew each time, so that it never differs from them. What is not written yet stays here, however long the disk takes no more.
 */
import type { HistoryConfig } from '../../config/history-schema.ts';
import type { EventRecord } from '../../control/events.ts';
import { type HistoryKind, historyColumns } from '../../control/history.ts';
import { type ArchiveFile, keyOf, type SeriesName, type StoredChunk } from './archive-file.ts';
import { emptyPoint, hourLevel, type Level, mergePoints, minuteLevel, type Point, pointsOf } from './points.ts';

/** What a restart may go on with: plain data. */
export interface UnwrittenState {
  readonly chunks: readonly StoredChunk[];
  readonly events: readonly EventRecord[];
}

interface OpenChunk extends StoredChunk {
  /** Points that the file had when it was read: what stands there stays, whatever the clock says now. */
  readonly guarded: Set<number>;
  isDirty: boolean;
}

/** Hours that a disk may be full for. */
const mostDirtyHours = 48;
const mostEvents = 10_000;

export class Archive {
  /** undefined = it cannot be opened now. */
  #file: ArchiveFile | undefined;
  readonly #keep: HistoryConfig['keep'];
  readonly #open = new Map<string, OpenChunk>();
  #events: EventRecord[] = [];
  /** Points and events that were given up because they could not be written for too long, or there are too many series. */
  leftOut = 0;

  constructor(keep: HistoryConfig['keep']) {
    this.#keep = keep;
  }

  set file(file: ArchiveFile | undefined) {
    this.#file = file;
  }

  get hasUnwritten(): boolean {
    return this.#events.length > 0 || [...this.#open.values()].some(({ isDirty }) => isDirty);
  }

  restore({ chunks, events }: UnwrittenState): void {
    for (const chunk of chunks) {
      const open = this.#chunk(chunk, levelOf(chunk.level), chunk.start);
      if (open.values.length !== chunk.values.length) continue;
      open.values.set(chunk.values);
      open.isDirty = true;
    }
    this.#events.push(...events);
  }

  unwritten(): UnwrittenState {
    const chunks = this.#dirty().map(({ kind, name, level, start, values }) => ({ kind, name, level, start, values }));
    return { chunks, events: this.#events };
  }

  /** A minute of which a part was seen before: it may be put again. */
  reopen(series: SeriesName, minute: number): void {
    const { points } = minuteLevel;
    this.#chunk(series, minuteLevel, Math.floor(minute / points)).guarded.delete(minute % points);
  }

  /** `minute`: minutes since 1970. */
  put(series: SeriesName, minute: number, point: Point): void {
    const { points } = minuteLevel;
    const chunk = this.#chunk(series, minuteLevel, Math.floor(minute / points));
    const index = minute % points;
    if (chunk.guarded.has(index)) return;
    chunk.values.set(point, index * point.length);
    chunk.isDirty = true;
  }

  addEvent(event: EventRecord): void {
    this.#events.push(event);
    const tooMany = this.#events.length - mostEvents;
    if (tooMany > 0) this.#events.splice(0, tooMany);
    this.leftOut += Math.max(0, tooMany);
  }

  /** Brings what is new to the file. Throws what SQLite says; everything is then still here, and is tried again. */
  write(): void {
    this.#makeHours();
    this.#giveUpOldest();
    if (this.#file === undefined) return;
    const dirty = this.#dirty().filter(({ level }) => this.#isKept(level));
    this.leftOut += this.#file.write(dirty, this.#events);
    this.#events = [];
    for (const chunk of this.#open.values()) chunk.isDirty = false;
    this.#closePast();
  }

  /** What there is of a level, written or not, in the order of time. `first`, `last`: numbers of chunks. */
  read(series: SeriesName, level: Level, first: number, last: number): StoredChunk[] {
    if (level === hourLevel) this.#makeHours();
    const found = new Map<number, StoredChunk>();
    for (const chunk of this.#file?.readAll(series, level.name, first, last) ?? []) found.set(chunk.start, chunk);
    for (const chunk of this.#open.values()) {
      const isAsked = chunk.level === level.name && chunk.start >= first && chunk.start <= last;
      if (isAsked && keyOf(chunk) === keyOf(series)) found.set(chunk.start, chunk);
    }
    return [...found.values()].sort((a, b) => a.start - b.start);
  }

  events(fromMs: number, toMs: number, most: number, isWanted: (record: EventRecord) => boolean): EventRecord[] {
    const isIn = (event: EventRecord): boolean => event.timeMs >= fromMs && event.timeMs < toMs && isWanted(event);
    const written = this.#file?.events(fromMs, toMs, most, isWanted) ?? [];
    return [...written, ...this.#events.filter(isIn)].slice(-most);
  }

  series(): SeriesName[] {
    const all = new Map((this.#file?.series() ?? []).map((one) => [keyOf(one), one]));
    for (const { kind, name } of this.#open.values()) all.set(keyOf({ kind, name }), { kind, name });
    return [...all.values()].sort((a, b) => keyOf(a).localeCompare(keyOf(b)));
  }

  #isKept(level: Level['name']): boolean {
    return (level === 'minute' ? this.#keep.minuteS : this.#keep.hourS) > 0;
  }

  #dirty(): OpenChunk[] {
    return [...this.#open.values()].filter(({ isDirty }) => isDirty);
  }

  #makeHours(): void {
    for (const chunk of this.#dirty()) {
      if (chunk.level !== 'minute') continue;
      const columns = historyColumns[chunk.kind];
      const minutes = pointsOf(chunk.values, columns.length).map(({ point }) => point);
      if (minutes.length === 0) continue;
      const day = this.#chunk(chunk, hourLevel, Math.floor(chunk.start / hourLevel.points));
      day.values.set(mergePoints(columns, minutes), (chunk.start % hourLevel.points) * columns.length);
      day.isDirty = true;
    }
  }

  /** What could not be written for days is given up, so that it takes no more memory. */
  #giveUpOldest(): void {
    const hours = [...new Set(this.#dirty().flatMap(({ level, start }) => (level === 'minute' ? [start] : [])))];
    if (hours.length <= mostDirtyHours) return;
    const gone = new Set(hours.slice(0, hours.length - mostDirtyHours));
    for (const [key, { level, start }] of this.#open) {
      if (level !== 'minute' || !gone.has(start)) continue;
      this.#open.delete(key);
      this.leftOut += 1;
    }
  }

  /** Of each series and level the chunk that was filled last stays. */
  #closePast(): void {
    const latest = new Map<string, string>();
    for (const [key, chunk] of this.#open) {
      const of = `${chunk.level} ${keyOf(chunk)}`;
      const before = latest.get(of);
      if (before !== undefined) this.#open.delete(before);
      latest.set(of, key);
    }
  }

  #chunk(series: SeriesName, level: Level, start: number): OpenChunk {
    const key = `${level.name} ${start} ${keyOf(series)}`;
    const known = this.#open.get(key);
    if (known !== undefined) return known;
    const { kind, name } = series;
    const width = historyColumns[kind].length;
    const stored = this.#file?.read({ kind, name, level: level.name, start });
    const values = stored ?? emptyValues(kind, level);
    const guarded = new Set(level === minuteLevel ? pointsOf(values, width).map(({ index }) => index) : []);
    const chunk: OpenChunk = { kind, name, level: level.name, start, values, guarded, isDirty: false };
    this.#open.set(key, chunk);
    return chunk;
  }
}

function levelOf(name: Level['name']): Level {
  return name === 'minute' ? minuteLevel : hourLevel;
}

function emptyValues(kind: HistoryKind, { points }: Level): Float32Array {
  return emptyPoint(points * historyColumns[kind].length);
}
