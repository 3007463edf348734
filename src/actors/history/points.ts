/** Points of a history: numbers side by side, NaN = not measured; and how several become one. Pure. */
import type { HistoryColumn } from '../../control/history.ts';

export type Point = Float32Array;

export interface Level {
  readonly name: 'minute' | 'hour';
  /** Seconds of a point. */
  readonly stepS: number;
  /** Points of a chunk: an hour's minutes, a day's hours. */
  readonly points: number;
}

export const minuteLevel: Level = { name: 'minute', stepS: 60, points: 60 };
export const hourLevel: Level = { name: 'hour', stepS: 3600, points: 24 };

export function emptyPoint(width: number): Point {
  return new Float32Array(width).fill(Number.NaN);
}

export function isEmpty(values: Float32Array): boolean {
  return values.every((value) => Number.isNaN(value));
}

/** One point that stands for `points`; what none of them measured is NaN. */
export function mergePoints(columns: readonly HistoryColumn[], points: readonly Point[]): Point {
  return Float32Array.from(columns, ({ merge }, column) => {
    const known: number[] = [];
    for (const point of points) {
      const value = point[column] as number;
      if (!Number.isNaN(value)) known.push(value);
    }
    return mergeValues(merge, known);
  });
}

function mergeValues(merge: HistoryColumn['merge'], values: readonly number[]): number {
  if (values.length === 0) return Number.NaN;
  if (merge === 'max') return values.reduce((most, value) => Math.max(most, value));
  if (merge === 'mean') return values.reduce((sum, value) => sum + value, 0) / values.length;
  return values.toSorted((a, b) => a - b)[(values.length - 1) >> 1] as number;
}

/** The points of `values` that measured anything, each with its place. */
export function pointsOf(values: Float32Array, width: number): { readonly index: number; readonly point: Point }[] {
  const found: { index: number; point: Point }[] = [];
  for (let index = 0; index * width < values.length; index += 1) {
    const point = values.subarray(index * width, (index + 1) * width);
    if (!isEmpty(point)) found.push({ index, point });
  }
  return found;
}
