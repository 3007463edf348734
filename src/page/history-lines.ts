/** What the daemon's history answers, as lines of a plot. Pure. */
import type { HistoryAnswer } from '../control/history.ts';
import type { Lines } from './series.ts';

type Rows = Pick<HistoryAnswer, 'columns' | 'rows' | 'step'>;

/** On one axis of time. Where all rows are left out, because nobody measured, the lines break off. */
export function joined(ways: readonly string[], colours: readonly number[], answers: readonly Rows[]): Lines {
  const stepS = Math.max(1, ...answers.map(({ step }) => step));
  const told = [...new Set(answers.flatMap(({ rows }) => rows.map(([time]) => time ?? 0)))].sort((a, b) => a - b);
  const times = told.flatMap((time, at) => {
    const isLast = at === told.length - 1;
    return isLast || (told[at + 1] ?? 0) - time < 1.5 * stepS ? [time] : [time, time + stepS];
  });
  const lineOf = ({ columns, rows }: Rows, name: string): (number | null)[] => {
    const column = columns.indexOf(name);
    const byTime = new Map(rows.map((row) => [row[0], row[column] ?? null]));
    return times.map((time) => (column < 0 ? null : (byTime.get(time) ?? null)));
  };
  return {
    times,
    ways,
    colours,
    sentBps: answers.map((answer) => lineOf(answer, 'outBps')),
    receivedBps: answers.map((answer) => lineOf(answer, 'inBps')),
    rttMs: answers.map((answer) => lineOf(answer, 'rttMs')),
  };
}
