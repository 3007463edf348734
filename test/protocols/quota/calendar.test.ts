/** Days and months of time zones, at their edges. Expected instants are written in UTC. */
import t from 'tap';
import { Calendar } from '../../../src/protocols/quota/calendar.ts';

const at = (text: string): number => Date.parse(text);
const utc = (ms: number): string => new Date(ms).toISOString();

t.test('dayOf() changes at the midnight of the zone and nowhere else', async (t) => {
  const berlin = new Calendar('Europe/Berlin');
  t.equal(berlin.dayOf(at('2026-07-14T21:59:59.999Z')), 20260714);
  t.equal(berlin.dayOf(at('2026-07-14T22:00:00.000Z')), 20260715, 'two hours before UTC in summer');
  t.equal(berlin.dayOf(at('2026-12-31T22:59:59.999Z')), 20261231);
  t.equal(berlin.dayOf(at('2026-12-31T23:00:00.000Z')), 20270101, 'one in winter, and the year with it');
  t.equal(berlin.dayOf(at('2026-07-14T21:59:59.999Z')), 20260714, 'a clock that was set back');
  t.equal(new Calendar('UTC').dayOf(at('2028-02-29T23:59:59.999Z')), 20280229);
  t.equal(new Calendar('Pacific/Kiritimati').dayOf(at('2026-01-01T10:00:00Z')), 20260102);
  t.throws(() => new Calendar('Europe/Nowhere'), RangeError);
});

t.test('nextDayMs() knows days of 23 and 25 hours, and one that has no midnight', async (t) => {
  const berlin = new Calendar('Europe/Berlin');
  t.equal(utc(berlin.nextDayMs(at('2026-03-28T23:00:00Z'))), '2026-03-29T22:00:00.000Z', '23 hours: 29 March 2026');
  t.equal(utc(berlin.nextDayMs(at('2026-10-24T22:00:00Z'))), '2026-10-25T23:00:00.000Z', '25 hours: 25 October 2026');
  t.equal(utc(berlin.nextDayMs(at('2026-10-25T22:59:59.999Z'))), '2026-10-25T23:00:00.000Z', 'its last moment');
  // Clocks went from 24:00 of 3 November to 1:00 of the 4th (tzdata, southamerica).
  const brazil = new Calendar('America/Sao_Paulo');
  t.equal(utc(brazil.nextDayMs(at('2018-11-03T12:00:00Z'))), '2018-11-04T03:00:00.000Z');
  // And from 24:00 of 17 February back to 23:00 of the same day.
  t.equal(brazil.dayOf(at('2018-02-18T02:30:00Z')), 20180217, 'the hour that comes twice is the old day');
  t.equal(utc(brazil.nextDayMs(at('2018-02-17T12:00:00Z'))), '2018-02-18T03:00:00.000Z');
  // 30 December 2011 did not take place there.
  const apia = new Calendar('Pacific/Apia');
  t.equal(apia.dayOf(apia.nextDayMs(at('2011-12-30T09:00:00Z'))), 20111231);
});

t.test('monthOf() begins a month on the day asked for, or on its last', async (t) => {
  const calendar = new Calendar('Europe/Berlin');
  const month = (text: string, resetDay: number): number => calendar.monthOf(at(text), resetDay);
  t.equal(month('2026-11-30T22:59:59Z', 1), 20261101);
  t.equal(month('2026-11-30T23:00:00Z', 1), 20261201);
  t.equal(month('2026-11-14T12:00:00Z', 15), 20261015);
  t.equal(month('2026-11-15T12:00:00Z', 15), 20261115);
  t.equal(month('2027-01-03T12:00:00Z', 15), 20261215, 'over the end of the year');
  t.equal(month('2027-02-27T12:00:00Z', 31), 20270131);
  t.equal(month('2027-02-28T12:00:00Z', 31), 20270228, 'February has no 31st');
  t.equal(month('2028-02-28T12:00:00Z', 30), 20280130);
  t.equal(month('2028-02-29T12:00:00Z', 30), 20280229, 'a leap year');
  t.equal(month('2027-03-30T12:00:00Z', 31), 20270228);
});

t.test('nextMonthMs() is the midnight at which that month ends', async (t) => {
  const calendar = new Calendar('Europe/Berlin');
  const next = (text: string, resetDay: number): string => utc(calendar.nextMonthMs(at(text), resetDay));
  t.equal(next('2026-11-29T18:00:00Z', 1), '2026-11-30T23:00:00.000Z');
  t.equal(next('2026-11-30T22:59:59.999Z', 1), '2026-11-30T23:00:00.000Z', 'a millisecond before');
  t.equal(next('2026-11-30T23:00:00Z', 1), '2026-12-31T23:00:00.000Z', 'at its beginning');
  t.equal(next('2026-03-20T12:00:00Z', 29), '2026-03-28T23:00:00.000Z', 'before the clocks change');
  t.equal(next('2026-03-29T12:00:00Z', 30), '2026-03-29T22:00:00.000Z', 'behind it');
  t.equal(next('2027-01-31T12:00:00Z', 31), '2027-02-27T23:00:00.000Z');
  t.equal(next('2026-11-29T18:00:00Z', 1), '2026-11-30T23:00:00.000Z', 'asked about an earlier one again');
});

t.test('a year has each day once, in order, in every zone asked', async (t) => {
  for (const zone of ['UTC', 'Europe/Berlin', 'America/St_Johns', 'Australia/Lord_Howe', 'Asia/Kathmandu']) {
    const calendar = new Calendar(zone);
    const days = new Set<number>();
    let before = 0;
    let isOrdered = true;
    for (let ms = at('2026-01-02T00:00:00Z'); ms < at('2027-01-02T00:00:00Z'); ms += 5 * 3_600_000) {
      const day = calendar.dayOf(ms);
      isOrdered &&= day >= before && calendar.nextDayMs(ms) > ms && calendar.dayOf(calendar.nextDayMs(ms)) > day;
      before = day;
      days.add(day);
    }
    t.ok(isOrdered, zone);
    t.ok(days.size === 365 || days.size === 366, `${zone}: ${days.size} days`);
  }
});
