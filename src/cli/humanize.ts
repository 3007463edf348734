/** Numbers as people read them, and tables of them. */
import { styleText } from 'node:util';

/** 1536 → `1.5 KiB` */
export function humanBytes(value: number): string {
  return scaled(value, 1024, ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB']);
}

/** Bits a second: 1500000 → `1.5 Mbit/s` */
export function humanRate(bps: number): string {
  return scaled(bps, 1000, ['bit/s', 'kbit/s', 'Mbit/s', 'Gbit/s', 'Tbit/s']);
}

/** 12345 → `12.3 k` */
export function humanCount(value: number): string {
  return value < 10_000 ? String(Math.round(value)) : scaled(value, 1000, ['', 'k', 'M', 'G', 'T']);
}

/** The two largest units: 93784000 → `1 d 2 h`; `350 ms` below a second. */
export function humanDuration(valueMs: number): string {
  if (valueMs < 1000) return `${Math.round(valueMs)} ms`;
  const seconds = Math.floor(valueMs / 1000);
  const parts: [number, string][] = [
    [Math.floor(seconds / 86_400), 'd'],
    [Math.floor(seconds / 3600) % 24, 'h'],
    [Math.floor(seconds / 60) % 60, 'min'],
    [seconds % 60, 's'],
  ];
  const first = parts.findIndex(([value]) => value > 0);
  const shown = parts.slice(first, first + 2).filter(([value], index) => index === 0 || value > 0);
  return shown.map(([value, unit]) => `${value} ${unit}`).join(' ');
}

/** undefined = never. */
export function humanAge(ageMs: number | undefined): string {
  return ageMs === undefined ? 'never' : `${humanDuration(ageMs)} ago`;
}

/** Microseconds of a turn: 1500 → `1.5 ms` */
export function humanMicros(valueUs: number): string {
  if (valueUs < 1000) return `${Math.round(valueUs)} us`;
  return valueUs < 1e6 ? `${trimmed(valueUs / 1000)} ms` : `${trimmed(valueUs / 1e6)} s`;
}

/** Milliseconds as measured: `0.4 ms`, `38 ms`; undefined = not known. */
export function humanMs(value: number | undefined): string {
  if (value === undefined) return '-';
  return `${value < 10 ? trimmed(value) : Math.round(value)} ms`;
}

/** 0 to 100; undefined = not known. */
export function humanPercent(value: number | undefined): string {
  return value === undefined ? '-' : `${value > 0 && value < 10 ? value.toFixed(1) : Math.round(value)} %`;
}

function scaled(value: number, step: number, units: readonly string[]): string {
  let rest = value;
  let index = 0;
  while (rest >= step && index < units.length - 1) {
    rest /= step;
    index += 1;
  }
  return `${index === 0 ? Math.round(rest) : trimmed(rest)} ${units[index]}`.trimEnd();
}

function trimmed(value: number): string {
  return value < 100 ? value.toFixed(1).replace(/\.0$/, '') : String(Math.round(value));
}

/** A column: its heading, how to read it from a row, and numbers to the right. */
export interface Column<Row> {
  readonly heading: string;
  readonly align?: 'right';
  /** Left out, the last one first, when the terminal is too narrow. */
  readonly optional?: true;
  readonly text: (row: Row) => string;
}

const gap = '  ';

/** Lines of an aligned table; the heading is bold on a terminal. `none` stands there when there are no rows. */
export function formatTable<Row>(
  columns: readonly Column<Row>[],
  rows: readonly Row[],
  none: string,
  widest = process.stdout.columns ?? Number.POSITIVE_INFINITY,
): string[] {
  if (rows.length === 0) return [none];
  const all = columns.map((column) => layOut(column, rows));
  const shown = fit(all, widest);
  const lines = rows.map((_, index) => join(shown.map((laid) => laid.cells[index] ?? '')));
  return [bold(join(shown.map((laid) => laid.heading))), ...lines];
}

interface LaidOut {
  readonly heading: string;
  readonly cells: readonly string[];
  readonly isOptional: boolean;
}

function layOut<Row>(column: Column<Row>, rows: readonly Row[]): LaidOut {
  const texts = rows.map(column.text);
  const width = Math.max(column.heading.length, ...texts.map((text) => text.length));
  const pad = (text: string): string => (column.align === 'right' ? text.padStart(width) : text.padEnd(width));
  return { heading: pad(column.heading), cells: texts.map(pad), isOptional: column.optional === true };
}

function fit(columns: readonly LaidOut[], widest: number): readonly LaidOut[] {
  const width = columns.reduce((sum, column) => sum + column.heading.length + gap.length, -gap.length);
  const last = columns.findLastIndex((column) => column.isOptional);
  return width <= widest || last < 0 ? columns : fit(columns.toSpliced(last, 1), widest);
}

function join(texts: readonly string[]): string {
  return texts.join(gap).trimEnd();
}

/** Bold where a person looks at it; files and pipes get plain text. */
export function bold(text: string): string {
  const isPlain = !process.stdout.isTTY || process.env.NO_COLOR !== undefined;
  return isPlain ? text : styleText('bold', text);
}
