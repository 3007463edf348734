/** Quotas of a client whose use is known by day, under a clock that the tests set. */
import t from 'tap';
import { Calendar } from '../../../src/protocols/quota/calendar.ts';
import { Quota, type QuotaRules, type UsedBytes } from '../../../src/protocols/quota/quota.ts';

const gigabyte = 1e9;
const rules: QuotaRules = { dailyBytes: 10 * gigabyte, monthlyBytes: 100 * gigabyte, resetDay: 1 };

/** A client: what it used, by day, and what it was told. */
class Client {
  readonly calendar: Calendar;
  readonly days = new Map<number, number>();
  readonly heard: string[] = [];
  quota: Quota;
  #nowMs: number;

  constructor(now: string, its: Partial<QuotaRules> = {}, zone = 'Europe/Berlin') {
    this.calendar = new Calendar(zone);
    this.quota = new Quota({ ...rules, ...its }, this.calendar);
    this.#nowMs = Date.parse(now);
  }

  readonly used: UsedBytes = (from, to) =>
    [...this.days].reduce((sum, [day, bytes]) => (day >= from && day <= to ? sum + bytes : sum), 0);

  at(now: string): this {
    this.#nowMs = Date.parse(now);
    return this.look();
  }

  use(bytes: number): this {
    const day = this.calendar.dayOf(this.#nowMs);
    this.days.set(day, (this.days.get(day) ?? 0) + bytes);
    return this.look();
  }

  change(its: Partial<QuotaRules>): this {
    this.quota = new Quota({ ...rules, ...its }, this.calendar, this.quota.told);
    return this.look();
  }

  look(): this {
    for (const { kind, period } of this.quota.look(this.used, this.#nowMs)) this.heard.push(`${period} ${kind}`);
    return this;
  }

  /** What it has heard since it was asked last. */
  hear(): string {
    return this.heard.splice(0).join(', ');
  }
}

t.test('look() warns at 80 %, says when it is exceeded, each once', async (t) => {
  const client = new Client('2026-11-10T12:00:00Z');
  t.equal(client.use(8 * gigabyte - 1).hear(), '');
  t.equal(client.use(1).hear(), 'day warning', 'at 80 % to the byte');
  t.equal(client.use(gigabyte).hear(), '', 'not twice');
  t.notOk(client.quota.isExceeded);
  t.equal(client.use(gigabyte).hear(), 'day exceeded', 'at 100 % to the byte');
  t.ok(client.quota.isExceeded);
  t.equal(client.use(gigabyte).hear(), '');
});

t.test('look() passes over the warning when both are reached at once', async (t) => {
  t.equal(new Client('2026-11-10T12:00:00Z').use(10 * gigabyte).hear(), 'day exceeded');
});

t.test('look() resets at the midnight of the zone, not of UTC', async (t) => {
  const client = new Client('2026-11-10T12:00:00Z').use(11 * gigabyte);
  client.hear();
  t.equal(client.at('2026-11-10T22:59:59.999Z').hear(), '');
  t.ok(client.quota.isExceeded);
  t.equal(client.at('2026-11-10T23:00:00.000Z').hear(), 'day reset');
  t.notOk(client.quota.isExceeded);
});

t.test('look() holds a day of 25 hours to its quota until it ends', async (t) => {
  const client = new Client('2026-10-24T22:00:00Z').use(10 * gigabyte);
  client.hear();
  t.equal(client.at('2026-10-25T22:30:00Z').hear(), '', '24.5 hours later it is the same day');
  t.ok(client.quota.isExceeded);
  t.equal(client.at('2026-10-25T23:00:00Z').hear(), 'day reset');
});

t.test('look() ends a day of 23 hours in time', async (t) => {
  const client = new Client('2026-03-28T23:00:00Z').use(10 * gigabyte);
  client.hear();
  t.equal(client.at('2026-03-29T21:59:59Z').hear(), '');
  t.equal(client.at('2026-03-29T22:00:00Z').hear(), 'day reset');
});

t.test('look() sums the month from its reset day on', async (t) => {
  const client = new Client('2026-11-14T12:00:00Z', { dailyBytes: 0, resetDay: 15 }).use(90 * gigabyte);
  t.equal(client.hear(), 'month warning');
  t.equal(client.at('2026-11-15T00:00:00Z').hear(), '', 'a new month; a warning needs no reset');
  t.equal(client.use(50 * gigabyte).hear(), '', 'what was used before counts no more');
  t.equal(
    client
      .at('2026-12-01T12:00:00Z')
      .use(49 * gigabyte)
      .hear(),
    'month warning',
    'and the first of December is nothing',
  );
  t.equal(client.at('2026-12-14T12:00:00Z').use(gigabyte).hear(), 'month exceeded');
  t.equal(client.at('2026-12-14T22:59:59Z').hear(), '');
  t.equal(client.at('2026-12-14T23:00:00Z').hear(), 'month reset');
});

t.test('look() keeps the month exceeded when the day ends', async (t) => {
  const client = new Client('2026-11-10T12:00:00Z', { monthlyBytes: 10 * gigabyte }).use(10 * gigabyte);
  t.equal(client.hear(), 'day exceeded, month exceeded');
  t.equal(client.at('2026-11-11T12:00:00Z').hear(), 'day reset');
  t.ok(client.quota.isExceeded);
});

t.test('look() tells a new day of its own exceeding', async (t) => {
  const client = new Client('2026-11-10T12:00:00Z').use(10 * gigabyte);
  client.hear();
  // Nobody looked at midnight, and the new day is used up as well.
  client.days.set(20261111, 10 * gigabyte);
  t.equal(client.at('2026-11-11T12:00:00Z').hear(), 'day exceeded');
});

t.test('look() finds what was left when a clock jumps forth and back', async (t) => {
  const client = new Client('2026-11-10T12:00:00Z').use(9 * gigabyte);
  client.hear();
  t.equal(client.at('2036-01-01T00:00:00Z').use(gigabyte).hear(), '', 'another day, so nothing of the quota is used');
  t.equal(client.at('2026-11-10T12:00:01Z').hear(), 'day warning');
  t.equal(client.use(gigabyte).hear(), 'day exceeded', 'what was used before the jump counts');
});

t.test('look() gives nobody a second quota for a clock that is set back', async (t) => {
  const client = new Client('2026-11-10T12:00:00Z').use(10 * gigabyte);
  client
    .at('2026-11-09T12:00:00Z')
    .use(10 * gigabyte)
    .hear();
  t.ok(client.quota.isExceeded);
  client.at('2026-11-10T12:00:00Z');
  t.ok(client.quota.isExceeded, 'that day is used up still');
});

t.test('look() goes by new rules at once', async (t) => {
  const client = new Client('2026-11-10T12:00:00Z').use(10 * gigabyte);
  client.hear();
  t.equal(client.change({ dailyBytes: 20 * gigabyte }).hear(), 'day reset');
  t.notOk(client.quota.isExceeded);
  t.equal(client.change({ dailyBytes: 5 * gigabyte }).hear(), 'day exceeded');
  t.equal(client.change({ dailyBytes: 0 }).hear(), 'day reset', 'no quota any more');
  t.equal(client.use(1000 * gigabyte).hear(), 'month exceeded');
  client.change({ dailyBytes: 0, monthlyBytes: 0 });
  t.equal(client.hear(), 'month reset');
  t.equal(client.use(1000 * gigabyte).hear(), '');
});

t.test('a successor tells nothing again, and knows that it is exceeded', async (t) => {
  const client = new Client('2026-11-10T12:00:00Z').use(10 * gigabyte);
  client.hear();
  client.change({});
  t.equal(client.hear(), '');
  t.ok(client.quota.isExceeded);
});

t.test('stands() says what is left and until when', async (t) => {
  const client = new Client('2026-11-10T12:00:00Z').use(4 * gigabyte);
  const [day, month] = client.quota.stands(client.used, Date.parse('2026-11-10T13:00:00Z'));
  t.match(day, { period: 'day', begin: 20261110, usedBytes: 4 * gigabyte, quotaBytes: 10 * gigabyte, level: 'free' });
  t.match(month, { period: 'month', begin: 20261101, endsMs: Date.parse('2026-11-30T23:00:00Z') });
});

t.test('a year of a client that uses as much as it may is reset once a day', async (t) => {
  const client = new Client('2025-12-31T23:00:00Z', { monthlyBytes: 0 });
  let ms = Date.parse('2025-12-31T23:00:00Z');
  for (; ms < Date.parse('2026-12-31T23:00:00Z'); ms += 3 * 3_600_000) {
    client.at(new Date(ms).toISOString());
    if (!client.quota.isExceeded) client.use(2.5 * gigabyte);
  }
  const count = (what: string): number => client.heard.filter((one) => one === what).length;
  t.equal(count('day exceeded'), 365);
  t.equal(count('day reset'), 364);
  t.equal(count('day warning'), 0, '7.5 is below 80 %, and the next step is the last');
  t.equal(client.used(0, 1e9), 365 * 10 * gigabyte);
});
