/**
 * Whether a client has used up what it may send and receive in a day and in a month. It keeps no sums: who asks says what was used on
 * which days, so that a clock that jumps forth and back finds what it had left, and nothing is counted twice. What it remembers is what it
 * has told, and that goes with the client's record. Time is an argument.
 *
 * | level | it is | and then |
 * |---|---|---|
 * | free | below 80 % of the quota | |
 * | warned | from 80 % on | `warning`, once in the period |
 * | exceeded | from 100 % on | `exceeded`, once in the period; the quota's action holds |
 *
 * Back to free by a new period or a larger quota: `reset`, if it was exceeded.
 */
import type { Calendar } from './calendar.ts';

export type QuotaPeriod = 'day' | 'month';
export type QuotaLevel = 'free' | 'warned' | 'exceeded';

export interface QuotaRules {
  /** Bytes of both directions together; 0 = no quota. */
  readonly dailyBytes: number;
  readonly monthlyBytes: number;
  /** Day of the month, 1 to 31, on which a month begins. */
  readonly resetDay: number;
}

/** Of one period, what was told last. `begin`: the period's first day (`calendar.ts`), 0 = nothing yet. */
export interface ToldQuota {
  readonly begin: number;
  readonly level: QuotaLevel;
}

export type ToldQuotas = Readonly<Record<QuotaPeriod, ToldQuota>>;

export interface QuotaNews {
  readonly kind: 'warning' | 'exceeded' | 'reset';
  readonly period: QuotaPeriod;
  readonly usedBytes: number;
  /** 0 = there is no quota any more. */
  readonly quotaBytes: number;
  /** When the period ends. */
  readonly endsMs: number;
}

/** Of one period now. */
export interface QuotaStand {
  readonly period: QuotaPeriod;
  readonly usedBytes: number;
  readonly quotaBytes: number;
  readonly level: QuotaLevel;
  /** First day of the period. */
  readonly begin: number;
  readonly endsMs: number;
}

/** Bytes that were used from day `from` to day `to`, both of them too. */
export type UsedBytes = (from: number, to: number) => number;

const warnShare = 0.8;
export const nothingTold: ToldQuotas = { day: { begin: 0, level: 'free' }, month: { begin: 0, level: 'free' } };

export class Quota {
  readonly #rules: QuotaRules;
  readonly #calendar: Calendar;
  #told: ToldQuotas;
  #isExceeded = false;

  /** `told`: as the one before left it. */
  constructor(rules: QuotaRules, calendar: Calendar, told: ToldQuotas = nothingTold) {
    this.#rules = rules;
    this.#calendar = calendar;
    this.#told = told;
  }

  /** To be kept with the client. */
  get told(): ToldQuotas {
    return this.#told;
  }

  /** By day or by month, at the last look. */
  get isExceeded(): boolean {
    return this.#isExceeded;
  }

  /** Where both stand now; tells nobody. */
  stands(used: UsedBytes, nowMs: number): QuotaStand[] {
    const { dailyBytes, monthlyBytes, resetDay } = this.#rules;
    const calendar = this.#calendar;
    const today = calendar.dayOf(nowMs);
    const month = calendar.monthOf(nowMs, resetDay);
    return [
      standOf('day', today, used(today, today), dailyBytes, calendar.nextDayMs(nowMs)),
      standOf('month', month, used(month, today), monthlyBytes, calendar.nextMonthMs(nowMs, resetDay)),
    ];
  }

  /** After something was used, after a change of the rules, and on another day: what there is to tell. */
  look(used: UsedBytes, nowMs: number): QuotaNews[] {
    const stands = this.stands(used, nowMs);
    this.#isExceeded = stands.some(({ level }) => level === 'exceeded');
    const news = stands.flatMap((stand) => newsOf(stand, this.#told[stand.period]));
    const told = (period: QuotaPeriod): ToldQuota => {
      const { begin, level } = stands.find((stand) => stand.period === period) as QuotaStand;
      return { begin, level };
    };
    this.#told = { day: told('day'), month: told('month') };
    return news;
  }
}

function standOf(
  period: QuotaPeriod,
  begin: number,
  usedBytes: number,
  quotaBytes: number,
  endsMs: number,
): QuotaStand {
  return { period, begin, usedBytes, quotaBytes, endsMs, level: levelOf(usedBytes, quotaBytes) };
}

function levelOf(usedBytes: number, quotaBytes: number): QuotaLevel {
  if (quotaBytes === 0 || usedBytes < quotaBytes * warnShare) return 'free';
  return usedBytes < quotaBytes ? 'warned' : 'exceeded';
}

function newsOf(stand: QuotaStand, told: ToldQuota): QuotaNews[] {
  const { period, begin, level, usedBytes, quotaBytes, endsMs } = stand;
  const say = (kind: QuotaNews['kind']): QuotaNews => ({ kind, period, usedBytes, quotaBytes, endsMs });
  const isNew = told.begin !== begin;
  const news: QuotaNews[] = [];
  if (told.level === 'exceeded' && level !== 'exceeded') news.push(say('reset'));
  if (level === 'exceeded' && (isNew || told.level !== 'exceeded')) news.push(say('exceeded'));
  if (level === 'warned' && (isNew || told.level === 'free')) news.push(say('warning'));
  return news;
}
