/**
 * Days and months as people of one time zone count them. A day is a number, year × 10000 + month × 100 + day, so that later days are larger
 * numbers; a month begins on a day of the month of one's choice. Days of 23 and 25 hours, and zones that skip a midnight, are as long as
 * they are (ECMA-402 has the zones' tables).
 */

const hourMs = 3_600_000;
/** No day is longer: zones have moved by a day at once (Pacific/Apia, 2011), forwards. */
const longestDayMs = 26 * hourMs;
/** Zones are 12 hours behind UTC to 14 before it. */
const widestOffsetMs = 16 * hourMs;

export class Calendar {
  readonly timezone: string;
  readonly #format: Intl.DateTimeFormat;
  /** What `dayOf` found last, and until when it is so. */
  #day = 0;
  #fromMs = 0;
  #untilMs = 0;
  /** By reset day, of the month that was asked about last. */
  readonly #months = new Map<number, { readonly begin: number; readonly endsMs: number }>();

  /** Throws RangeError when nobody knows the zone. */
  constructor(timezone: string) {
    this.timezone = timezone;
    this.#format = new Intl.DateTimeFormat('en-US', {
      timeZone: timezone,
      calendar: 'gregory',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
    });
  }

  dayOf(ms: number): number {
    if (ms >= this.#fromMs && ms < this.#untilMs) return this.#day;
    this.#day = this.#read(ms);
    this.#fromMs = ms;
    this.#untilMs = this.#beginOf(this.#day + 1, ms, ms + longestDayMs);
    return this.#day;
  }

  /** When the day that `ms` lies in ends. */
  nextDayMs(ms: number): number {
    this.dayOf(ms);
    return this.#untilMs;
  }

  /** First day of the month, counted from `resetDay` (1 to 31) on, that `ms` lies in. A month that is too short begins on its last day. */
  monthOf(ms: number, resetDay: number): number {
    const day = this.dayOf(ms);
    const month = Math.floor(day / 100);
    const first = firstDayOf(month, resetDay);
    return day >= first ? first : firstDayOf(monthBefore(month), resetDay);
  }

  /** When that month ends. */
  nextMonthMs(ms: number, resetDay: number): number {
    const begin = this.monthOf(ms, resetDay);
    const known = this.#months.get(resetDay);
    if (known?.begin === begin) return known.endsMs;
    const next = firstDayOf(monthAfter(Math.floor(begin / 100)), resetDay);
    const there = Date.UTC(Math.floor(next / 10_000), (Math.floor(next / 100) % 100) - 1, next % 100);
    const endsMs = this.#beginOf(next, Math.max(ms, there - widestOffsetMs), there + widestOffsetMs);
    this.#months.set(resetDay, { begin, endsMs });
    return endsMs;
  }

  /** When `day`, or one behind it, begins, which is after `lowMs` and no later than `highMs`: days never go back while time goes on. */
  #beginOf(day: number, lowMs: number, highMs: number): number {
    let low = lowMs;
    let high = highMs;
    while (high - low > 1) {
      const middle = Math.floor((low + high) / 2);
      if (this.#read(middle) >= day) high = middle;
      else low = middle;
    }
    return high;
  }

  #read(ms: number): number {
    let day = 0;
    for (const { type, value } of this.#format.formatToParts(ms)) {
      if (type === 'year') day += Number(value) * 10_000;
      else if (type === 'month') day += Number(value) * 100;
      else if (type === 'day') day += Number(value);
    }
    return day;
  }
}

/** `month`: year × 100 + month. */
function firstDayOf(month: number, resetDay: number): number {
  const last = new Date(Date.UTC(Math.floor(month / 100), month % 100, 0)).getUTCDate();
  return month * 100 + Math.min(resetDay, last);
}

function monthBefore(month: number): number {
  return month % 100 === 1 ? month - 89 : month - 1;
}

function monthAfter(month: number): number {
  return month % 100 === 12 ? month + 89 : month + 1;
}
