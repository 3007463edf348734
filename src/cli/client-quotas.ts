/** `--daily`, `--monthly` and `--reset-day` of `hawser client`. */
import { parseQuotaBytes, quotaWords } from '../config/quota-schema.ts';
import type { ClientQuotaChange } from '../control/client-calls.ts';
import { usageError } from './exit.ts';

export interface QuotaOptions {
  readonly daily?: string;
  readonly monthly?: string;
  readonly resetDay?: string;
}

/** undefined = nothing is said of quotas. Throws a usage error. */
export function quotaOfOptions({ daily, monthly, resetDay }: QuotaOptions): ClientQuotaChange | undefined {
  if (daily === undefined && monthly === undefined && resetDay === undefined) return undefined;
  return {
    ...(daily === undefined ? {} : { dailyBytes: amountOf('--daily', daily) }),
    ...(monthly === undefined ? {} : { monthlyBytes: amountOf('--monthly', monthly) }),
    ...(resetDay === undefined ? {} : { resetDay: dayOf(resetDay) }),
  };
}

/** 0 = none. */
function amountOf(option: string, text: string): number | null {
  if (text === 'default') return null;
  const bytes = parseQuotaBytes(text);
  if (bytes !== undefined) return bytes;
  throw usageError(`${option} is "${text}"`, `${quotaWords}, or default (as server.client has it)`);
}

function dayOf(text: string): number | null {
  if (text === 'default') return null;
  const day = Number(text);
  if (/^\d{1,2}$/.test(text) && day >= 1 && day <= 31) return day;
  throw usageError(`--reset-day is "${text}"`, 'a day of the month from 1 to 31, or default (as server.client has it)');
}
