/** The search for the size of a path, over a path that is simulated packet by packet. */
import t from 'tap';
import { fit, PathSize } from '../../../src/bonding/size/path-size.ts';
import { randomOf } from '../../support/random.ts';

const second = 1e6;
const smallBytes = 100;

interface Way {
  /** Longest packet that passes at a time. */
  mtu: (nowUs: number) => number;
  rttUs?: number;
  /** Whether a packet that leaves now is lost by chance. */
  lose?: (nowUs: number, bytes: number) => boolean;
}

interface Course {
  /** Every probe that left: when, and of which size. */
  readonly sent: { readonly atUs: number; readonly bytes: number }[];
  /** Under way. */
  readonly answers: { atUs: number; sequence: number }[];
  nowUs: number;
}

function newCourse(): Course {
  return { sent: [], answers: [], nowUs: 0 };
}

/** Turns the search by hand from `course.nowUs` until `untilUs`, a turn a millisecond. */
function follow(size: PathSize, way: Way, untilUs: number, course: Course = newCourse()): Course {
  const { answers } = course;
  let next = 1000 + course.sent.length;
  for (; course.nowUs < untilUs; course.nowUs += 1000) {
    const { nowUs } = course;
    for (let i = answers.length - 1; i >= 0; i -= 1) {
      const answer = answers[i];
      if (answer === undefined || answer.atUs > nowUs) continue;
      answers.splice(i, 1);
      if (size.has(answer.sequence)) size.handleReply(answer.sequence, nowUs);
    }
    if (!size.nextVolley(nowUs)) continue;
    const sizes = [...size.volley, smallBytes];
    size.handleSent(next, nowUs);
    for (const [place, bytes] of sizes.entries()) {
      course.sent.push({ atUs: nowUs, bytes });
      if (bytes > way.mtu(nowUs) || way.lose?.(nowUs, bytes) === true) continue;
      answers.push({ atUs: nowUs + (way.rttUs ?? 40_000), sequence: next + place });
    }
    next += sizes.length;
  }
  return course;
}

function ofMtu(mtu: number): Way {
  return { mtu: () => mtu };
}

function started(wanted = 1480, most = 1500): PathSize {
  const size = new PathSize();
  size.setGoal(wanted, most, 0);
  return size;
}

t.test('PathSize knows an ordinary path after one round trip and three probes', async (t) => {
  const size = started();
  t.equal(size.passes(1480), fit.maybe, 'not known yet');
  const course = follow(size, ofMtu(1500), 41_000);
  t.equal(size.bytes, 1500);
  t.equal(size.passes(1480), fit.yes);
  t.equal(size.passes(1501), fit.no);
  follow(size, ofMtu(1500), 30 * second, course);
  t.same(
    course.sent.map(({ bytes }) => bytes),
    [1500, 1480, 1200, smallBytes],
    'and nothing more',
  );
});

for (const mtu of [576, 1100, 1200, 1300, 1400, 1410, 1430, 1452, 1472, 1480, 1492, 1499]) {
  t.test(`PathSize finds ${mtu} within 8 bytes and a second, by few probes`, async (t) => {
    const size = started();
    const course = follow(size, ofMtu(mtu), 1.5 * second);
    t.ok(size.bytes <= mtu && size.bytes > mtu - 8, `${size.bytes} of ${mtu}`);
    t.ok(course.sent.length <= 60, `${course.sent.length} probes`);
    t.equal(size.passes(mtu + 8), fit.no);
    t.equal(size.expectedBytes, Math.min(1480, size.bytes));
    const { length } = course.sent;
    follow(size, ofMtu(mtu), 30 * second, course);
    t.equal(course.sent.length, length, 'then it rests');
  });
}

t.test('PathSize finds jumbo paths up to what the interface takes', async (t) => {
  const jumbo = started(9000, 9000);
  follow(jumbo, ofMtu(9000), 100_000);
  t.equal(jumbo.bytes, 9000);
  const less = started(9000, 9000);
  follow(less, ofMtu(8000), 5 * second);
  t.ok(less.bytes <= 8000 && less.bytes > 7992, `${less.bytes}`);
});

t.test('PathSize takes no loss for a size: by chance, in bursts, or of everything', async (t) => {
  const random = randomOf(7);
  for (const share of [0.02, 0.1]) {
    for (let run = 0; run < 20; run += 1) {
      const size = started();
      follow(size, { mtu: () => 1500, lose: () => random() < share }, 20 * second);
      t.equal(size.bytes, 1500, `${share} lost, run ${run}`);
    }
  }
  const bursts = started();
  follow(bursts, { mtu: () => 1500, lose: (nowUs) => nowUs % 430_000 < 300_000 }, 20 * second);
  t.equal(bursts.bytes, 1500);
  const dead = started();
  const course = follow(dead, { mtu: () => 0 }, 60 * second);
  t.ok(course.sent.length < 80, `${course.sent.length} probes in a minute`);
  t.equal(dead.passes(1480), fit.maybe);
  follow(dead, ofMtu(1430), 120 * second, course);
  t.ok(dead.bytes > 1422, 'found when it lives');
});

t.test('a doubt is dispelled by one round trip, and may be raised again later', async (t) => {
  const size = started();
  const course = follow(size, ofMtu(1500), second);
  size.handleDoubt(course.nowUs, true);
  t.same([size.passes(1480), size.passes(1200)], [fit.maybe, fit.yes], 'others carry long packets meanwhile');
  const before = course.sent.length;
  follow(size, ofMtu(1500), course.nowUs + 50_000, course);
  t.equal(size.passes(1480), fit.yes);
  t.equal(course.sent.length, before + 3, 'what is in doubt, the base, and the small one');
  size.handleDoubt(course.nowUs, true);
  t.equal(size.isDoubted, false, 'not at once');
});

t.test('a path that becomes narrow is found so by probes of what it took, not by lost data alone', async (t) => {
  const size = started();
  const course = follow(size, ofMtu(1500), second);
  size.handleDoubt(course.nowUs, true);
  follow(size, ofMtu(1300), course.nowUs + 300_000, course);
  t.equal(size.passes(1500), fit.no);
  t.equal(size.expectedBytes, 1480, 'the tunnel follows when the search has ended');
  follow(size, ofMtu(1300), course.nowUs + second, course);
  t.ok(size.bytes <= 1300 && size.bytes > 1292, `${size.bytes}`);
  t.equal(size.expectedBytes, size.bytes);
  size.handleDoubt(course.nowUs, true);
  follow(size, { mtu: () => 0 }, course.nowUs + 5 * second, course);
  t.ok(size.passes(1290) !== fit.no, 'a dead path is no narrow one');
  follow(size, ofMtu(1300), course.nowUs + 20 * second, course);
  t.equal(size.passes(1290), fit.yes);
});

t.test('while a doubt is judged, what was answered since is usable, one round trip after the first miss', async (t) => {
  const size = started();
  const course = follow(size, ofMtu(1500), second);
  size.handleDoubt(course.nowUs, true);
  t.equal(size.usableBytes, 1200);
  follow(size, ofMtu(1430), course.nowUs + 130_000, course);
  t.same([size.passes(1480), size.usableBytes], [fit.maybe, 1420], 'not condemned yet, but others are known to pass');
  follow(size, ofMtu(1430), course.nowUs + second, course);
  t.equal(size.usableBytes, size.bytes);
});

t.test('doubts that come up again and again do not keep a search from its end', async (t) => {
  for (const mtu of [1300, 1400, 1430]) {
    const size = started();
    const course = follow(size, ofMtu(1500), second);
    const beganUs = course.nowUs;
    while (course.nowUs < beganUs + 1.5 * second) {
      size.handleDoubt(course.nowUs, course.nowUs % 2 === 0);
      follow(size, { ...ofMtu(mtu), rttUs: 60_000 }, course.nowUs + 20_000, course);
    }
    t.ok(size.expectedBytes <= mtu && size.expectedBytes > mtu - 8, `${size.expectedBytes} of ${mtu}`);
  }
});

t.test('a doubt is judged though the search begins anew before it was', async (t) => {
  const news: readonly (readonly [string, (size: PathSize, nowUs: number) => void])[] = [
    ['another MTU of the interface', (size, nowUs) => size.setGoal(1480, 1492, nowUs)],
    ['less than what is in doubt', (size, nowUs) => size.setGoal(1480, 1400, nowUs)],
    ['refused by the kernel', (size, nowUs) => size.handleRefused(1500, nowUs)],
    ['perhaps another path', (size, nowUs) => size.begin(nowUs)],
  ];
  for (const [what, tell] of news) {
    const size = started();
    const course = follow(size, { mtu: () => 1490 }, second);
    size.handleDoubt(course.nowUs, true);
    t.equal(size.isDoubted, true);
    tell(size, course.nowUs);
    follow(size, ofMtu(1490), course.nowUs + second, course);
    const taken = what.startsWith('less') ? 1400 : 1480;
    t.same([size.isDoubted, size.passes(taken)], [false, fit.yes], what);
  }
});

t.test('what begins from the start does not wait for what was not answered before', async (t) => {
  const size = started();
  const course = follow(size, { mtu: () => 0 }, 20 * second);
  t.equal(size.bytes, 0);
  size.begin(course.nowUs);
  follow(size, { mtu: () => 0 }, course.nowUs + second / 2, course);
  follow(size, ofMtu(1500), course.nowUs + 2 * second, course);
  t.equal(size.bytes, 1500);
});

t.test('a hint of a router is asked for at once, and never believed', async (t) => {
  const size = started();
  const course = follow(size, ofMtu(1500), second);
  size.handleHint(68, course.nowUs);
  size.handleHint(1199, course.nowUs);
  const { length } = course.sent;
  follow(size, ofMtu(1500), course.nowUs + second, course);
  t.equal(course.sent.length, length, 'below the base');
  size.handleHint(1300, course.nowUs);
  follow(size, ofMtu(1500), course.nowUs + second, course);
  t.same([size.bytes, size.expectedBytes, size.holes], [1500, 1480, 0], 'forged');
  t.equal(course.sent.length, length + 4, 'one volley');
  size.handleHint(1344, course.nowUs);
  t.equal(size.passes(1480), fit.yes, 'nothing changes by the word alone');
  follow(size, ofMtu(1344), course.nowUs + 300_000, course);
  t.equal(size.bytes, 1344, 'true: exactly what was named');
  const late = started();
  const search = follow(late, ofMtu(1390), 2 * second);
  t.ok(late.bytes < 1390, `the search came near: ${late.bytes}`);
  late.handleHint(1390, search.nowUs);
  follow(late, ofMtu(1390), search.nowUs + second, search);
  t.equal(late.bytes, 1390, 'named after the search');
});

t.test('a path that becomes wide is found so after ten minutes, or by a packet that arrived', async (t) => {
  const size = started();
  const course = follow(size, ofMtu(1430), 2 * second);
  const known = size.bytes;
  const raised = follow(size, { mtu: (nowUs) => (nowUs < 300 * second ? 1430 : 1500) }, 599 * second, course);
  t.equal(size.bytes, known);
  follow(size, ofMtu(1430), 620 * second, raised);
  t.equal(size.bytes, known, 'asked, and still narrow');
  t.equal(size.passes(1480), fit.no, 'which is not forgotten while it is asked');
  follow(size, ofMtu(1500), 1300 * second, raised);
  t.equal(size.bytes, 1500);
  const other = started();
  const later = follow(other, ofMtu(1430), 2 * second);
  other.handleDelivered(1470, later.nowUs);
  follow(other, ofMtu(1500), later.nowUs + second, later);
  t.equal(other.bytes, 1500);
});

t.test('what the kernel refuses, and what the interface takes, is believed at once', async (t) => {
  const size = started();
  const course = follow(size, ofMtu(1500), second);
  size.handleRefused(1480, course.nowUs);
  t.equal(size.passes(1480), fit.no);
  follow(size, ofMtu(1400), course.nowUs + second, course);
  t.ok(size.bytes <= 1400 && size.bytes > 1392);
  size.setGoal(1480, 1300, course.nowUs);
  t.ok(size.bytes <= 1300 && size.passes(1301) === fit.no, 'the interface takes no more');
  follow(size, ofMtu(1300), course.nowUs + second, course);
  t.same([size.bytes, size.expectedBytes], [1300, 1300]);
  size.setGoal(1480, 1500, course.nowUs);
  follow(size, ofMtu(1500), course.nowUs + second, course);
  t.equal(size.bytes, 1500, 'and more again');
});

t.test('a successor goes on with what was known', async (t) => {
  const size = new PathSize(1432);
  size.setGoal(1480, 1500, 0);
  t.same([size.passes(1432), size.passes(1480)], [fit.yes, fit.maybe]);
  follow(size, ofMtu(1432), second);
  t.ok(size.bytes >= 1432 && size.bytes < 1440);
  size.begin(2 * second);
  t.equal(size.bytes, 0);
});
