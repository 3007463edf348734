/** Rates (or shares) and round trips by the second, with what happened as marks. uPlot draws; words and marks are the page's own. */
import { signal } from '@preact/signals';
import type { JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import type { EventRecord } from '../control/events.ts';
import { humanMs, humanPercent, humanRate } from '../control/human-numbers.ts';
import { useHistory } from './history.ts';
import { Card, Choice } from './parts.tsx';
import { Chart, type ChartKind, type Values } from './plot-chart.ts';
import { isLoss, isMark, sentenceOf } from './sentences.ts';
import { type Lines, shares } from './series.ts';
import { events, series, top } from './state.ts';
import { isDark } from './theme.ts';

type Measure = 'received' | 'sent' | 'shares';
const measures: readonly (readonly [Measure, string])[] = [
  ['received', 'Received'],
  ['sent', 'Sent'],
  ['shares', 'Shares'],
];
const liveSpans = [
  ['120', '2 min'],
  ['900', '15 min'],
] as const;
const longSpans = [
  ['3600', '1 h'],
  ['86400', '1 d'],
  ['604800', '7 d'],
] as const;
type Span = (typeof liveSpans)[number][0] | (typeof longSpans)[number][0];

const kinds: Readonly<Record<Measure, ChartKind>> = { received: 'rate', sent: 'rate', shares: 'share' };
const titles: Readonly<Record<Measure, string>> = {
  received: 'Received, by link',
  sent: 'Sent, by link',
  shares: 'Share of each link in all traffic',
};

/** Index of the sample under the pointer, in both pictures; undefined = the last one. */
const pointed = signal<number | undefined>(undefined);

export function Plots(): JSX.Element {
  const [measure, setMeasure] = useState<Measure>('received');
  const [span, setSpan] = useState<Span>('120');
  const spanS = Number(span);
  const isLive = liveSpans.some(([seconds]) => seconds === span);
  const history = useHistory(isLive ? undefined : spanS);
  // Each answer of the daemon draws anew; without any the picture stands still.
  const toS = top.value === undefined ? 0 : (series.lastS ?? 0);
  const fromS = toS - spanS;
  const lines = isLive ? series.lines(fromS) : (history.lines ?? series.lines(fromS));
  const marks = marksOf(isLive ? events.value : history.events, fromS, toS);
  const frame = {
    times: lines.times,
    ways: lines.ways,
    colours: lines.colours,
    range: [fromS, toS] as [number, number],
    marks,
  };
  return (
    <Card
      title="Traffic and round trips"
      class="plots"
      actions={
        <>
          <Choice label="What is drawn" options={measures} value={measure} onChoose={setMeasure} />
          <Choice
            label="How far back"
            options={history.isThere ? [...liveSpans, ...longSpans] : liveSpans}
            value={span}
            onChoose={setSpan}
          />
        </>
      }
    >
      <Picture {...frame} title={titles[measure]} kind={kinds[measure]} values={valuesOf(lines, measure)} hasMarks />
      <Picture {...frame} title="Round trip" kind="roundTrip" values={lines.rttMs} />
      <LastMark marks={marks} />
    </Card>
  );
}

function valuesOf(lines: Lines, measure: Measure): Values {
  if (measure === 'received') return lines.receivedBps;
  if (measure === 'sent') return lines.sentBps;
  return shares(
    lines.sentBps.map((line, way) => line.map((sent, at) => sum(sent, lines.receivedBps[way]?.[at] ?? null))),
  );
}

function sum(a: number | null, b: number | null): number | null {
  return a === null || b === null ? null : a + b;
}

interface Mark {
  readonly atS: number;
  /** Of all that happened at about that time. */
  readonly events: readonly EventRecord[];
}

/** Marks that would stand on each other are one. */
function marksOf(all: readonly EventRecord[], fromS: number, toS: number): Mark[] {
  const nearS = (toS - fromS) / 60;
  const marks: { atS: number; events: EventRecord[] }[] = [];
  for (const event of all) {
    const atS = event.timeMs / 1000;
    if (!isMark(event) || atS < fromS) continue;
    const last = marks.at(-1);
    if (last !== undefined && atS - last.atS < nearS) last.events.push(event);
    else marks.push({ atS: Math.min(atS, toS), events: [event] });
  }
  return marks;
}

interface PictureProps {
  readonly title: string;
  readonly kind: ChartKind;
  readonly times: readonly number[];
  readonly ways: readonly string[];
  readonly colours: readonly number[];
  readonly values: Values;
  readonly range: [number, number];
  readonly marks: readonly Mark[];
  readonly hasMarks?: true;
}

function Picture({ title, kind, times, ways, colours, values, range, marks, hasMarks }: PictureProps): JSX.Element {
  const root = useRef<HTMLDivElement>(null);
  const chart = useRef<Chart>(null);
  const coloured = colours.join();
  const theme = isDark.value;
  useEffect(() => {
    if (root.current === null) return undefined;
    const point = (index: number | undefined): void => {
      pointed.value = index;
    };
    const made = new Chart(root.current, { kind, colours, point });
    made.draw(times, values, range);
    chart.current = made;
    return () => made.destroy();
    // A chart knows its colours and its lines from the beginning.
  }, [kind, coloured, theme]);
  useEffect(() => chart.current?.draw(times, values, range), [times, values, range[0], range[1]]);
  const index = pointed.value ?? times.length - 1;
  const at = (way: number): string => textOf(kind, values[way]?.[index] ?? undefined);
  return (
    <figure class={`picture ${kind}`}>
      <figcaption>
        <span class="title">{title}</span>
        {ways.map((name, way) => (
          <span class="key" key={name}>
            <span class={`swatch way${colours[way]}`} aria-hidden="true" />
            {name} <b>{at(way)}</b>
          </span>
        ))}
      </figcaption>
      <div class="canvas">
        <div
          ref={root}
          role="img"
          aria-label={`${title}: ${ways.map((name, way) => `${name} ${at(way)}`).join(', ')}`}
        />
        <div class="marks">
          {marks.map((mark) => (
            <MarkLine
              key={mark.atS}
              mark={mark}
              left={(mark.atS - range[0]) / (range[1] - range[0])}
              isNamed={hasMarks === true}
            />
          ))}
        </div>
      </div>
    </figure>
  );
}

function textOf(kind: ChartKind, value: number | undefined): string {
  if (value === undefined) return '–';
  if (kind === 'rate') return humanRate(value);
  return kind === 'share' ? humanPercent(value) : humanMs(value);
}

function MarkLine({ mark, left, isNamed }: { mark: Mark; left: number; isNamed: boolean }): JSX.Element {
  const tone = mark.events.some(isLoss) ? 'loss' : 'gain';
  const place = { left: `${100 * left}%` };
  if (!isNamed) return <span class={`mark ${tone}`} style={place} aria-hidden="true" />;
  const sentences = mark.events.slice(-4).map((event) => `${timeText(event.timeMs)} ${sentenceOf(event)}`);
  return (
    <button
      type="button"
      class={`mark ${tone} ${left > 0.5 ? 'leftwards' : ''}`}
      style={place}
      aria-label={sentences.join('. ')}
    >
      <span class="flag" aria-hidden="true" />
      <span class="bubble" aria-hidden="true">
        {sentences.map((sentence, index) => (
          <span key={index}>{sentence}</span>
        ))}
      </span>
    </button>
  );
}

/** What the latest mark tells, without a pointer. */
function LastMark({ marks }: { marks: readonly Mark[] }): JSX.Element {
  const event = marks.at(-1)?.events.at(-1);
  return (
    <p class="lastmark" role="status">
      {event === undefined ? 'No failover in this time.' : null}
      {event === undefined ? null : (
        <>
          <span class={`flag ${isLoss(event) ? 'loss' : 'gain'}`} aria-hidden="true" />
          <time dateTime={new Date(event.timeMs).toISOString()}>{timeText(event.timeMs)}</time> {sentenceOf(event)}
        </>
      )}
    </p>
  );
}

function timeText(timeMs: number): string {
  return new Date(timeMs).toLocaleTimeString([], { hour12: false });
}
