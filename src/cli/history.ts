/** `hawser history`: what a link, path or client carried, drawn in the terminal; how large the history is. */
import type { Command } from 'commander';
import { textOfEvent } from '../control/event-text.ts';
import type { EventRecord } from '../control/events.ts';
import { type HistoryAnswer, type HistoryInfo, type HistoryKind, historyKinds } from '../control/history.ts';
import { ask } from './control-client.ts';
import { usageError } from './exit.ts';
import { bold, formatTable, humanBytes, humanDuration, humanMs, humanPercent, humanRate } from './humanize.ts';
import { addInstanceCommand, type InstanceOptions, printResult } from './instance-command.ts';
import { drawMarks, drawPanel, drawTimes, intoPlaces, plotColumns } from './plot.ts';

interface HistoryOptions extends InstanceOptions {
  readonly kind: string;
  readonly since?: string;
  readonly until?: string;
  readonly step?: string;
  readonly size?: true;
}

const unitsS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400 };
const panelRows = 5;
const letters = 'abcdefghijklmnopqrstuvwxyz';
const widestPlot = 160;

export function addHistoryCommand(program: Command): void {
  addInstanceCommand(program, 'history', 'draw what a link, a path or a client carried, and what happened meanwhile')
    .argument('[name]', 'a link, or what --kind says; without it, what there is a history of')
    .option('--kind <kind>', `${historyKinds.join(', ')}`, 'link')
    .option('--since <when>', 'how long ago, such as 30m, 1d, 400d, or a time such as 2026-11-29T18:00 (default: 1d)')
    .option('--until <when>', 'the same (default: now)')
    .option('--step <duration>', 'of a row, such as 1s, 5m, 1h (default: what suits the span)')
    .option('--size', 'show how large the history is, and at most becomes')
    .addHelpText(
      'after',
      '\nExamples:\n  hawser history fibre --since 1d\n  hawser history fibre --since 10m --step 1s\n  hawser history --kind path hub/lte/udp --since 30d --json\n  hawser history --size\n',
    )
    .action(runHistory);
}

async function runHistory(name: string | undefined, options: HistoryOptions): Promise<void> {
  const kind = historyKinds.find((one) => one === options.kind);
  if (kind === undefined) throw usageError(`--kind is "${options.kind}"`, `one of ${historyKinds.join(', ')}`);
  if (options.size === true) return printResult(options, await ask(options, 'history.info'), sizeLines);
  if (name === undefined) return printResult(options, await ask(options, 'history.info'), seriesLines);
  const nowS = Date.now() / 1000;
  const from = timeOf('--since', options.since ?? '1d', nowS);
  const to = options.until === undefined ? undefined : timeOf('--until', options.until, nowS);
  if (from >= (to ?? nowS)) throw usageError('--since is not before --until', 'such as --since 2d --until 1d');
  const step = options.step === undefined ? undefined : durationOf('--step', options.step);
  const question = { kind, name, from, ...(to === undefined ? {} : { to }), ...(step === undefined ? {} : { step }) };
  const answer = await ask(options, 'history', question);
  printResult(options, answer, (one) => historyLines(one, Math.min(widestPlot, process.stdout.columns ?? 80)));
}

/** `2h` → 7200. */
function durationOf(option: string, text: string): number {
  const match = /^(\d{1,6})([smhd])$/.exec(text);
  const seconds = match === null ? 0 : Number(match[1]) * (unitsS[match[2] ?? ''] ?? 0);
  if (seconds === 0) throw usageError(`${option} is "${text}"`, 'a number with s, m, h or d, such as 30m');
  return seconds;
}

/** Seconds since 1970. */
function timeOf(option: string, text: string, nowS: number): number {
  if (/^\d{1,6}[smhd]$/.test(text)) return Math.max(0, Math.floor(nowS - durationOf(option, text)));
  const atMs = /^\d{4}-\d{2}-\d{2}/.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(atMs)) throw usageError(`${option} is "${text}"`, 'such as 30m, 1d, or 2026-11-29T18:00');
  return Math.max(0, Math.floor(atMs / 1000));
}

/** `width`: of the terminal. */
export function historyLines(answer: HistoryAnswer, width: number): string[] {
  const { kind, name, from, to, step, rows, columns } = answer;
  const head = `${bold(name)} (${kind}), ${humanDuration((to - from) * 1000)}, ${humanDuration(step * 1000)} a row`;
  if (rows.length === 0) return [head, 'Nothing was measured in this time.'];
  const count = plotColumns(width) * 2;
  const place = { fromS: from, toS: to, stepS: step, count };
  const read = (column: string, merge: 'mean' | 'max'): (number | null)[] => {
    const at = columns.indexOf(column);
    return intoPlaces(
      rows.map((row) => ({ atS: row[0] ?? 0, value: row[at] ?? null })),
      place,
      merge,
    );
  };
  const panels = [
    { title: 'in', values: read('inBps', 'mean'), peaks: read('inMaxBps', 'max'), format: humanRate },
    { title: 'out', values: read('outBps', 'mean'), peaks: read('outMaxBps', 'max'), format: humanRate },
  ];
  const ways = [
    { title: 'round trip', values: read('rttMs', 'mean'), peaks: read('rttMaxMs', 'max'), format: humanMs },
    { title: 'loss', values: read('lossPercent', 'mean'), format: humanPercent },
  ];
  const shown =
    kind === 'client' ? panels : [...panels, ...ways.filter(({ values }) => values.some((one) => (one ?? 0) > 0))];
  const marked = markedEvents(answer);
  const marks = marked.map(({ event, letter }) => ({ place: (event.timeMs / 1000 - from) / (to - from), letter }));
  return [
    head,
    ...shown.flatMap((panel) => drawPanel(panel, panelRows)),
    drawTimes(from, to, plotColumns(width), (atS) => clock(atS, to - from)),
    ...(marks.length === 0 ? [] : [drawMarks(marks, plotColumns(width)), '']),
    ...marked.map(({ event, letter }) => `${letter} ${eventLine(event)}`.slice(0, width)),
  ];
}

/** As many as there are letters; failovers and what ends a path before all others. */
function markedEvents({ events }: HistoryAnswer): { readonly event: EventRecord; readonly letter: string }[] {
  const isGrave = ({ kind }: EventRecord): boolean =>
    /failover|failback|down|dead|cut-off|flapping|ready|stopping/.test(kind);
  const grave = events.filter(isGrave).slice(-letters.length);
  const room = letters.length - grave.length;
  const others = room === 0 ? [] : events.filter((event) => !isGrave(event)).slice(-room);
  const chosen = [...grave, ...others].sort((a, b) => a.timeMs - b.timeMs);
  return chosen.map((event, index) => ({ event, letter: letters[index] ?? '?' }));
}

function eventLine(event: EventRecord): string {
  return `${new Date(event.timeMs).toISOString().slice(0, 19)}Z  ${event.kind}  ${textOfEvent(event)}`;
}

/** In the time of whoever looks. */
function clock(atS: number, spanS: number): string {
  const at = new Date(atS * 1000);
  const two = (value: number): string => String(value).padStart(2, '0');
  const time = `${two(at.getHours())}:${two(at.getMinutes())}`;
  const day = `${two(at.getMonth() + 1)}-${two(at.getDate())}`;
  if (spanS <= 600) return `${time}:${two(at.getSeconds())}`;
  if (spanS <= 86_400 * 1.5) return time;
  return spanS <= 86_400 * 10 ? `${day} ${time}` : `${at.getFullYear()}-${day}`;
}

export function sizeLines(info: HistoryInfo): string[] {
  const { second, minute, hour } = info.keepS;
  const kept = (seconds: number): string => (seconds === 0 ? 'off' : humanDuration(seconds * 1000));
  const perDay =
    info.writtenBytesPerDay === undefined ? 'after an hour it is known' : humanBytes(info.writtenBytesPerDay);
  return [
    `file        ${info.file}: ${humanBytes(info.fileBytes)}`,
    `at most     ${humanBytes(info.promisedBytes)} with what there is a history of now, ${humanBytes(info.mostBytes)} whatever comes`,
    `in memory   ${info.recentFile}: ${humanBytes(info.recentBytes)}`,
    `kept        seconds ${kept(second)}, minutes ${kept(minute)}, hours ${kept(hour)}, ${info.events} events`,
    `written     ${humanBytes(info.writtenBytes)} since the start, in a day: ${perDay}`,
    `of          ${count(info, 'link')}, ${count(info, 'path')}, ${count(info, 'client')}`,
    ...(info.trouble === undefined ? [] : [`trouble     ${info.trouble}`]),
  ];
}

function count({ series }: HistoryInfo, kind: HistoryKind): string {
  const found = series.filter((one) => one.kind === kind).length;
  return `${found} ${kind}${found === 1 ? '' : 's'}`;
}

function seriesLines({ series }: HistoryInfo): string[] {
  return formatTable(
    [
      { heading: 'KIND', text: ({ kind }) => kind },
      { heading: 'NAME', text: ({ name }) => name },
    ],
    series,
    'Nothing yet: the first minute is not over.',
  );
}
