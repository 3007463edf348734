/** Election: which of the paths by one way carries, when a doubt moves it, and what the peer's wishes make of that. */
import t from 'tap';
import { type Candidate, Election, type ParallelMode } from '../../../src/bonding/life/election.ts';
import { lifeState } from '../../../src/bonding/life/path-life-states.ts';
import { pathOrigin } from '../../../src/contract/peer-tables.ts';
import { pathWish } from '../../../src/wire/control-frame.ts';

const [udp, other] = [0, 1];
const ms = 1_000;

/** A path whose life the test writes. */
class Path implements Candidate {
  port: number;
  transport: number;
  way = 2;
  worth: number;
  handicap = 0;
  origin: number = pathOrigin.configured;
  wish: number = pathWish.none;
  wishUs = 0;
  isProbed = true;
  distanceUs = 20 * ms;
  isChosen = false;
  carries = false;
  state: number = lifeState.live;
  isUneasy = false;
  isOverdue = false;
  /** When the first question left since the last proof, and when that which was answered last had left. */
  askedUs = Number.POSITIVE_INFINITY;
  answeredUs = 0;
  provenUs = 0;
  provenTripUs = 20 * ms;
  probesUs: number[] = [];
  doubtedUs = Number.NEGATIVE_INFINITY;
  readonly life: Candidate['life'];

  constructor(port: number, part: Partial<Path> = {}) {
    this.port = port;
    this.transport = port;
    this.worth = port;
    Object.assign(this, part);
    const path = this;
    this.life = {
      get state() {
        return path.state;
      },
      get isDoubtful() {
        return path.state === lifeState.suspect || path.isUneasy;
      },
      get isTrusted() {
        return path.state === lifeState.live && path.provenUs >= path.doubtedUs;
      },
      get askedUs() {
        return path.askedUs;
      },
      get answeredUs() {
        return path.answeredUs;
      },
      get provenUs() {
        return path.provenUs;
      },
      get provenTripUs() {
        return path.provenTripUs;
      },
      get isOverdue() {
        return path.isOverdue;
      },
      handleOutlived: () => {
        path.state = lifeState.suspect;
      },
      probedFromUs: (us) => path.probesUs.find((leftUs) => leftUs >= us) ?? Number.POSITIVE_INFINITY,
      doubt: (us) => {
        if (path.provenUs < us) path.doubtedUs = Math.max(path.doubtedUs, us);
      },
    };
  }

  /** Something that left at `sentUs` was answered. */
  answer(sentUs: number, nowUs: number): void {
    this.provenUs = sentUs;
    this.provenTripUs = nowUs - sentUs;
    this.answeredUs = nowUs;
    this.askedUs = Number.POSITIVE_INFINITY;
  }
}

class Way {
  readonly paths: Path[];
  readonly #election: Election;

  constructor(paths: Path[] = [new Path(udp), new Path(other)], parallel: ParallelMode = 'off') {
    this.paths = paths;
    this.#election = new Election(parallel);
  }

  at(index: number): Path {
    return this.paths[index] as Path;
  }

  /** Indices of those that carry. */
  run(nowUs = 0): number[] {
    this.#election.run(this.paths, nowUs);
    return this.paths.flatMap((path, index) => (path.carries ? [index] : []));
  }
}

t.test('run() gives the data of a way to the preferred transport, however far away it is', async (t) => {
  const way = new Way();
  way.at(udp).distanceUs = 90 * ms;
  t.same(way.run(), [udp]);
  way.at(udp).isProbed = false;
  t.same(way.run(), [other]);
  way.at(udp).isProbed = true;
  way.at(udp).state = lifeState.unproven;
  t.same(way.run(), [other], 'what nobody has judged takes nothing over');
  way.at(udp).state = lifeState.live;
  t.same(way.run(), [udp]);
});

t.test(
  'run() asks the spare when the carrier is in doubt, and moves when the spare has answered what left since',
  async (t) => {
    const way = new Way();
    way.run();
    const [carrier, spare] = [way.at(udp), way.at(other)];
    spare.answer(90 * ms, 110 * ms);
    carrier.isUneasy = true;
    t.same(way.run(100 * ms), [udp]);
    t.equal(spare.doubtedUs, 100 * ms, 'the spare is asked');
    carrier.askedUs = 100 * ms;
    carrier.state = lifeState.suspect;
    t.same(way.run(115 * ms), [udp], 'what it said before proves nothing');
    carrier.probesUs = [100 * ms, 130 * ms];
    spare.answer(120 * ms, 140 * ms);
    t.same(way.run(141 * ms), [udp], 'what the carrier was asked after that may yet be answered');
    t.same(way.run(153 * ms), [udp], 'beside it');
    t.same(way.run(154 * ms), [other]);
    t.ok(carrier.doubtedUs >= 154 * ms, 'what was left must answer before it counts');
  },
);

t.test('run() moves what is overdue by much as soon as the spare has answered what it did not', async (t) => {
  const way = new Way();
  way.run();
  const [carrier, spare] = [way.at(udp), way.at(other)];
  // Smoothed while the way had a queue: that it took 20 ms this time is what counts.
  spare.distanceUs = 200 * ms;
  Object.assign(carrier, { isUneasy: true, askedUs: 100 * ms, probesUs: [100 * ms] });
  way.run(100 * ms);
  spare.answer(100 * ms, 120 * ms);
  t.same(way.run(125 * ms), [udp], 'a doubt alone moves nothing');
  carrier.isOverdue = true;
  t.same(way.run(123 * ms), [udp], 'one answer may be later than another');
  t.same(way.run(124 * ms), [other]);
  t.equal(carrier.state, lifeState.suspect);
});

t.test('run() moves nothing while a stall silences all paths of a radio', async (t) => {
  const way = new Way();
  way.run();
  for (const path of way.paths) {
    path.state = lifeState.suspect;
    path.askedUs = 100 * ms;
  }
  t.same(way.run(300 * ms), [udp]);
  way.at(other).state = lifeState.live;
  t.same(way.run(400 * ms), [udp], 'that it is called live is no answer');
});

t.test('run() lets what died wait until it lives, and takes it back when it has answered lately', async (t) => {
  const way = new Way();
  way.run();
  const carrier = way.at(udp);
  for (const state of [lifeState.dead, lifeState.recovering, lifeState.flapping]) {
    carrier.state = state;
    t.same(way.run(), [other]);
  }
  carrier.state = lifeState.live;
  way.at(other).answer(4_980 * ms, 5_000 * ms);
  t.same(way.run(5_000 * ms), [other], 'it was not heard for 5 s');
  t.equal(carrier.doubtedUs, 5_000 * ms);
  carrier.answer(5_000 * ms, 5_040 * ms);
  t.same(way.run(5_041 * ms), [udp]);
  const idle = new Way();
  idle.run();
  Object.assign(idle.at(udp), { state: lifeState.dead });
  idle.run();
  Object.assign(idle.at(udp), { state: lifeState.live });
  t.same(idle.run(5_000 * ms), [udp], 'nor was the other: nothing speaks for it');
});

/** Two ways with both transports, in this order: the first transport of each carries. */
function twoWays(): Way {
  const ways = new Way([1, 2].flatMap((way) => [new Path(udp, { way }), new Path(other, { way })]));
  for (const path of ways.paths) path.port = 2 * path.way + path.transport;
  ways.run();
  return ways;
}

t.test('run() leaves a transport on every way where it is silent, once one way has left it for another', async (t) => {
  const ways = twoWays();
  const [first, firstSpare, kin, kinSpare] = ways.paths as [Path, Path, Path, Path];
  first.isUneasy = true;
  t.same(ways.run(100 * ms), [0, 2]);
  t.same([firstSpare.doubtedUs, kin.doubtedUs, kinSpare.doubtedUs], [100 * ms, 100 * ms, 100 * ms], 'all are asked');
  for (const path of ways.paths) path.probesUs = [100 * ms];
  for (const path of [first, kin]) path.askedUs = 100 * ms;
  kinSpare.answer(100 * ms, 120 * ms);
  first.state = lifeState.suspect;
  t.same(ways.run(130 * ms), [0, 2], 'nothing speaks against the transport as such');
  firstSpare.answer(100 * ms, 120 * ms);
  t.same(ways.run(131 * ms), [1, 3]);
  t.equal(kin.state, lifeState.suspect);
});

t.test('run() keeps a transport on a way where it answers, or where its link is all that is silent', async (t) => {
  const answering = twoWays();
  const [first, firstSpare, kin, kinSpare] = answering.paths as [Path, Path, Path, Path];
  for (const path of answering.paths) path.probesUs = [100 * ms];
  Object.assign(first, { isUneasy: true, askedUs: 100 * ms, state: lifeState.suspect });
  answering.run(100 * ms);
  for (const path of [firstSpare, kin, kinSpare]) path.answer(100 * ms, 120 * ms);
  t.same(answering.run(131 * ms), [1, 2]);
  const dying = twoWays();
  for (const path of dying.paths) Object.assign(path, { probesUs: [100 * ms], askedUs: 100 * ms });
  Object.assign(dying.at(0), { isUneasy: true, state: lifeState.suspect });
  dying.run(100 * ms);
  dying.at(3).answer(100 * ms, 120 * ms);
  t.same(dying.run(131 * ms), [0, 2], 'one probe may be lost by chance');
});

t.test('run() does not move between two endpoints by one transport unless one is dead', async (t) => {
  const way = new Way([new Path(udp), new Path(udp)]);
  way.run();
  way.at(0).state = lifeState.suspect;
  way.at(0).askedUs = 0;
  way.at(0).probesUs = [0];
  t.same(way.run(50 * ms), [0], 'what ails one ails the other');
  way.at(0).state = lifeState.dead;
  t.same(way.run(60 * ms), [1]);
});

t.test('run() follows what the peer said last of the paths that it made, and judges its own direction', async (t) => {
  const learnt = { origin: pathOrigin.learnt, way: 70_000, wish: pathWish.carry } as const;
  const way = new Way([
    new Path(udp, { ...learnt, wishUs: 1 }),
    new Path(other, { ...learnt, wish: pathWish.reserve, wishUs: 1 }),
  ]);
  t.same(way.run(), [udp]);
  const [first, second] = [way.at(udp), way.at(other)];
  Object.assign(second, { wish: pathWish.carry, wishUs: 2 });
  t.same(way.run(), [other], 'that the other is in reserve may have got lost');
  t.same([first.isChosen, second.isChosen], [false, false], 'of what the peer has made we wish nothing');
  Object.assign(first, { wishUs: 3 });
  first.answer(1, 1);
  t.same(way.run(2), [udp]);
  Object.assign(second, { wish: pathWish.reserve });
  first.state = lifeState.suspect;
  first.askedUs = 10 * ms;
  first.probesUs = [10 * ms];
  second.answer(10 * ms, 50 * ms);
  t.same(way.run(60 * ms), [other], 'our direction of the first is blocked');
});

t.test('run() tries another path of those that the peer made, though the peer wants the first', async (t) => {
  const learnt = { origin: pathOrigin.learnt, way: 70_000 } as const;
  // It has said nothing of the other, or has used and left it.
  for (const wish of [pathWish.none, pathWish.reserve]) {
    const way = new Way([
      new Path(udp, { ...learnt, wish: pathWish.carry, wishUs: 9 * ms }),
      new Path(other, { ...learnt, wish, answeredUs: 10 * ms }),
    ]);
    t.same(way.run(10 * ms), [udp]);
    way.at(other).handicap = -1;
    t.same(way.run(20 * ms), [other], 'for the time of a trial');
    way.at(other).handicap = 0;
    way.at(udp).answer(21 * ms, 22 * ms);
    t.same(way.run(23 * ms), [udp]);
    way.at(other).answer(24 * ms, 25 * ms);
    way.at(udp).handicap = 1;
    t.same(way.run(26 * ms), [other], 'it was found to be slow');
  }
});

t.test('run() keeps what the peer holds in reserve for when nothing else is left', async (t) => {
  const way = new Way([new Path(udp, { way: 1, wish: pathWish.reserve }), new Path(udp, { way: 2 })]);
  t.same(way.run(), [1]);
  way.at(1).state = lifeState.dead;
  t.same(way.run(), [0, 1]);
  t.ok(way.at(1).isChosen, 'and would carry');
});

t.test('run() never uses a link that is about to go, and lets all carry where the configuration says so', async (t) => {
  const way = new Way();
  way.at(udp).origin = pathOrigin.leaving;
  t.same(way.run(), [other]);
  t.same(new Way([new Path(udp), new Path(other)], 'spread').run(), [udp, other]);
  t.same(new Way([new Path(udp), new Path(other)], 'redundant').run(), [udp]);
});
