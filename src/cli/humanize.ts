/** Numbers as people read them, and tables of them. */
import { styleText } from 'node:util';

export {
  humanAge,
  humanBytes,
  humanCount,
  humanDuration,
  humanMicros,
  humanMs,
  humanPercent,
  humanRate,
} from '../control/human-numbers.ts';

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
