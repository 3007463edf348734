/** Answers questions about the history: which level, the points of it, and rows of the step that was asked for. */
import { HawserError } from '../../base/errors.ts';
import type { HistoryConfig } from '../../config/history-schema.ts';
import type { EventRecord } from '../../control/events.ts';
import { type HistoryAnswer, type HistoryQuestion, historyColumns } from '../../control/history.ts';
import type { Archive } from './archive.ts';
import { keyOf, type SeriesName } from './archive-file.ts';
import { hourLevel, type Level, mergePoints, minuteLevel, type Point, pointsOf } from './points.ts';
import type { RecentFile } from './recent-file.ts';

/** Of one answer. */
const mostRows = 10_000;
const mostEvents = 500;
/** Without a step: so many rows at most. */
const usualRows = 1500;
const dayS = 86_400;

export interface QuerySources {
  readonly archive: Archive;
  readonly recent: RecentFile | undefined;
  readonly keep: HistoryConfig['keep'];
  readonly nowS: number;
}

/** `wanted`: seconds of a row; `isAsked`: by whoever asks, and not because it suits. */
interface SpanWish {
  readonly from: number;
  readonly to: number;
  readonly wanted: number;
  readonly isAsked: boolean;
}

interface Timed {
  readonly atS: number;
  readonly point: Point;
}

/** Throws NO_HISTORY for a name that nothing was ever kept of, HISTORY_SPAN for a span that ends before it begins. */
export function answerHistory(sources: QuerySources, question: HistoryQuestion): HistoryAnswer {
  const { archive, nowS } = sources;
  const { kind, name } = question;
  const series: SeriesName = { kind, name };
  refuseUnknown(archive, series);
  const to = question.to ?? Math.floor(nowS) + 1;
  const from = question.from ?? Math.max(0, to - dayS);
  if (from >= to)
    throw new HawserError(
      'HISTORY_SPAN',
      `From ${from} to ${to} is no span of time`,
      'seconds since 1970, the earlier one first',
    );
  const wanted = question.step ?? Math.ceil((to - from) / usualRows);
  const levelS = chooseLevel(sources, series, { from, to, wanted, isAsked: question.step !== undefined });
  const least = Math.max(levelS, wanted, Math.ceil((to - from) / mostRows));
  const step = Math.ceil(least / levelS) * levelS;
  const columns = historyColumns[kind];
  const begins = Math.floor(from / levelS) * levelS;
  const points =
    levelS === 1 ? readSeconds(sources, series, begins, to) : readLevel(archive, series, levelOf(levelS), begins, to);
  return {
    kind,
    name,
    from,
    to,
    step,
    columns: ['time', ...columns.map((column) => column.name)],
    rows: toRows(points, step, (some) => mergePoints(columns, some)),
    events: archive.events(from * 1000, to * 1000, mostEvents, (event) => concerns(event, series)),
  };
}

function refuseUnknown(archive: Archive, series: SeriesName): void {
  const known = archive.series();
  if (known.some((one) => keyOf(one) === keyOf(series))) return;
  const names = known.filter(({ kind }) => kind === series.kind).map(({ name }) => name);
  const some = names.slice(0, 20).join(', ');
  const remedy =
    names.length === 0 ? 'the first minute is not over yet' : `there are: ${some}${names.length > 20 ? ' …' : ''}`;
  throw new HawserError('NO_HISTORY', `There is no history of ${series.kind} "${series.name}"`, remedy);
}

/** The finest one that is not finer than what was asked for, or else the finest that reaches back so far. */
function chooseLevel(
  { recent, keep, nowS }: QuerySources,
  { kind }: SeriesName,
  { from, to, wanted, isAsked }: SpanWish,
): number {
  const reaches = (keptS: number): boolean => from >= nowS - keptS - 120;
  const span = kind === 'client' ? undefined : recent?.span();
  // Seconds may have begun later than minutes: whoever asks for them by a step gets them all the same.
  const hasSeconds =
    span !== undefined && to > span.fromS && (isAsked ? reaches(keep.secondS) : from >= span.fromS - 60);
  if (wanted < 60 && hasSeconds) return 1;
  if (keep.minuteS > 0 && (keep.hourS === 0 || (wanted < 3600 && reaches(keep.minuteS)))) return minuteLevel.stepS;
  return hourLevel.stepS;
}

function levelOf(levelS: number): Level {
  return levelS === minuteLevel.stepS ? minuteLevel : hourLevel;
}

function readSeconds({ recent }: QuerySources, series: SeriesName, fromS: number, toS: number): Timed[] {
  return recent?.read(series, fromS, toS) ?? [];
}

function readLevel(archive: Archive, series: SeriesName, level: Level, fromS: number, toS: number): Timed[] {
  const width = historyColumns[series.kind].length;
  const chunkS = level.stepS * level.points;
  const chunks = archive.read(series, level, Math.floor(fromS / chunkS), Math.floor((toS - 1) / chunkS));
  return chunks.flatMap(({ start, values }) =>
    pointsOf(values, width)
      .map(({ index, point }) => ({ atS: start * chunkS + index * level.stepS, point }))
      .filter(({ atS }) => atS >= fromS && atS < toS),
  );
}

/** Steps begin at multiples of themselves. */
function toRows(
  points: readonly Timed[],
  step: number,
  merge: (points: readonly Point[]) => Point,
): (number | null)[][] {
  const rows: (number | null)[][] = [];
  let gathered: Point[] = [];
  let atS = Number.NaN;
  const end = (): void => {
    if (gathered.length > 0)
      rows.push([atS, ...Array.from(gathered.length === 1 ? (gathered[0] as Point) : merge(gathered), shown)]);
    gathered = [];
  };
  for (const one of points) {
    const begins = Math.floor(one.atS / step) * step;
    if (begins !== atS) end();
    atS = begins;
    gathered.push(one.point);
  }
  end();
  return rows;
}

/** Thousandths are enough of a millisecond and of a percent; bits have none. */
function shown(value: number): number | null {
  return Number.isNaN(value) ? null : Math.round(value * 1000) / 1000;
}

const ofAll = new Set(['ready', 'stopping', 'reload', 'reload-failed', 'cut-off', 'default-route', 'left-out']);

/** Whether an event is about `series`, or about the instance. */
export function concerns(event: EventRecord, { kind, name }: SeriesName): boolean {
  if (ofAll.has(event.kind)) return true;
  const fields = event as { readonly [field in 'link' | 'peer' | 'client' | 'from' | 'to']?: unknown };
  if (kind === 'client') return fields.client === name || fields.peer === name;
  const [peerName, linkName] = kind === 'link' ? [undefined, name] : name.split('/');
  const isOfPeer = peerName === undefined || fields.peer === undefined || fields.peer === peerName;
  const named = [fields.link, fields.from, fields.to].filter((one) => typeof one === 'string');
  return isOfPeer && named.some((one) => one.split(/[,\s]+/).some((word) => word.split('/')[0] === linkName));
}
