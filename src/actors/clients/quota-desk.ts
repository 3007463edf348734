/**
 * The quotas of clients: what each has used by day, whether that is all it may use, and what there is to tell. Days are read from the store
 * once, those of many clients at a time, and counted on from there.
 */
import { messageOf } from '../../base/errors.ts';
import type { QuotaConfig } from '../../config/quota-schema.ts';
import type { ClientQuota, ClientQuotaStand } from '../../control/client-calls.ts';
import { Calendar } from '../../protocols/quota/calendar.ts';
import { nothingTold, Quota, type QuotaNews, type QuotaRules, type ToldQuotas } from '../../protocols/quota/quota.ts';
import { hasQuota, rulesOf } from './client-quota.ts';
import type { ClientRecord } from './client-record.ts';
import type { ClientChange, ClientStore } from './store.ts';
import type { UsageDelta } from './usage-store.ts';

/** More than a month in whatever zone, of which a quota is judged. */
const judgedDays = 40;
const dayMs = 86_400_000;

export interface QuotaDeskParts {
  /** Of whom nothing else is said. */
  readonly usual: QuotaConfig;
  /** What these have used from the day `since` on, what is not written yet included. Costs a millisecond or more, however many they are. */
  readonly daysOf: (ids: readonly string[], since: string) => readonly UsageDelta[];
  readonly nowMs: () => number;
}

export interface QuotaVerdict {
  readonly news: readonly QuotaNews[];
  readonly told: ToldQuotas;
  /** It may go on now and could not, or the other way round. */
  readonly hasTurned: boolean;
}

interface Account {
  quota: Quota;
  rules: QuotaRules;
  /** By day as the calendar numbers it. */
  readonly days: Map<number, number>;
  isExceeded: boolean;
  /** The last verdict. */
  wasExceeded: boolean;
}

export class QuotaDesk {
  readonly #parts: QuotaDeskParts;
  readonly calendar: Calendar;
  readonly #accounts = new Map<string, Account>();
  /** Who must be judged. */
  readonly #stirred = new Set<string>();
  /** Whose days must be read first of all. */
  readonly #wanted = new Set<string>();
  #today = 0;

  constructor(parts: QuotaDeskParts) {
    this.#parts = parts;
    this.calendar = new Calendar(parts.usual.timezone);
  }

  /** Whoever has used up its quota is kept out. */
  get isStopping(): boolean {
    return this.#parts.usual.throttleBps === 0;
  }

  /** `2026-11-29`, where midnight is. */
  today(): string {
    return this.dayBefore(0);
  }

  /** So many days ago, or one less where clocks have changed. */
  dayBefore(days: number): string {
    const day = this.calendar.dayOf(this.#parts.nowMs() - days * dayMs);
    return [Math.floor(day / 10_000), Math.floor(day / 100) % 100, day % 100]
      .map((part) => String(part).padStart(2, '0'))
      .join('-');
  }

  /** The record is there, or is another than before. */
  apply(record: ClientRecord): void {
    const account = this.#accountOf(record);
    const rules = rulesOf(record, this.#parts.usual);
    if (isSame(rules, account.rules)) return;
    account.rules = rules;
    account.quota = new Quota(rules, this.calendar, account.quota.told);
    account.isExceeded = this.#isOver(account);
    this.#stirred.add(record.id);
  }

  /** Of the store. */
  follow(changes: readonly ClientChange[]): void {
    for (const { id, before, after } of changes) {
      if (after === undefined) this.forget(id);
      else if (this.isKnown(id) || JSON.stringify(before?.record.quota) !== JSON.stringify(after.record.quota))
        this.apply(after.record);
    }
  }

  isKnown(id: string): boolean {
    return this.#accounts.has(id);
  }

  hasQuota(record: ClientRecord): boolean {
    return hasQuota(record, this.#parts.usual);
  }

  forget(id: string): void {
    this.#wanted.delete(id);
    this.#accounts.delete(id);
    this.#stirred.delete(id);
  }

  /** It has used so much just now, and the store, or what waits to be written there, has it already. */
  use(record: ClientRecord, bytes: number): void {
    const known = this.#accounts.get(record.id);
    if (known === undefined) {
      this.#wanted.add(record.id);
      return;
    }
    const day = this.calendar.dayOf(this.#parts.nowMs());
    known.days.set(day, (known.days.get(day) ?? 0) + bytes);
    this.#stirred.add(record.id);
  }

  /** Ids of clients that have used something, or were told that they had, and whose days were not read yet. */
  get wanted(): Iterable<string> {
    return this.#wanted;
  }

  /** Reads what these have used. */
  load(records: readonly ClientRecord[]): void {
    const fresh = new Map(records.flatMap((one) => (this.#accounts.has(one.id) ? [] : [[one.id, one]])));
    if (fresh.size === 0) return;
    const days = new Map([...fresh.keys()].map((id) => [id, new Map<number, number>()]));
    for (const { id, day, upBytes, downBytes } of this.#parts.daysOf([...fresh.keys()], this.dayBefore(judgedDays))) {
      const number = Number(day.replaceAll('-', ''));
      const own = days.get(id);
      own?.set(number, (own.get(number) ?? 0) + upBytes + downBytes);
    }
    for (const [id, record] of fresh) this.#open(record, days.get(id) ?? new Map());
  }

  /** Whether a quota is used up; while its days were not read, whether it was told so in this period. */
  isExceeded(record: ClientRecord): boolean {
    const known = this.#accounts.get(record.id);
    if (known !== undefined) return known.isExceeded;
    const isTold = this.#isToldExceeded(record);
    if (isTold) this.#wanted.add(record.id);
    return isTold;
  }

  #isToldExceeded(record: ClientRecord): boolean {
    const { day, month } = record.told ?? nothingTold;
    if (day.level !== 'exceeded' && month.level !== 'exceeded') return false;
    const nowMs = this.#parts.nowMs();
    const { resetDay } = rulesOf(record, this.#parts.usual);
    const isToday = day.level === 'exceeded' && day.begin === this.calendar.dayOf(nowMs);
    return isToday || (month.level === 'exceeded' && month.begin === this.calendar.monthOf(nowMs, resetDay));
  }

  /** Bytes that it may still use; Infinity = as many as it likes. */
  leftOf(record: ClientRecord): number {
    const { usual } = this.#parts;
    const left = this.stands(record).map(({ leftBytes }) => leftBytes ?? Number.POSITIVE_INFINITY);
    const least = Math.min(...left);
    return usual.throttleBps > 0 && least <= 0 ? Number.POSITIVE_INFINITY : least;
  }

  stands(record: ClientRecord): ClientQuotaStand[] {
    const account = this.#accountOf(record);
    return account.quota
      .stands(usedIn(account), this.#parts.nowMs())
      .map(({ period, usedBytes, quotaBytes, endsMs }) => ({
        period,
        usedBytes,
        quotaBytes,
        leftBytes: quotaBytes === 0 ? undefined : Math.max(0, quotaBytes - usedBytes),
        resetsMs: endsMs,
      }));
  }

  /** In its month; 0 while its days were not read. */
  usedBytes(record: ClientRecord): number {
    const account = this.#accounts.get(record.id);
    if (account === undefined || account.days.size === 0) return 0;
    const nowMs = this.#parts.nowMs();
    return usedIn(account)(this.calendar.monthOf(nowMs, account.rules.resetDay), this.calendar.dayOf(nowMs));
  }

  /** As lists show it. */
  quotaOf(record: ClientRecord): ClientQuota {
    const { timezone, throttleBps } = this.#parts.usual;
    return { ...rulesOf(record, this.#parts.usual), timezone, throttleBps, isExceeded: this.isExceeded(record) };
  }

  /** Ids of clients to be judged: who used something, whose quota is another, and at another day all. Each is named until it was judged. */
  stirred(): string[] {
    const today = this.calendar.dayOf(this.#parts.nowMs());
    if (today !== this.#today) for (const id of this.#accounts.keys()) this.#stirred.add(id);
    this.#today = today;
    return [...this.#stirred];
  }

  judge(record: ClientRecord): QuotaVerdict {
    const account = this.#accountOf(record);
    const news = account.quota.look(usedIn(account), this.#parts.nowMs());
    account.isExceeded = account.quota.isExceeded;
    const hasTurned = account.isExceeded !== account.wasExceeded;
    account.wasExceeded = account.isExceeded;
    this.#stirred.delete(record.id);
    return { news, told: account.quota.told, hasTurned };
  }

  #accountOf(record: ClientRecord): Account {
    this.load([record]);
    return this.#accounts.get(record.id) as Account;
  }

  #open(record: ClientRecord, days: Map<number, number>): void {
    const rules = rulesOf(record, this.#parts.usual);
    const quota = new Quota(rules, this.calendar, record.told);
    const account = { quota, rules, days, isExceeded: false, wasExceeded: this.#isToldExceeded(record) };
    account.isExceeded = this.#isOver(account);
    this.#accounts.set(record.id, account);
    this.#wanted.delete(record.id);
    // What the one before has told, and is otherwise now.
    this.#stirred.add(record.id);
  }

  #isOver(account: Account): boolean {
    const stands = account.quota.stands(usedIn(account), this.#parts.nowMs());
    return stands.some(({ level }) => level === 'exceeded');
  }
}

/** Writes down with the client what it was told. Returns why that cannot be, for people; '' = it is written, or there is no such client. */
export function noteTold(store: ClientStore, id: string, told: ToldQuotas): string {
  const stored = store.get(id);
  if (stored === undefined) return '';
  try {
    store.putIfRevision({ ...stored.record, told }, stored.revision);
    return '';
  } catch (error) {
    return `That client "${stored.record.name}" heard of its quota cannot be written, and is told again after a restart: ${messageOf(error)}`;
  }
}

function usedIn({ days }: Account): (from: number, to: number) => number {
  return (from, to) => {
    let sum = 0;
    for (const [day, bytes] of days) if (day >= from && day <= to) sum += bytes;
    return sum;
  };
}

function isSame(one: QuotaRules, other: QuotaRules): boolean {
  return (
    one.dailyBytes === other.dailyBytes && one.monthlyBytes === other.monthlyBytes && one.resetDay === other.resetDay
  );
}
