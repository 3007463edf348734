/**
 * A table of results that is committed beside its test: a run is compared with it cell by cell, so that a regression is a diff.
 * HAWSER_TABLES=write writes it anew instead.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';

export interface Column {
  readonly name: string;
  readonly digits: number;
  /** How far a run may be from the table: the larger of both. */
  readonly absolute: number;
  readonly relative: number;
}

export interface Row {
  readonly name: string;
  /** One per column; undefined = does not apply. */
  readonly values: readonly (number | undefined)[];
}

/** Sources are not beside the compiled tests. */
const folder = path.resolve(import.meta.dirname, '../../../test/sim');

function format(value: number | undefined, digits: number): string {
  return value === undefined ? '–' : Number.isFinite(value) ? value.toFixed(digits) : 'never';
}

function parse(text: string | undefined): number | undefined {
  return text === undefined || text === '–' ? undefined : text === 'never' ? Number.POSITIVE_INFINITY : Number(text);
}

export function writeTable(file: string, title: string, columns: readonly Column[], rows: readonly Row[]): void {
  const lines = rows.map(
    (row) => `| ${row.name} | ${columns.map((column, at) => format(row.values[at], column.digits)).join(' | ')} |`,
  );
  const head = [
    `| | ${columns.map((column) => column.name).join(' | ')} |`,
    `|---|${columns.map(() => '--:|').join('')}`,
  ];
  writeFileSync(path.join(folder, file), `${title}\n\n${[...head, ...lines].join('\n')}\n`);
}

/** What differs by more than the columns allow; empty = nothing. Writes the table instead when asked to. */
export function compareWithTable(
  file: string,
  title: string,
  columns: readonly Column[],
  rows: readonly Row[],
): readonly string[] {
  if (process.env.HAWSER_TABLES === 'write') {
    writeTable(file, title, columns, rows);
    return [];
  }
  const known = new Map<string, readonly string[]>();
  for (const line of readFileSync(path.join(folder, file), 'utf8').split('\n')) {
    const [, name, ...cells] = line.split('|').map((cell) => cell.trim());
    if (name !== undefined && name !== '') known.set(name, cells);
  }
  return rows.flatMap((row) => {
    const cells = known.get(row.name);
    if (cells === undefined) return [`${row.name}: not in ${file} (HAWSER_TABLES=write writes it)`];
    return columns.flatMap((column, at) => {
      const before = parse(cells[at]);
      const now = row.values[at];
      const far = isFar(column, before, now);
      return far ? [`${row.name}: ${column.name} was ${cells[at]}, is ${format(now, column.digits)}`] : [];
    });
  });
}

function isFar(column: Column, before: number | undefined, now: number | undefined): boolean {
  if (before === undefined || now === undefined) return before !== now;
  if (before === now) return false;
  return !(Math.abs(now - before) <= Math.max(column.absolute, column.relative * Math.abs(before)));
}
