/** PathLife: silence that means something, and silence that does not; dead quickly enough, and never without reason. */
import t from 'tap';
import { PathLife } from '../../../src/bonding/life/path-life.ts';
import { lifeReason, lifeReasonTexts, lifeState, lifeStateNames } from '../../../src/bonding/life/path-life-states.ts';
import type { LifeSample } from '../../../src/bonding/life/silence.ts';

const ms = 1_000;
const second = 1_000_000;

/** A path with its peer: data, reports and probes over a link that a test breaks in one direction or both. */
class Bench {
  nowUs = 1 * second;
  life: PathLife;
  rttUs = 40 * ms;
  /** What the sender takes it for; 0 = it knows. */
  believedRttUs = 0;
  jitterUs = 0;
  loss = 0;
  reportIntervalUs = 10 * ms;
  bytesPerPacket = 1_400;
  /** Microseconds between packets; 0 = no data. */
  spacingUs = 1_000;
  isForwardBlack = false;
  isReverseBlack = false;
  /** Reports and replies reach us by another path. */
  hasOtherPath = true;
  /** Extra delay of everything that is sent from now on. */
  stallUntilUs = 0;
  /** How often the peer says that nothing more has come. */
  mostRepeats = Number.POSITIVE_INFINITY;
  hasStandby = false;
  readonly seen: string[] = [];
  #repeats = 0;
  #seed = 1;
  #sent: { atUs: number; arrivesUs: number }[] = [];
  #events: { atUs: number; run: () => void }[] = [];
  #lastReportUs = 0;
  #nextSendUs = 0;
  #nextReportUs = 0;
  probes = 0;

  constructor(settings?: ConstructorParameters<typeof PathLife>[1]) {
    this.life = new PathLife(this.nowUs, settings);
  }

  random(): number {
    this.#seed = (Math.imul(this.#seed, 1_664_525) + 1_013_904_223) | 0;
    return (this.#seed >>> 0) / 4_294_967_296;
  }

  /** Normal, sigma 1. */
  normal(): number {
    return Math.sqrt(-2 * Math.log(this.random() + 1e-12)) * Math.cos(2 * Math.PI * this.random());
  }

  run(forUs: number): void {
    for (const endUs = this.nowUs + forUs; this.nowUs < endUs; this.nowUs += 1_000) this.#turn();
  }

  /** Data flows from now on. */
  resume(): void {
    this.#nextSendUs = this.nowUs;
  }

  get state(): string {
    return lifeStateNames[this.life.state] as string;
  }

  /** Microseconds until `condition` holds, at most `mostUs`. */
  until(condition: () => boolean, mostUs = 10 * second): number {
    const fromUs = this.nowUs;
    while (!condition() && this.nowUs - fromUs < mostUs) this.run(ms);
    return this.nowUs - fromUs;
  }

  #oneWayUs(): number {
    const jitterUs = Math.abs(this.normal()) * this.jitterUs;
    return this.rttUs / 2 + jitterUs + Math.max(0, this.stallUntilUs - this.nowUs);
  }

  #turn(): void {
    const { life } = this;
    const before = life.state;
    if (this.spacingUs > 0 && this.nowUs >= this.#nextSendUs) this.#send();
    if (this.nowUs >= life.nextProbeAtUs) this.#probe();
    this.#peerReports();
    for (const event of this.#events.filter((one) => one.atUs <= this.nowUs)) event.run();
    this.#events = this.#events.filter((one) => one.atUs > this.nowUs);
    life.tick(this.nowUs, this.#sample());
    if (life.state !== before) this.seen.push(this.state);
  }

  #send(): void {
    this.#nextSendUs = this.nowUs + this.spacingUs;
    if (!this.life.isUsable) return;
    const isLost = this.isForwardBlack || this.random() < this.loss;
    this.#sent.push({ atUs: this.nowUs, arrivesUs: isLost ? Number.POSITIVE_INFINITY : this.nowUs + this.#oneWayUs() });
    this.life.handleSent(this.nowUs);
  }

  #probe(): void {
    this.probes += 1;
    const sentUs = this.nowUs;
    this.life.handleProbeSent(sentUs);
    if (this.isForwardBlack || this.random() < this.loss || this.random() < this.loss) return;
    if (this.isReverseBlack && !this.hasOtherPath) return;
    const backUs = sentUs + this.#oneWayUs() + this.#oneWayUs();
    const cameBySamePath = !this.isReverseBlack;
    this.#events.push({ atUs: backUs, run: () => this.life.handleProbeReply(backUs, backUs - sentUs, cameBySamePath) });
  }

  /** What has arrived at the peer by now reaches us half a round trip later; what was overtaken counts as lost. */
  #peerReports(): void {
    if (this.nowUs < this.#nextReportUs) return;
    this.#nextReportUs = this.nowUs + this.reportIntervalUs;
    if (this.isReverseBlack && !this.hasOtherPath) return;
    if (!this.hasOtherPath && this.isForwardBlack) return;
    const arrived = new Set(this.#sent.filter((one) => one.arrivesUs <= this.nowUs));
    this.#repeats = arrived.size > 0 ? 0 : this.#repeats + 1;
    if (this.#repeats > this.mostRepeats) return;
    const believedUs = this.believedRttUs || this.rttUs;
    this.#events.push({
      atUs: this.nowUs + believedUs / 2,
      run: () => {
        this.#lastReportUs = this.nowUs;
        // What a report should have named and did not is given up, and sent again.
        const before = this.#sent.length;
        this.#sent = this.#sent.filter(
          (one) => arrived.has(one) || one.atUs >= this.nowUs - believedUs * 1.125 - 4 * this.jitterUs - 8 * ms,
        );
        this.life.handleGivenUp(before - this.#sent.length);
        if (arrived.size === 0) return;
        const newest = Math.max(...[...arrived].map((one) => one.atUs));
        const isNew = this.#sent.some((one) => arrived.has(one));
        this.#sent = this.#sent.filter(
          (one) => !arrived.has(one) && one.atUs > newest - this.rttUs / 2 - 2 * this.jitterUs,
        );
        if (isNew) this.life.handleProgress(this.nowUs);
      },
    });
  }

  #sample(): LifeSample {
    return {
      inFlightBytes: this.#sent.length * this.bytesPerPacket,
      freshBytes: 0,
      oldestUnackedUs: this.#sent[0]?.atUs ?? 0,
      lastReportUs: this.#lastReportUs,
      reportIntervalUs: this.reportIntervalUs,
      rttUs: (this.believedRttUs || this.rttUs) + this.jitterUs * 1.6,
      jitterUs: this.jitterUs * 0.8,
      loss: this.loss,
      isPeerIdle: this.spacingUs === 0,
      hasStandby: this.hasStandby,
    };
  }
}

function started(change?: (bench: Bench) => void): Bench {
  const bench = new Bench();
  change?.(bench);
  bench.run(second);
  return bench;
}

t.test('a new path is unproven, asks at once, and lives from its first answer', async (t) => {
  const bench = new Bench();
  t.equal(bench.state, 'unproven');
  t.notOk(bench.life.isUsable);
  t.equal(bench.life.nextProbeAtUs, bench.nowUs);
  bench.run(50 * ms);
  t.equal(bench.state, 'live');
  t.ok(bench.life.isUsable);
  t.equal(bench.life.reason, lifeReason.proven);
});

t.test('every reason has its words', async (t) => {
  t.equal(lifeReasonTexts.length, Object.keys(lifeReason).length);
});

t.test('tick() suspects a path a round trip, 10 ms and three reports after packets begin to vanish', async (t) => {
  for (const reportIntervalUs of [5 * ms, 10 * ms, 20 * ms]) {
    for (let phase = 0; phase < 20; phase += 1) {
      const bench = started((one) => {
        one.reportIntervalUs = reportIntervalUs;
      });
      bench.run(phase * ms);
      bench.isForwardBlack = true;
      const waitUs = bench.until(() => !bench.life.isUsable);
      if (waitUs > bench.rttUs + 12 * ms + 3 * reportIntervalUs || waitUs < bench.rttUs) t.fail(`${waitUs} us`);
      t.equal(bench.life.reason, lifeReason.noProgress);
    }
  }
});

t.test(
  'tick() calls a suspect path dead when probes stay unanswered, and lets it back after the stability time',
  async (t) => {
    const bench = started();
    bench.isForwardBlack = true;
    bench.run(2 * second);
    t.same(bench.seen, ['live', 'suspect', 'dead']);
    t.equal(bench.life.deaths, 1);
    t.equal(bench.life.rank, 4);
    bench.isForwardBlack = false;
    const answeredUs = bench.until(() => bench.state === 'recovering');
    t.ok(answeredUs <= 300 * ms, `${answeredUs} us until an answer`);
    t.equal(bench.life.rank, 3, 'better than nothing');
    const backUs = bench.until(() => bench.life.isUsable);
    t.ok(Math.abs(backUs - 5 * second) <= 10 * ms, `${backUs} us`);
    t.equal(bench.life.reason, lifeReason.stable);
  },
);

t.test('tick() suspects a thin flow only after a quick question, and within 200 ms', async (t) => {
  const bench = started((one) => {
    one.spacingUs = 20 * ms;
    one.bytesPerPacket = 200;
  });
  bench.isForwardBlack = true;
  const askedUs = bench.until(() => bench.life.isQuestioned);
  t.ok(askedUs <= 100 * ms, `asked after ${askedUs} us`);
  const suspectUs = askedUs + bench.until(() => bench.state === 'suspect');
  t.ok(suspectUs <= 200 * ms, `suspect after ${suspectUs} us`);
});

t.test('tick() lets a far path answer before it calls quick questions unanswered', async (t) => {
  const bench = started((one) => {
    one.hasOtherPath = false;
    one.rttUs = 300 * ms;
  });
  bench.isReverseBlack = true;
  bench.run(250 * ms);
  bench.isReverseBlack = false;
  bench.run(second);
  t.same(bench.seen, ['live'], 'reports paused for less than a round trip');
});

t.test('tick() finds an idle path dead in less than 1 s', async (t) => {
  const bench = started((one) => {
    one.spacingUs = 1_000;
  });
  bench.spacingUs = 10 * second;
  bench.run(second);
  bench.isForwardBlack = true;
  const waitUs = bench.until(() => !bench.life.isUsable);
  t.ok(waitUs > 300 * ms && waitUs < second, `${waitUs} us`);
  t.equal(bench.life.reason, lifeReason.probesUnanswered);
});

t.test('tick() suspects the only path with data three times its round trip after all falls silent', async (t) => {
  for (let phase = 0; phase < 20; phase += 1) {
    const bench = started((one) => {
      one.hasOtherPath = false;
    });
    bench.run(phase * ms);
    bench.isForwardBlack = true;
    bench.isReverseBlack = true;
    const waitUs = bench.until(() => !bench.life.isUsable);
    if (waitUs > 3 * bench.rttUs + 10 * ms) t.fail(`${waitUs} us`);
    t.equal(bench.life.reason, lifeReason.probesUnanswered);
  }
});

t.test(
  'tick() counts from what vanished first, though it was given up, when the peer soon has no more to say',
  async (t) => {
    for (let phase = 0; phase < 20; phase += 1) {
      const bench = started((one) => {
        one.reportIntervalUs = 15 * ms;
      });
      bench.run(phase * ms);
      bench.isForwardBlack = true;
      bench.mostRepeats = 3;
      const waitUs = bench.until(() => !bench.life.isUsable);
      if (waitUs > bench.rttUs + 12 * ms + 3 * bench.reportIntervalUs) t.fail(`${waitUs} us`);
      t.equal(bench.life.reason, lifeReason.noProgress);
    }
  },
);

t.test('tick() does not hold it against new packets that the last ones before a pause were lost', async (t) => {
  for (let pauseMs = 0; pauseMs < 120; pauseMs += 5) {
    const bench = started();
    bench.isForwardBlack = true;
    bench.run(5 * ms);
    bench.isForwardBlack = false;
    bench.spacingUs = 10 * second;
    bench.run(pauseMs * ms);
    bench.spacingUs = ms;
    bench.resume();
    bench.run(300 * ms);
    t.same(bench.seen, ['live'], `a pause of ${pauseMs} ms`);
  }
});

t.test('a reverse blackhole does not look like a forward one', async (t) => {
  const bench = started();
  bench.isReverseBlack = true;
  bench.run(5 * second);
  t.same(bench.seen, ['live']);
});

t.test('silence of the peer as a whole is asked about, not judged', async (t) => {
  const bench = started((one) => {
    one.hasOtherPath = false;
  });
  bench.isReverseBlack = true;
  const askedUs = bench.until(() => bench.life.isQuestioned);
  t.ok(askedUs <= 120 * ms);
  t.equal(bench.state, 'live');
  bench.isReverseBlack = false;
  bench.run(200 * ms);
  t.same(bench.seen, ['live'], 'a pause of reports shorter than the questions');
});

t.test('30 minutes at 15 ms jitter (sigma) and 2 % loss bring no death, and hardly a suspicion', async (t) => {
  for (const [spacingUs, bytesPerPacket] of [
    [5_000, 1_400],
    [50_000, 200],
  ] as const) {
    const bench = new Bench();
    bench.jitterUs = 15 * ms;
    bench.loss = 0.02;
    bench.spacingUs = spacingUs;
    bench.bytesPerPacket = bytesPerPacket;
    bench.run(30 * 60 * second);
    t.equal(bench.life.deaths, 0);
    const suspicions = bench.seen.filter((state) => state === 'suspect').length;
    t.ok(suspicions <= 1, `${suspicions} suspicions`);
    t.notOk(bench.seen.includes('recovering'));
  }
});

t.test('a radio link that stalls for 400 ms is not used meanwhile, and at once afterwards', async (t) => {
  const bench = started();
  bench.stallUntilUs = bench.nowUs + 400 * ms;
  bench.run(300 * ms);
  t.equal(bench.state, 'suspect');
  bench.run(200 * ms);
  t.equal(bench.state, 'live');
});

t.test('a way that becomes half a second longer is left once, and must prove itself', async (t) => {
  const bench = started();
  bench.seen.length = 0;
  bench.believedRttUs = bench.rttUs;
  bench.rttUs += 500 * ms;
  bench.run(2 * second);
  t.strictSame(bench.seen, ['suspect', 'recovering']);
  t.equal(bench.life.reason, lifeReason.answeredLate);
  bench.believedRttUs = 0;
  bench.run(6 * second);
  t.strictSame(bench.seen, ['suspect', 'recovering', 'live']);
});

t.test('a path that is suspected again and again must prove itself', async (t) => {
  const bench = started();
  for (let round = 0; round < 5; round += 1) {
    bench.stallUntilUs = bench.nowUs + 400 * ms;
    bench.run(800 * ms);
  }
  t.equal(bench.state, 'recovering');
  t.equal(bench.life.reason, lifeReason.suspectedOften);
});

t.test('a path that is suspected often after each return must prove itself for longer each time', async (t) => {
  const bench = started();
  const holds: number[] = [];
  for (let round = 0; round < 4; round += 1) {
    for (let stalls = 0; bench.life.rank !== 3 && stalls < 20; stalls += 1) {
      bench.stallUntilUs = bench.nowUs + 400 * ms;
      bench.run(500 * ms);
      bench.until(() => bench.state !== 'suspect');
    }
    t.equal(bench.state, round === 0 ? 'recovering' : 'flapping');
    holds.push(Math.round(bench.until(() => bench.life.isUsable, 100 * second) / second));
  }
  t.same(holds, [5, 10, 20, 40]);
});

t.test('the kernel is believed at once, and after it says up the path proves itself', async (t) => {
  const bench = started();
  bench.life.handleKernelDown(bench.nowUs);
  t.equal(bench.state, 'withdrawn');
  t.equal(bench.life.nextProbeAtUs, Number.POSITIVE_INFINITY);
  bench.life.handleProgress(bench.nowUs);
  t.equal(bench.state, 'withdrawn', 'what was still under way changes nothing');
  bench.life.handleKernelUp(bench.nowUs);
  t.equal(bench.life.nextProbeAtUs, bench.nowUs);
  const backUs = bench.until(() => bench.life.isUsable);
  t.ok(backUs >= 5 * second && backUs < 5.3 * second, `${backUs} us`);
});

t.test('flapping 1 s / 1 s for two minutes: the path dies once and is left alone', async (t) => {
  const bench = started();
  for (let round = 0; round < 60; round += 1) {
    bench.isForwardBlack = !bench.isForwardBlack;
    bench.run(second);
  }
  t.ok(bench.life.deaths <= 2, `${bench.life.deaths} deaths`);
  t.notOk(bench.life.isUsable);
});

t.test('each short life doubles the hold-down, up to a minute; a long one forgives', async (t) => {
  const bench = started();
  const holds: number[] = [];
  for (let round = 0; round < 6; round += 1) {
    bench.isForwardBlack = true;
    bench.until(() => bench.state === 'dead');
    bench.isForwardBlack = false;
    bench.until(() => bench.life.rank === 3);
    t.equal(bench.state, round === 0 ? 'recovering' : 'flapping');
    holds.push(Math.round(bench.until(() => bench.life.isUsable, 100 * second) / second));
    bench.run(2 * second);
  }
  t.same(holds, [5, 10, 20, 40, 60, 60]);
  bench.run(4 * 60 * second);
  bench.isForwardBlack = true;
  bench.until(() => bench.state === 'dead');
  bench.isForwardBlack = false;
  bench.until(() => bench.life.rank === 3);
  t.equal(bench.state, 'recovering', 'forgiven');
});

t.test('by hand: it comes before all others, and its hold-down ends', async (t) => {
  const bench = started();
  bench.isForwardBlack = true;
  bench.until(() => bench.state === 'dead');
  bench.isForwardBlack = false;
  bench.until(() => bench.state === 'recovering');
  bench.life.handlePreferred(true);
  bench.run(200 * ms);
  t.equal(bench.state, 'live');
  t.equal(bench.life.rank, 0);
  bench.life.handlePreferred(false);
  t.equal(bench.life.rank, 1);
});

t.test(
  'an idle path is probed less and less while the peer is idle, and closely again once data goes out',
  async (t) => {
    const bench = started((one) => {
      one.spacingUs = 0;
    });
    bench.run(120 * second);
    const before = bench.probes;
    bench.run(50 * second);
    t.ok(bench.probes - before <= 26, `${bench.probes - before} probes in 50 s`);
    bench.spacingUs = 10 * second;
    bench.run(100 * ms);
    const resumed = bench.probes;
    bench.run(2 * second);
    t.ok(bench.probes - resumed >= 8, `${bench.probes - resumed} probes in 2 s`);
  },
);

t.test('rank is worse for a path beyond the default limits, not for a spike', async (t) => {
  const bench = started();
  bench.rttUs = 600 * ms;
  bench.run(400 * ms);
  t.not(bench.life.rank, 2, 'a spike');
  bench.run(5 * second);
  t.equal(bench.state, 'live');
  t.equal(bench.life.rank, 2);
  t.notOk(bench.life.isUsable);
  bench.rttUs = 100 * ms;
  bench.run(4 * second);
  t.equal(bench.life.rank, 2, 'not yet stable');
  bench.run(4 * second);
  t.equal(bench.life.rank, 1);
});

t.test('what was lost while a path died does not make it a bad one when it is back', async (t) => {
  const bench = started((one) => {
    one.spacingUs = 0;
  });
  bench.run(second);
  [bench.isForwardBlack, bench.isReverseBlack, bench.loss] = [true, true, 0.9];
  bench.run(4 * second);
  t.equal(bench.state, 'dead');
  [bench.isForwardBlack, bench.isReverseBlack] = [false, false];
  bench.run(2 * second);
  bench.loss = 0;
  bench.until(() => bench.state === 'live');
  bench.run(ms);
  t.equal(bench.life.rank, 1);
});

t.test('nextWakeUs is never later than what is due', async (t) => {
  const bench = started();
  bench.isForwardBlack = true;
  for (let turn = 0; turn < 100; turn += 1) {
    const state = bench.life.state;
    const wakeUs = bench.life.nextWakeUs;
    bench.run(ms);
    if (bench.life.state !== state) t.ok(wakeUs <= bench.nowUs, 'a change needs a wake-up before it');
  }
});

t.test('where another path stands by, a path is in doubt before the verdict, and never without reason', async (t) => {
  const bench = started((one) => {
    one.hasStandby = true;
  });
  bench.run(2 * second);
  const before = bench.probes;
  bench.run(10 * second);
  t.ok(bench.probes - before < 25, `a stream is asked once a second: ${bench.probes - before}`);
  bench.isForwardBlack = true;
  const doubtUs = bench.until(() => bench.life.isDoubtful);
  t.equal(bench.state, 'live');
  t.ok(bench.until(() => bench.life.askedUs < bench.nowUs) <= 2 * ms, 'and asked');
  const verdictUs = doubtUs + bench.until(() => bench.state === 'suspect');
  t.ok(doubtUs > bench.rttUs && verdictUs - doubtUs >= 5 * ms, `doubt after ${doubtUs}, verdict after ${verdictUs}`);
});

t.test('doubt() asks at once, and trusts nothing but the answer to what left since', async (t) => {
  const bench = started((one) => {
    one.spacingUs = 0;
  });
  bench.life.handleStandby(true);
  bench.run(20 * second);
  const { life } = bench;
  t.ok(life.isTrusted && life.nextProbeAtUs - bench.nowUs > 100 * ms);
  life.doubt(bench.nowUs);
  t.notOk(life.isTrusted);
  t.equal(life.nextProbeAtUs, bench.nowUs);
  t.equal(
    bench.until(() => life.isTrusted),
    41 * ms,
  );
  bench.isForwardBlack = true;
  life.doubt(bench.nowUs);
  bench.until(() => bench.state === 'suspect', second);
  t.equal(bench.state, 'suspect', 'who does not answer is suspect within a second');
});

t.test('one packet lost before a pause does not make all that left after it overdue', async (t) => {
  const sample = {
    inFlightBytes: 800_000,
    oldestUnackedUs: 100_000,
    lastReportUs: 200_000,
    reportIntervalUs: 6_000,
    rttUs: 60_000,
    jitterUs: 1_000,
    loss: 0,
    isPeerIdle: false,
    hasStandby: false,
  };
  const judged = (freshBytes: number): PathLife => {
    const life = new PathLife(0);
    life.handleProgress(150_000);
    life.tick(200_000, { ...sample, freshBytes });
    return life;
  };
  t.equal(judged(0).state, lifeState.suspect);
  t.equal(judged(798_000).state, lifeState.live);
  t.equal(judged(798_000).isQuestioned, true, 'a probe says more');
});

t.test('news of what left before a question is no answer to it, however late it comes', async (t) => {
  const bench = started((one) => {
    one.hasStandby = true;
  });
  bench.run(100 * ms);
  const { life, nowUs } = bench;
  life.handleProbeSent(nowUs + 10 * ms);
  const asked = life.askedUs;
  t.ok(asked <= nowUs + 10 * ms);
  life.handleProgress(nowUs + 60 * ms, asked - ms);
  t.equal(life.askedUs, asked);
  life.handleProgress(nowUs + 70 * ms, asked + ms);
  t.equal(life.askedUs, Number.POSITIVE_INFINITY);
});
