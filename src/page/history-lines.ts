/** What the daemon's history answers, as lines of a plot. Pure. */
import type { Lines } from './series.ts';

/** Seconds of unix time in the first column. */
export interface HistoryAnswer {
  readonly step: number;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly (number | null)[])[];
}

/** On one axis of time; columns by the names that history gives them. */
export function joined(ways: readonly string[], colours: readonly number[], answers: readonly HistoryAnswer[]): Lines {
  const times = [...new Set(answers.flatMap(({ rows }) => rows.map(([time]) => time ?? 0)))].sort((a, b) => a - b);
  const lineOf = ({ columns, rows }: HistoryAnswer, name: string): (number | null)[] => {
    const column = columns.indexOf(name);
    const byTime = new Map(rows.map((row) => [row[0], row[column] ?? null]));
    return times.map((time) => (column < 0 ? null : (byTime.get(time) ?? null)));
  };
  return {
    times,
    ways,
    colours,
    sentBps: answers.map((answer) => lineOf(answer, 'sentBps')),
    receivedBps: answers.map((answer) => lineOf(answer, 'receivedBps')),
    rttMs: answers.map((answer) => lineOf(answer, 'rttMs')),
  };
}
