/** AckDesk: what it holds is never lost, leaves in order, and only a later acknowledgement of the same connection takes its place. */
import t from 'tap';
import type { ActorContext } from '../../src/actors/kit/contract.ts';
import type { Throughput } from '../../src/actors/kit/ports.ts';
import { AckDesk } from '../../src/actors/sealer/ack-desk.ts';
import { facts } from '../../src/contract/columns.ts';
import { createStashMemory, Stash } from '../../src/rings/stash.ts';

const peer = {
  row: 0,
  roundTrips: () => ({
    leastUs: 20_000,
    mostUs: 80_000,
    inUseUs: 20_000,
    seenSinceUs: Number.NEGATIVE_INFINITY,
    sendingSinceUs: 0,
  }),
};

/** A desk over a real stash, one train a look; `sent` = numbers of the acknowledgements that left. */
class Bench {
  readonly stash = new Stash(createStashMemory({ small: 8, large: 1 }));
  readonly sent: number[] = [];
  isSameConnection = true;
  thinned = 0;
  wakeAtUs = Number.POSITIVE_INFINITY;
  readonly #held = new Map<number, number>();
  readonly #rows = new Int32Array(64 * facts.columns);
  readonly #desk: AckDesk;

  constructor() {
    const context: Pick<ActorContext, 'wakeAt'> = {
      wakeAt: (atUs) => {
        this.wakeAtUs = atUs;
      },
    };
    const native = {
      isSameConnection: () => this.isSameConnection,
      stash: (_index: number, offset: number) => {
        this.#held.set(offset, this.#rows[facts.ack] as number);
        return 0;
      },
    };
    const waiting = {
      stash: this.stash,
      enqueue: (slot: number) => {
        this.sent.push(this.#held.get(this.stash.offset(slot)) as number);
        this.stash.release(slot);
      },
    };
    const throughput: Pick<Throughput, 'count'> = {
      count: () => {
        this.thinned += 1;
      },
    };
    this.#desk = new AckDesk(context, native, waiting, throughput);
  }

  offer(ack: number, nowUs: number, pureAck = 1): void {
    this.#rows.set([52, 1, 0, 0, 77], 0);
    this.#rows[facts.pureAck] = pureAck;
    this.#rows[facts.ack] = ack | 0;
    if (!this.#desk.hold(peer, this.#rows, 0, nowUs)) this.sent.push(ack | 0);
  }

  tick(nowUs: number): void {
    this.#desk.tick(nowUs);
  }

  /** 200 kB are acknowledged by now, and one more segment is held. */
  begin(): void {
    for (let ack = 0; ack <= 200_000; ack += 50_000) this.offer(ack, ack / 10);
    this.sent.length = 0;
    this.offer(201_448, 21_000);
  }
}

t.test('hold() lets a later acknowledgement take the place of a held one', async (t) => {
  const bench = new Bench();
  bench.begin();
  t.same(bench.sent, []);
  bench.offer(202_896, 21_100);
  t.equal(bench.thinned, 1);
  bench.tick(21_200);
  t.same(bench.sent, [], 'not due');
  bench.tick(60_000);
  t.same(bench.sent, [202_896]);
  t.ok(bench.wakeAtUs < 60_000, 'a turn was asked for');
  bench.tick(1e9);
  t.same(bench.sent, [202_896], 'once');
});

t.test('hold() keeps both of two that are alike, and their order', async (t) => {
  const bench = new Bench();
  bench.begin();
  bench.offer(201_448, 21_100);
  t.same(bench.sent, [201_448, 201_448]);
  t.equal(bench.thinned, 0);
});

t.test('hold() lets a held one go ahead of a segment that says more', async (t) => {
  const bench = new Bench();
  bench.begin();
  bench.offer(202_896, 21_100, 0);
  t.same(bench.sent, [201_448, 202_896]);
});

t.test('hold() drops nothing of another connection whose hash is the same', async (t) => {
  const bench = new Bench();
  bench.begin();
  bench.isSameConnection = false;
  bench.offer(900_000, 21_100);
  t.equal(bench.sent[0], 201_448);
  t.equal(bench.thinned, 0);
});

t.test('hold() sends at once when the stash is full', async (t) => {
  const bench = new Bench();
  for (let slot = bench.stash.take(52); slot >= 0; slot = bench.stash.take(52)) bench.stash.keep(slot, 0, 1, 1, 52, 0);
  for (let ack = 0; ack <= 200_000; ack += 50_000) bench.offer(ack, ack / 10);
  bench.offer(201_448, 21_000);
  t.equal(bench.sent.at(-1), 201_448);
});
