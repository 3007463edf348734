/** `--up`, `--down` and `--priority` of `hawser client`. */
import type { ClientRates } from '../control/client-calls.ts';
import { usageError } from './exit.ts';

export interface RateOptions {
  readonly up?: string;
  readonly down?: string;
  readonly priority?: string;
}

/** undefined = nothing is said of rates. Throws a usage error. */
export function ratesOfOptions({ up, down, priority }: RateOptions): ClientRates | undefined {
  if (up === undefined && down === undefined && priority === undefined) return undefined;
  return {
    ...(up === undefined ? {} : { up: rateOf('--up', up) }),
    ...(down === undefined ? {} : { down: rateOf('--down', down) }),
    ...(priority === undefined ? {} : { priority: priorityOf(priority) }),
  };
}

function rateOf(option: string, text: string): number | 'off' | null {
  if (text === 'default') return null;
  if (text === 'off') return 'off';
  const rate = Number(text);
  if (text.trim() !== '' && rate >= 0.1 && rate <= 400_000) return rate;
  throw usageError(`${option} is "${text}"`, 'Mbit/s such as 20 or 0.5, off, or default (as server.client has it)');
}

function priorityOf(text: string): number | null {
  if (text === 'default') return null;
  const priority = Number(text);
  if (/^\d{1,3}$/.test(text) && priority <= 100) return priority;
  throw usageError(`--priority is "${text}"`, 'a whole number from 0 to 100, or default (as server.client has it)');
}
