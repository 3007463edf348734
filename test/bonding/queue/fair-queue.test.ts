/** FairQueue: what waits for one peer leaves in a fair order, urgent classes first, and never grows without bound. */
import t from 'tap';
import { type Entries, FairQueue } from '../../../src/bonding/queue/fair-queue.ts';
import { trafficClass } from '../../../src/contract/records.ts';
import { stashSizes } from '../../../src/rings/stash.ts';

interface Entry {
  readonly bytes: number;
  readonly flow: number;
  readonly kind: number;
  readonly timeUs: number;
  progress: number;
}

/** A queue over entries that are plain objects; what it gives up is kept in `dropped`. */
class Bench implements Entries {
  readonly all: Entry[] = [];
  readonly dropped: number[] = [];
  readonly marked: number[] = [];
  takesMarks = false;
  readonly trimmed: number[] = [];
  hasSegments = false;
  readonly queue = new FairQueue(this, {
    mark: (entry) => {
      if (this.takesMarks) this.marked.push(entry);
      return this.takesMarks;
    },
    trim: (entry) => {
      if (this.hasSegments) this.trimmed.push(entry);
      return this.hasSegments;
    },
    drop: (entry) => this.dropped.push(entry),
  });

  bytes = (entry: number): number => (this.all[entry] as Entry).bytes;
  timeUs = (entry: number): number => (this.all[entry] as Entry).timeUs;
  trafficClass = (entry: number): number => (this.all[entry] as Entry).kind;
  flow = (entry: number): number => (this.all[entry] as Entry).flow;
  progress = (entry: number): number => (this.all[entry] as Entry).progress;

  push(flow: number, bytes: number, timeUs = 0, kind: number = trafficClass.bulk): boolean {
    this.all.push({ flow, bytes, kind, timeUs, progress: 0 });
    return this.queue.push(this.all.length - 1);
  }

  /** Sends the next whole; returns its flow, or -1. */
  send(nowUs = 0): number {
    const entry = this.queue.peek(nowUs);
    if (entry < 0) return -1;
    this.queue.spend(this.bytes(entry));
    this.queue.pop();
    return this.flow(entry);
  }

  /** Sends `bytes` in all; returns how many each flow got. */
  share(bytes: number): Map<number, number> {
    const got = new Map<number, number>();
    for (let sent = 0; sent < bytes; ) {
      const entry = this.queue.peek(0);
      const size = this.bytes(entry);
      this.queue.spend(size);
      this.queue.pop();
      got.set(this.flow(entry), (got.get(this.flow(entry)) ?? 0) + size);
      sent += size;
    }
    return got;
  }
}

t.test('one flow leaves in the order it came', async (t) => {
  const bench = new Bench();
  for (let number = 0; number < 300; number += 1) bench.push(5, 100 + number);
  for (let number = 0; number < 300; number += 1) {
    t.equal(bench.bytes(bench.queue.peek(0)), 100 + number);
    bench.send();
  }
  t.equal(bench.send(), -1);
  t.equal(bench.queue.count, 0);
  t.equal(bench.queue.bytes, 0);
});

t.test('backlogged flows share evenly, whatever their packets measure', async (t) => {
  const bench = new Bench();
  const sizes = new Map([
    [1, 64_000],
    [2, 1_400],
    [3, 400],
  ]);
  for (const [flow, size] of sizes) {
    const entries = Math.ceil(1_300_000 / size);
    for (let number = 0; number < entries; number += 1) bench.push(flow, size);
  }
  const got = bench.share(1_500_000);
  for (const flow of sizes.keys()) {
    const bytes = got.get(flow) ?? 0;
    t.ok(bytes > 400_000 && bytes < 600_000, `flow ${flow}: ${bytes} of 1,500,000`);
  }
});

t.test('a flow whose trains come one at a time does not escape its debt by running empty', async (t) => {
  const bench = new Bench();
  const sent = new Map<number, number>();
  let isWaiting = false;
  let since = 0;
  for (let total = 0; total < 4_000_000; ) {
    // Flow 1 never has more than one super-packet here, and the next comes when its place in the round has passed; flow 2 is
    // backlogged.
    if (!isWaiting && since > 10) isWaiting = bench.push(1, 64_000);
    while (bench.queue.count < 40) bench.push(2, 1_400);
    const entry = bench.queue.peek(0);
    const [flow, bytes] = [bench.flow(entry), bench.bytes(entry)];
    bench.send();
    since += 1;
    if (flow === 1) {
      isWaiting = false;
      since = 0;
    }
    sent.set(flow, (sent.get(flow) ?? 0) + bytes);
    total += bytes;
  }
  const ratio = (sent.get(1) ?? 0) / (sent.get(2) ?? 1);
  t.ok(ratio < 1.5, `${ratio.toFixed(1)} times the share of the flow of small packets`);
});

t.test('urgent classes go before bulk, in the order they came', async (t) => {
  const bench = new Bench();
  for (let number = 0; number < 10; number += 1) bench.push(1, 1_400);
  bench.push(8, 90, 0, trafficClass.latency);
  bench.push(9, 90, 0, trafficClass.control);
  t.equal(bench.send(), 8);
  t.equal(bench.send(), 9);
  t.equal(bench.send(), 1);
});

t.test('push() refuses beyond the share of one peer, and takes again after a pop', async (t) => {
  const bench = new Bench();
  let taken = 0;
  while (bench.push(1, 60_000)) taken += 1;
  t.ok(taken * 60_000 <= 4 << 20 && (taken + 1) * 60_000 > 4 << 20, `${taken} super-packets`);
  t.equal(bench.queue.count, taken, 'what was refused is not counted');
  bench.send();
  t.ok(bench.push(1, 60_000));
});

t.test('push() leaves slots to other peers, however small the packets are', async (t) => {
  const bench = new Bench();
  let taken = 0;
  while (taken < stashSizes.small && bench.push(1, 60)) taken += 1;
  t.ok(taken <= stashSizes.small / 2, `${taken} of ${stashSizes.small} slots`);
});

t.test(
  'a standing queue is dropped from, ECN flows are marked instead, and what is half sent is finished',
  async (t) => {
    for (const takesMarks of [false, true]) {
      const bench = new Bench();
      bench.takesMarks = takesMarks;
      for (let number = 0; number < 400; number += 1) bench.push(1, 1_400, 0);
      for (let nowUs = 50_000; nowUs < 400_000; nowUs += 1_000) bench.send(nowUs);
      t.equal(bench.dropped.length > 0, !takesMarks);
      t.equal(bench.marked.length > 0, takesMarks);
    }
    const bench = new Bench();
    for (let number = 0; number < 400; number += 1) {
      bench.push(1, 1_400, 0);
      (bench.all[number] as Entry).progress = 1;
    }
    for (let nowUs = 50_000; nowUs < 400_000; nowUs += 1_000) bench.send(nowUs);
    t.same(bench.dropped, []);
  },
);

t.test('count and bytes stay true through drops, pops and expiry', async (t) => {
  const bench = new Bench();
  for (let number = 0; number < 500; number += 1)
    bench.push(number % 7, 100 + number, number * 100, number % 5 === 0 ? trafficClass.latency : trafficClass.bulk);
  for (let nowUs = 100_000; nowUs < 300_000; nowUs += 1_000) bench.send(nowUs);
  bench.queue.expire(45_000);
  const left = new Set<number>();
  for (let entry = bench.queue.peek(0); entry >= 0; entry = bench.queue.peek(0)) {
    left.add(entry);
    t.ok(bench.timeUs(entry) >= 45_000, 'expired');
    bench.queue.spend(bench.bytes(entry));
    bench.queue.pop();
  }
  t.equal(bench.queue.count, 0);
  t.equal(bench.queue.bytes, 0);
  t.equal(bench.dropped.filter((entry) => left.has(entry)).length, 0);
});

t.test('peek() drops one packet of a train of several, and the rest leaves', async (t) => {
  const bench = new Bench();
  bench.hasSegments = true;
  for (let train = 0; train < 3; train += 1) bench.push(1, 60_000, 0);
  bench.queue.peek(50_000);
  t.equal(bench.queue.peek(200_000), 0, 'the train that was condemned is served all the same');
  t.same([bench.trimmed, bench.dropped], [[0], []]);
});

t.test(
  'push() lets the flow that has most waiting make room for another, and urgent packets in beyond that',
  async (t) => {
    const bench = new Bench();
    bench.queue.mostBytes = 100_000;
    while (bench.push(1, 1_400)) t.ok(bench.queue.bytes <= 100_000);
    t.ok(bench.push(2, 1_400), 'another flow');
    t.equal(bench.dropped.length, 1);
    t.equal(bench.flow(bench.dropped[0] ?? -1), 1);
    t.ok(bench.queue.bytes <= 100_000);
    t.ok(bench.push(3, 100, 0, trafficClass.latency), 'a ping');
    t.equal(bench.send(), 3, 'which leaves first');
    t.notOk(bench.push(1, 1_400), 'and who floods is refused as before');
    while (bench.push(2, 1_400));
    const of = (flow: number) =>
      bench.all.filter((one, index) => one.flow === flow && !bench.dropped.includes(index)).length;
    t.ok(Math.abs(of(1) - of(2)) <= 3, `${of(1)} and ${of(2)} wait`);
  },
);
