/** When something ends, as people say it on a command line. */
import { usageError } from './exit.ts';

const msPerUnit: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: 86_400_000, w: 7 * 86_400_000 };

/** `30d`, `12h`, `90m`, `2w` from now; a day (its beginning, UTC) or a moment in ISO 8601; undefined = never. */
export function parseWhen(text: string, nowMs: number): number | undefined {
  if (text === 'never') return undefined;
  const [, count, unit = ''] = /^(\d{1,6})([mhdw])$/.exec(text) ?? [];
  if (count !== undefined) return nowMs + Number(count) * (msPerUnit[unit] ?? Number.NaN);
  const timeMs = /^\d{4}-\d{2}-\d{2}(T[\d:.]+(Z|[+-]\d{2}:\d{2})?)?$/.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isFinite(timeMs)) return timeMs;
  throw usageError(`--expires is "${text}"`, '30d, 12h, 2027-01-31 or never');
}
