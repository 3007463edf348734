/** One picture by uPlot: its axes and colours. What is said about it in words, and the marks on it, are HTML beside it (plots.tsx). */
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import { humanMs, humanRate } from '../control/human-numbers.ts';
import { stacked } from './series.ts';

export type ChartKind = 'rate' | 'share' | 'roundTrip';

/** CSS pixels that the plot leaves at its left for the scale and at its right: the marks stand in between (styles/plots.css knows them too). */
const [scalePixels, rightPixels] = [64, 12];
const [height, lowHeight] = [220, 150];

export interface ChartOptions {
  readonly kind: ChartKind;
  /** Of each line. */
  readonly colours: readonly number[];
  /** Index of the sample under the pointer. */
  readonly point: (index: number | undefined) => void;
}

export type Values = readonly (readonly (number | null)[])[];

/** Those who see the shape see what stands behind it. */
const texts: Readonly<Record<ChartKind, (value: number) => string>> = {
  rate: humanRate,
  share: (value) => `${Math.round(value)} %`,
  roundTrip: humanMs,
};

export class Chart {
  readonly #plot: uPlot;
  readonly #isStacked: boolean;
  readonly #resize: ResizeObserver;
  #range: [number, number] = [0, 1];

  constructor(root: HTMLElement, { kind, colours: ways, point }: ChartOptions) {
    this.#isStacked = kind !== 'roundTrip';
    const styles = getComputedStyle(document.documentElement);
    const colour = (name: string): string => styles.getPropertyValue(name).trim();
    const axis: uPlot.Axis = {
      stroke: colour('--muted'),
      grid: { stroke: colour('--line'), width: 1 },
      ticks: { show: false },
      font: '12px system-ui, sans-serif',
    };
    const own = kind === 'roundTrip' ? lowHeight : height;
    this.#plot = new uPlot(
      {
        width: Math.max(200, root.clientWidth),
        height: own,
        padding: [10, rightPixels, 0, 0],
        legend: { show: false },
        cursor: {
          y: false,
          drag: { x: false, y: false },
          sync: { key: 'hawser' },
          points: { show: !this.#isStacked },
        },
        scales: {
          x: { time: true, range: () => this.#range },
          y: {
            range: (_plot, _low, high) => [0, kind === 'share' ? 100 : Math.max(high * 1.1, kind === 'rate' ? 1e4 : 1)],
          },
        },
        axes: [
          {
            ...axis,
            size: 34,
            grid: { show: false },
            values: (_plot, splits) => splits.map((atS) => this.#timeText(atS)),
            space: 80,
          },
          { ...axis, size: scalePixels, space: 36, values: (_plot, splits) => splits.map(texts[kind]) },
        ],
        series: [
          {},
          ...ways.map((way) => ({
            stroke: colour(`--way${way}`),
            width: this.#isStacked ? 1.5 : 2,
            points: { show: false },
            spanGaps: false,
            ...(this.#isStacked ? { fill: `color-mix(in srgb, ${colour(`--way${way}`)} 28%, transparent)` } : {}),
          })),
        ],
        // Each fills down to the one below it.
        bands: this.#isStacked
          ? ways.slice(1).map((_, index) => ({ series: [index + 2, index + 1] as [number, number] }))
          : [],
        hooks: { setCursor: [(plot) => point(plot.cursor.idx ?? undefined)] },
      },
      [[], ...ways.map(() => [])],
      root,
    );
    this.#resize = new ResizeObserver(() =>
      this.#plot.setSize({ width: Math.max(200, root.clientWidth), height: own }),
    );
    this.#resize.observe(root);
  }

  draw(times: readonly number[], values: Values, range: [number, number]): void {
    this.#range = range;
    const drawn = this.#isStacked ? stacked(values) : values.map((line) => [...line]);
    this.#plot.setData([[...times], ...drawn]);
  }

  /** As fine as the span asks for. */
  #timeText(atS: number): string {
    const [spanS, time] = [this.#range[1] - this.#range[0], new Date(atS * 1000)];
    if (spanS > 2 * 86_400) return time.toLocaleDateString([], { month: 'short', day: 'numeric' });
    const seconds = spanS > 900 ? {} : ({ second: '2-digit' } as const);
    return time.toLocaleTimeString([], { hour12: false, hour: '2-digit', minute: '2-digit', ...seconds });
  }

  destroy(): void {
    this.#resize.disconnect();
    this.#plot.destroy();
  }
}
