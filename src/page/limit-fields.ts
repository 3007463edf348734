/** What a person writes into the fields of limits, and what the daemon is told. Pure. */
import type { ClientRow } from '../control/client-calls.ts';

/** Names of the fields, each with its unit. */
export const limitFields = {
  down: 'Mbit/s to the client',
  up: 'Mbit/s from the client',
  daily: 'GB in a day',
  monthly: 'GB in a month',
} as const;
export type LimitField = keyof typeof limitFields;
export type LimitTexts = Readonly<Record<LimitField, string>>;

export const noTexts: LimitTexts = { down: '', up: '', daily: '', monthly: '' };

interface Change {
  rates?: { up?: number | 'off' | null; down?: number | 'off' | null };
  quota?: { dailyBytes?: number | null; monthlyBytes?: number | null };
}

/** As the fields show what holds for a client now. */
export function textsOf({ limits, quota }: ClientRow): LimitTexts {
  const text = (value: number, unit: number): string =>
    value === 0 ? 'off' : String(Number((value / unit).toFixed(3)));
  return {
    down: text(limits.downBps, 1e6),
    up: text(limits.upBps, 1e6),
    daily: text(quota.dailyBytes, 1e9),
    monthly: text(quota.monthlyBytes, 1e9),
  };
}

/** Of those that differ from `before`; a field that was emptied is as the hub has it for all. `wrong`: the field that nobody can read. */
export function changeOf(texts: LimitTexts, before: LimitTexts): { change: Change; wrong: LimitField | undefined } {
  const change: Change = {};
  for (const field of Object.keys(limitFields) as LimitField[]) {
    const text = texts[field].trim().toLowerCase().replace(',', '.');
    if (text === before[field]) continue;
    const value = text === '' ? null : text === 'off' ? 'off' : Number(text);
    if (typeof value === 'number' && !(value > 0)) return { change, wrong: field };
    if (field === 'up' || field === 'down') change.rates = { ...change.rates, [field]: value };
    else {
      const bytes = value === 'off' ? 0 : value === null ? null : Math.round(value * 1e9);
      change.quota = { ...change.quota, [field === 'daily' ? 'dailyBytes' : 'monthlyBytes']: bytes };
    }
  }
  return { change, wrong: undefined };
}
