/** `history`: how long what is measured is kept, in steps of a second, a minute and an hour. */
import * as z from 'zod';
import { text } from './leaves.ts';
import { parseDurationMs } from './units.ts';

export interface HistoryConfig {
  /** Seconds that each step is kept for; 0 = not at all. */
  readonly keep: { readonly secondS: number; readonly minuteS: number; readonly hourS: number };
  /** So many clients (peers) have a history of their own. */
  readonly clients: number;
}

const hourS = 3600;
const dayS = 24 * hourS;

/** As other durations, and days. */
function parseSeconds(input: string): number | undefined {
  const days = /^(\d{1,5})d$/.exec(input);
  if (days !== null) return Number(days[1]) * dayS;
  const valueMs = parseDurationMs(input);
  return valueMs === undefined || valueMs % 1000 !== 0 ? undefined : valueMs / 1000;
}

function keepFor(leastS: number, mostS: number, words: string, examples: string[]) {
  const parse = (input: string): number | undefined => {
    if (input === 'off') return examples.includes('off') ? 0 : undefined;
    const valueS = parseSeconds(input);
    return valueS === undefined || valueS < leastS || valueS > mostS ? undefined : valueS;
  };
  return text(parse, { title: `a duration of ${words}`, examples });
}

export const historySchema = z.strictObject({
  keep: z
    .strictObject({
      second: keepFor(60, dayS, '1m to 24h, or off', ['2h', 'off']).prefault('2h'),
      minute: keepFor(hourS, 90 * dayS, '1h to 90d', ['7d']).prefault('7d'),
      hour: keepFor(dayS, 3660 * dayS, '1d to 3660d', ['400d']).prefault('400d'),
    })
    .prefault({})
    .describe('How long each step is kept: seconds in memory (runtime.runDirectory), the others on the disk.'),
  clients: z
    .int()
    .min(0)
    .max(2000)
    .default(200)
    .describe('So many peers have a history of their own, by minute and hour.'),
});

export function buildHistory({ keep, clients }: z.output<typeof historySchema>): HistoryConfig {
  return { keep: { secondS: keep.second, minuteS: keep.minute, hourS: keep.hour }, clients };
}
