/** What may be asked of the history, and how it answers. */
import type { EventRecord } from './events.ts';

export const historyKinds = ['link', 'path', 'client'] as const;
export type HistoryKind = (typeof historyKinds)[number];

/** How several points become one: the mean, the largest, the one in the middle (of medians: the middle one of them). */
export interface HistoryColumn {
  readonly name: string;
  readonly merge: 'mean' | 'max' | 'median';
}

const rates: readonly HistoryColumn[] = [
  { name: 'inBps', merge: 'mean' },
  { name: 'inMaxBps', merge: 'max' },
  { name: 'outBps', merge: 'mean' },
  { name: 'outMaxBps', merge: 'max' },
];
const ways: readonly HistoryColumn[] = [
  ...rates,
  { name: 'rttMs', merge: 'median' },
  { name: 'rttMaxMs', merge: 'max' },
  { name: 'lossPercent', merge: 'mean' },
  { name: 'queueMs', merge: 'mean' },
];

/** In the order in which they are stored. */
export const historyColumns: Readonly<Record<HistoryKind, readonly HistoryColumn[]>> = {
  link: ways,
  path: ways,
  client: rates,
};

export interface HistoryQuestion {
  readonly kind: HistoryKind;
  readonly name: string;
  readonly from?: number;
  readonly to?: number;
  readonly step?: number;
}

export interface HistoryAnswer {
  readonly kind: HistoryKind;
  readonly name: string;
  /** Seconds since 1970: of the first row at the earliest, and where the last one ends at the latest. */
  readonly from: number;
  readonly to: number;
  /** Seconds; larger than what was asked for where nothing finer is kept, or there would be too many rows. */
  readonly step: number;
  /** `time` (seconds since 1970, where the row's step begins), then the names of `historyColumns`. */
  readonly columns: readonly string[];
  /** In the order of time; null = nothing was measured. Steps without any are left out. */
  readonly rows: readonly (readonly (number | null)[])[];
  /** What happened meanwhile, to it or to all: the latest 500. */
  readonly events: readonly EventRecord[];
}

export interface HistoryInfo {
  readonly file: string;
  readonly recentFile: string;
  /** What both take now. */
  readonly fileBytes: number;
  readonly recentBytes: number;
  /** What the file takes at most with what is recorded now, and with as much as ever is. */
  readonly promisedBytes: number;
  readonly mostBytes: number;
  /** Written to the file since the start, and in a day at that rate; undefined = too early to say. */
  readonly writtenBytes: number;
  readonly writtenBytesPerDay: number | undefined;
  readonly keepS: { readonly second: number; readonly minute: number; readonly hour: number };
  readonly events: number;
  readonly series: readonly { readonly kind: HistoryKind; readonly name: string }[];
  /** What is wrong with the file now; undefined = nothing. */
  readonly trouble: string | undefined;
}

export interface HistoryAnswers {
  readonly read: HistoryAnswer;
  readonly info: HistoryInfo;
}

export type HistoryVerb = keyof HistoryAnswers;
