/** How much a client may use in a day and in a month (`server.client`), and what happens then (`server.quota`). */
import * as z from 'zod';
import { text } from './leaves.ts';
import { formatAmountBytes, parseAmountBytes } from './units.ts';

/** Of inner packets, both directions together; less is no quota but a mistake, more is not counted to the byte. */
export const quotaBytes = { least: 1e6, most: 1e15 } as const;
export const quotaWords = 'an amount of 1MB to 1000TB such as 10GB, or off';
const mbpsBps = 1e6;

export interface QuotaConfig {
  /** Bytes of both directions together; 0 = no quota. */
  readonly dailyBytes: number;
  readonly monthlyBytes: number;
  /** 1 to 31: day on which a month begins; a month that is too short begins on its last. */
  readonly resetDay: number;
  /** IANA name. */
  readonly timezone: string;
  /** What a client has left in each direction when its quota is used up, bits a second; 0 = nothing: its sessions end. */
  readonly throttleBps: number;
}

/** 0 = off. */
export function parseQuotaBytes(input: string): number | undefined {
  if (input === 'off') return 0;
  const bytes = parseAmountBytes(input);
  return bytes === undefined || bytes < quotaBytes.least || bytes > quotaBytes.most ? undefined : bytes;
}

export function formatQuota(bytes: number): string {
  return bytes === 0 ? 'off' : formatAmountBytes(bytes);
}

function parseZone(input: string): string | undefined {
  try {
    return new Intl.DateTimeFormat('en-US', { timeZone: input }).resolvedOptions().timeZone === '' ? undefined : input;
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

/** `stop`, `throttle 1`: Mbit/s. */
function parseAction(input: string): number | undefined {
  if (input === 'stop') return 0;
  const match = /^throttle (\d{1,6}(?:\.\d{1,3})?)$/.exec(input);
  const mbps = match === null ? Number.NaN : Number(match[1]);
  return mbps >= 0.1 && mbps <= 400_000 ? Math.round(mbps * mbpsBps) : undefined;
}

const amount = (usual: string, description: string) =>
  text(parseQuotaBytes, { title: quotaWords, examples: ['10GB', 'off'], description }).prefault(usual);

/** Keys of `server.client`, beside those of its rates. */
export const clientQuotaKeys = {
  daily: amount('10GB', 'What a client may send and be sent in a day, together; off = as much as it likes.'),
  monthly: amount('100GB', 'The same for a month that begins on resetDay.'),
  resetDay: z.int().min(1).max(31).default(1).describe('Day of the month on which a month begins, or its last day.'),
  timezone: text(parseZone, {
    title: 'a time zone by its IANA name',
    examples: ['UTC', 'Europe/Berlin'],
    description: 'Where midnight is at which a day ends.',
  }).prefault('UTC'),
};

export const quotaSchema = z.strictObject({
  action: text(parseAction, {
    title: 'stop, or throttle and a rate in Mbit/s',
    examples: ['stop', 'throttle 1'],
    description: 'What becomes of a client that has used up its quota, until the period ends.',
  }).prefault('stop'),
});

interface ClientQuotaOutput {
  readonly daily: number;
  readonly monthly: number;
  readonly resetDay: number;
  readonly timezone: string;
}

export function buildQuota(
  { daily, monthly, resetDay, timezone }: ClientQuotaOutput,
  { action }: z.output<typeof quotaSchema>,
): QuotaConfig {
  return { dailyBytes: daily, monthlyBytes: monthly, resetDay, timezone, throttleBps: action };
}

export function clientQuotaToInput({ dailyBytes, monthlyBytes, resetDay, timezone }: QuotaConfig) {
  return { daily: formatQuota(dailyBytes), monthly: formatQuota(monthlyBytes), resetDay, timezone };
}

export function quotaToInput({ throttleBps }: QuotaConfig): z.input<typeof quotaSchema> {
  return { action: throttleBps === 0 ? 'stop' : `throttle ${throttleBps / mbpsBps}` };
}
