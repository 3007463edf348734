/**
 * One cubic flow over fibre and LTE; one of them is swallowed for four seconds and comes back. Per trial: the worst 200 ms of the survivor
 * from a second after the death until the return, and of the rope from the return on, and how soon after the return the whole rope's rate
 * is reached again. What links carry is counted behind their bottlenecks, what the flow gets at its receiver: a packet that its own
 * queue drops keeps that from the application for a round trip, though the link is full.
 * `npm run bench -- bond/return [--trials 10] [--links fibre,lte] [--direction down]`
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { startBond } from '../../test/support/bond.ts';
import { runTcp, serveFlows } from '../../test/support/flows.ts';
import { inside } from '../../test/support/pair.ts';
import { median, option, report } from '../support/bench.ts';

const port = 7000;
const emulated = [
  { name: 'fibre', rateMbit: 100, delayMs: 8 },
  { name: 'lte', rateMbit: 40, delayMs: 25 },
] as const;
const strikeMs = 8_000;
const holeMs = 4_000;
/** By default a path that died carries again after 5 s. */
const endMs = strikeMs + holeMs + 5_000 + 4_000;
const stepMs = 200;
const bucketMs = 100;
/** Of a path in use: what its probes alone bring is less. */
const inUseMbit = 5;

const trials = Number(option('trials', '10'));
const direction = option('direction', 'down') === 'up' ? 'up' : 'down';

interface Look {
  readonly atMs: number;
  readonly bytes: readonly number[];
}

interface Trial {
  readonly beforeMbit: number;
  /** Behind the survivor's bottleneck, and at the receiver. */
  readonly aloneMbit: number;
  readonly aloneAtReceiverMbit: number;
  readonly returnMbit: number;
  readonly returnAtReceiverMbit: number;
  readonly wholeMs: number;
}

const meanOf = (values: readonly number[]): number => values.reduce((sum, one) => sum + one, 0) / values.length;

async function run(dies: string): Promise<Trial> {
  const { lab, net } = await startBond({ emulated });
  try {
    await serveFlows(net.server, port);
    const startMs = performance.now();
    const looks: Look[] = [];
    let isOver = false;
    const look = async (): Promise<void> => {
      while (!isOver) {
        const { links } = await net.stats();
        looks.push({ atMs: performance.now() - startMs, bytes: links.map((one) => one[direction].deliveredBytes) });
        await sleep(Math.max(1, looks.length * stepMs - (performance.now() - startMs)));
      }
    };
    const looking = look();
    const running = runTcp(net.client, inside.b4, port, { seconds: endMs / 1000 + 0.5, direction });
    await sleep(strikeMs);
    await net.link(dies).blackhole('both', true);
    await sleep(holeMs);
    await net.link(dies).blackhole('both', false);
    const [stream] = await running;
    isOver = true;
    await looking;
    return judge(looks, stream?.buckets ?? [], dies);
  } finally {
    await lab.close();
  }
}

function judge(looks: readonly Look[], buckets: readonly number[], dies: string): Trial {
  const dead = emulated.findIndex(({ name }) => name === dies);
  // Of each link between two looks; what they are apart is measured, for a busy machine looks late.
  const steps = looks.slice(1).map((one, at) => {
    const before = looks[at] as Look;
    const mbit = one.bytes.map((bytes, i) => ((bytes - (before.bytes[i] ?? 0)) * 8) / 1e3 / (one.atMs - before.atMs));
    return { fromMs: before.atMs, untilMs: one.atMs, ofDead: mbit[dead] ?? 0, sum: meanOf(mbit) * mbit.length };
  });
  const received = Array.from({ length: Math.floor(buckets.length / 2) }, (_, at) => ({
    fromMs: at * stepMs,
    untilMs: (at + 1) * stepMs,
    mbit: (((buckets[2 * at] ?? 0) + (buckets[2 * at + 1] ?? 0)) * 8) / 1e3 / (2 * bucketMs),
  }));
  const back = steps.find((one) => one.fromMs > strikeMs + holeMs && one.ofDead > inUseMbit);
  const backMs = back?.fromMs ?? Number.POSITIVE_INFINITY;
  const between = <T extends { fromMs: number; untilMs: number }>(of: readonly T[], fromMs: number, untilMs: number) =>
    of.filter((one) => one.fromMs >= fromMs && one.untilMs <= untilMs);
  const beforeMbit = meanOf(between(received, strikeMs - 2_000, strikeMs).map(({ mbit }) => mbit));
  const least = (values: readonly number[]): number => Math.min(...values);
  const aloneFromMs = strikeMs + 1_000;
  const whole = received.findIndex((one, at) => {
    const next = received[at + 1];
    return one.fromMs >= backMs - stepMs && next !== undefined && (one.mbit + next.mbit) / 2 >= 0.95 * beforeMbit;
  });
  return {
    beforeMbit,
    aloneMbit: least(between(steps, aloneFromMs, backMs).map(({ sum }) => sum)),
    aloneAtReceiverMbit: least(between(received, aloneFromMs, backMs).map(({ mbit }) => mbit)),
    returnMbit: least(between(steps, backMs, backMs + 3_000).map(({ sum }) => sum)),
    returnAtReceiverMbit: least(between(received, backMs, backMs + 3_000).map(({ mbit }) => mbit)),
    wholeMs: whole < 0 ? Number.POSITIVE_INFINITY : Math.max(0, (whole + 2) * stepMs - backMs),
  };
}

for (const dies of option('links', 'fibre').split(',')) {
  const results: Trial[] = [];
  for (let trial = 0; trial < trials; trial += 1) {
    const result = await run(dies);
    results.push(result);
    const words = Object.fromEntries(Object.entries(result).map(([name, value]) => [name, value.toFixed(1)]));
    report('bond-return', { dies, direction, trial, ...words }, result.wholeMs, 'ms');
  }
  for (const name of [
    'beforeMbit',
    'aloneMbit',
    'aloneAtReceiverMbit',
    'returnMbit',
    'returnAtReceiverMbit',
  ] as const) {
    const values = results.map((one) => one[name]);
    report(`bond-return-${name}`, { dies, trials, median: median(values).toFixed(1) }, Math.min(...values), 'least');
  }
  const values = results.map(({ wholeMs }) => wholeMs);
  report('bond-return-whole', { dies, trials, median: median(values).toFixed(0) }, Math.max(...values), 'ms at most');
}
