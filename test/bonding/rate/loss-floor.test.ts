/** LossFloor: what begins a trial. */
import t from 'tap';
import { LossFloor } from '../../../src/bonding/rate/loss-floor.ts';

const effectUs = 100_000;
const searchExcess = 0.1;
const cruiseExcess = 0.015;

/** Verdicts of a floor by reports so far apart, of so many packets, of which `lostOf` says how many are lost. */
function verdictsOf(reportUs: number, packets: number, excess: number, lostOf: (report: number) => number): string[] {
  const floor = new LossFloor();
  return Array.from({ length: 100 }, (_, report) => {
    const lost = lostOf(report);
    return floor.handleReport(packets - lost, lost, report * reportUs, report * reportUs, effectUs, excess);
  });
}

t.test('an overflow that rare reports tell of in lumps begins a trial', async (t) => {
  const verdicts = verdictsOf(30_000, 110, searchExcess, (report) => (report % 4 === 0 ? 100 : 0));
  t.ok(verdicts.includes('begin'), 'a quarter is lost, each time in one report of four');
});

t.test('a burst now and then, and losses that frequent reports show to be few, begin none', async (t) => {
  const bursts = verdictsOf(30_000, 110, cruiseExcess, (report) => (report % 25 === 3 ? 20 : 0));
  t.notOk(bursts.includes('begin'));
  const few = verdictsOf(10_000, 20, searchExcess, () => 1);
  t.notOk(few.includes('begin'), '5 % is no overflow of a search');
});

t.test('a trial is judged by what was sent since it began', async (t) => {
  const floor = new LossFloor();
  for (let nowUs = 0; nowUs < 50_000; nowUs += 10_000) floor.handleReport(20, 20, nowUs, nowUs, effectUs, searchExcess);
  t.ok(floor.isTrying);
  // Nothing comes for long, then all that was lost before it shows at once.
  t.equal(floor.handleReport(7, 41, -1, 200_000, effectUs, searchExcess), 'none');
  t.equal(floor.handleReport(7, 41, 190_000, 200_000, effectUs, searchExcess), 'none');
  t.equal(floor.handleReport(50, 0, 200_000, 210_000, effectUs, searchExcess), 'overflow');
});
