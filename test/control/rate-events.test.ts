/** RateEvents: who stays at a limit is told of once. */
import t from 'tap';
import { RateEvents, type RateMoment } from '../../src/control/rate-events.ts';

const second = 1_000_000;

/** Looks once a second from `from` to `to`; `moment`: what the tables say then. Returns the seconds of events. */
function watch(events: RateEvents, from: number, to: number, moment: (nowUs: number) => Partial<RateMoment>): number[] {
  const told: number[] = [];
  for (let at = from; at < to; at += 1) {
    const nowUs = at * second;
    const all = { peer: 'anna', sendBps: 20e6, sendUs: 0, takeBps: 10e6, takeUs: 0, ...moment(nowUs) };
    for (const _ of events.look([all], nowUs)) told.push(at);
  }
  return told;
}

t.test('five seconds at the limit are told once, and again after a minute without', async (t) => {
  const events = new RateEvents();
  const down = (nowUs: number) => ({ sendUs: nowUs - 1000 });
  t.same(watch(events, 100, 130, down), [105]);
  t.same(
    watch(events, 130, 160, () => ({})),
    [],
  );
  t.same(watch(events, 160, 180, down), [], 'too soon');
  t.same(
    watch(events, 180, 250, () => ({})),
    [],
  );
  t.same(watch(events, 250, 270, down), [255]);
});

t.test('who touches it now and then is not told of', async (t) => {
  const events = new RateEvents();
  const touching = (nowUs: number) => ({ sendUs: Math.floor(nowUs / (10 * second)) * 10 * second });
  t.same(watch(events, 100, 200, touching), []);
});

t.test("both directions and the server's rate have their own words", async (t) => {
  const events = new RateEvents();
  const at = (nowUs: number) => [
    { peer: 'anna', sendBps: 0, sendUs: nowUs, takeBps: 10e6, takeUs: nowUs },
    { peer: 'bert', sendBps: 5e6, sendUs: nowUs, takeBps: 0, takeUs: 0 },
  ];
  const told = [100, 101, 102, 103, 104, 105].flatMap((one) => events.look(at(one * second), one * second));
  t.same(told, [
    { kind: 'rate-reached', peer: 'anna', limit: 'total down' },
    { kind: 'rate-reached', peer: 'anna', limit: 'up', mbit: 10 },
    { kind: 'rate-reached', peer: 'bert', limit: 'down', mbit: 5 },
  ]);
});
