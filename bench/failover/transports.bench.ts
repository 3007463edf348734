/**
 * What an application sees when somebody blocks UDP on a link where another transport stands by: a numbered UDP flow at 70 % of a link of
 * 50 Mbit/s with a round trip of 40 ms, over one link or two, blocked silently at a random phase, out, in and both, with the flow either way.
 * Per trial the longest silence at the receiver, and what never came, all of it in protected classes. Then UDP that is policed to a tenth, and
 * UDP that flaps: blocked a random way for 0.5 to 6 s, again and again (`--seconds`, 60; 1800 for the goal).
 * `npm run bench -- failover/transports [--by test] [--trials 100] [--links 1,2] [--ways out,in,both] [--flow up,down] [--parts block,police,flap]`
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { EventRecord } from '../../src/control/events.ts';
import type { PathStatus } from '../../src/control/network-rows.ts';
import { blockUdp, type Way } from '../../test/support/blocks.ts';
import { type Bond, startBond } from '../../test/support/bond.ts';
import { runTcp, sendUdp, serveFlows, UdpSink } from '../../test/support/flows.ts';
import type { Direction } from '../../test/support/link-emulator.ts';
import { inside } from '../../test/support/pair.ts';
import { randomOf } from '../../test/support/random.ts';
import { median, option, quantile, report, runSeconds } from '../support/bench.ts';

const rttMs = 40;
const rateMbit = 50;
/** Payload of what one link carries: 1200 of 1200 + 28 inside + 60 of the tunnel + 14 of Ethernet. */
const offeredMbit = 0.7 * rateMbit * (1200 / 1302);
const policedMbit = 5;
const ports = { udp: 7001, tcp: 7000 } as const;
/** Shorter than the default of 5 s, so that a hundred trials take minutes. */
const failback = { text: '500ms', ms: 500 } as const;
/** A life shorter than four stability times would count as flapping, and the trials behind it would all wait for hold-downs of a minute. */
const steadyMs = 4 * failback.ms + 100;
const settleMs = 1_000;
const holdMs = 1_500;

const by = option('by', 'test');
const trials = Number(option('trials', '100'));
const linkCounts = option('links', '1,2').split(',').map(Number);
const ways = option('ways', 'out,in,both').split(',') as Way[];
const flows = option('flow', 'up,down').split(',') as Direction[];
const parts = option('parts', 'block,police,flap').split(',');
const flapSeconds = runSeconds > 1 ? runSeconds : 60;
const [leastFlapMs, mostFlapMs] = [500, 6_000];
/** Each trial, and what the daemons say at the end. */
const isTold = option('events', '') !== '';
const random = randomOf(20_261_129);

interface Trial {
  /** When it was struck. */
  readonly timeMs: number;
  readonly gapMs: number;
  readonly lost: number;
  readonly sent: number;
  readonly copies: number;
  readonly returnGapMs: number;
}

function start(links: number): Promise<Bond> {
  const names = ['one', 'two'].slice(0, links);
  return startBond({
    emulated: names.map((name) => ({ name, rateMbit, delayMs: rttMs / 2, queueMs: 100 })),
    links: { one: { priority: 0 }, two: { priority: 1 } },
    // With a second link beside it the flow shall stand on the one that is struck.
    bonding: {
      mode: links > 1 ? 'failover' : 'adaptive',
      failback: failback.text,
      protect: ['icmp', 'dns', 'latency', 'bulk', 'control'],
    },
    transport: by,
  });
}

/** Waits until all paths have lived for so long that another block is no flapping. */
async function awaitSteady({ net, rope }: Bond): Promise<void> {
  const isSteady = ({ condition, changedAgeMs = 0 }: PathStatus): boolean =>
    condition === 'live' && changedAgeMs >= steadyMs;
  for (;;) {
    await rope.awaitLive(2 * net.links.length);
    const both = await Promise.all(
      [rope.client, rope.server].map((daemon) => daemon.ask<readonly PathStatus[]>('paths')),
    );
    if (both.every((paths) => paths.filter(isSteady).length >= 2 * net.links.length)) return;
    await sleep(100);
  }
}

async function runTrial(bond: Bond, sink: UdpSink, way: Way): Promise<Trial> {
  await sleep(300 + 400 * random());
  await sink.cut();
  await sleep(50 + 100 * random());
  const unblock = blockUdp(bond.net, { way });
  const timeMs = Date.now();
  await sleep(holdMs);
  await sink.cut();
  unblock();
  const struck = await sink.report();
  await sleep(failback.ms + settleMs);
  await awaitSteady(bond);
  await sink.cut();
  const back = await sink.report();
  return {
    timeMs,
    gapMs: struck.maxGapMs,
    lost: struck.missing + back.missing,
    sent: struck.expected + back.expected,
    copies: struck.copies + back.copies,
    returnGapMs: back.maxGapMs,
  };
}

function tell(words: Record<string, string | number>, all: readonly Trial[]): void {
  for (const [name, values] of [
    ['block-gap', all.map(({ gapMs }) => gapMs)],
    ['return-gap', all.map(({ returnGapMs }) => returnGapMs)],
  ] as const) {
    const sorted = Float64Array.from(values).sort();
    for (const [which, value] of [
      ['p50', median(values)],
      ['p95', quantile(sorted, 0.95)],
      ['max', sorted.at(-1) ?? Number.NaN],
    ] as const)
      report(name, { ...words, quantile: which }, value, 'ms');
  }
  const sum = (value: (one: Trial) => number): number => all.reduce((total, one) => total + value(one), 0);
  report(
    'block-lost',
    { ...words, sent: sum(({ sent }) => sent) },
    sum(({ lost }) => lost),
    'datagrams',
  );
  report(
    'block-copies',
    words,
    sum(({ copies }) => copies),
    'datagrams',
  );
}

/** Who sends, who receives, and the receiver's address in the tunnel. */
function endsOf({ net }: Bond, flow: Direction) {
  return flow === 'down'
    ? ([net.server, net.client, inside.a4] as const)
    : ([net.client, net.server, inside.b4] as const);
}

/** With a flow of datagrams from one end to the other while `work` goes on. */
async function withFlow(
  links: number,
  flow: Direction,
  work: (bond: Bond, sink: UdpSink) => Promise<void>,
): Promise<void> {
  const bond = await start(links);
  try {
    await bond.rope.awaitLive(2 * links);
    const [from, to, address] = endsOf(bond, flow);
    const sink = await UdpSink.start(to, ports.udp);
    const sending = sendUdp(from, address, ports.udp, { rateMbit: offeredMbit, seconds: 24 * 3600 });
    await sleep(5_000);
    await work(bond, sink);
    sending.stop();
    await sending.done;
    sink.close();
    if (isTold) await tellEvents(bond);
  } finally {
    await bond.lab.close();
  }
}

async function measureBlocks(links: number, flow: Direction): Promise<void> {
  await withFlow(links, flow, async (bond, sink) => {
    for (const way of ways) {
      const all: Trial[] = [];
      for (let trial = 0; trial < trials; trial += 1) all.push(await runTrial(bond, sink, way));
      if (isTold) for (const one of all) console.log(way, JSON.stringify(one));
      tell({ by, links, flow, way, trials, rtt: rttMs }, all);
    }
  });
}

/** For a person who looks for a reason. */
async function tellEvents({ rope }: Bond): Promise<void> {
  for (const daemon of [rope.client, rope.server]) {
    for (const one of await daemon.ask<readonly EventRecord[]>('events', { since: 0 }))
      console.log(daemon.name, JSON.stringify(one));
    console.log(daemon.name, JSON.stringify(await daemon.ask<readonly PathStatus[]>('paths')));
  }
}

/** Goodput of one TCP flow: by the second transport alone, then with UDP policed from the fifth second on. */
async function measurePolice(flow: Direction): Promise<void> {
  const seconds = 14;
  const mbit = (buckets: readonly number[], from: number, to: number): number =>
    buckets.slice(10 * from, 10 * to).reduce((total, value) => total + value, 0) / 125_000 / (to - from);
  const bond = await start(1);
  const { net, rope } = bond;
  try {
    await rope.awaitLive(2);
    await serveFlows(net.server, ports.tcp);
    const run = async (): Promise<readonly number[]> =>
      (await runTcp(net.client, inside.b4, ports.tcp, { seconds, direction: flow }))[0]?.buckets ?? [];
    for (const daemon of [rope.client, rope.server]) await daemon.ask('transport.force', { transport: by });
    await sleep(1_000);
    const alone = mbit(await run(), 5, seconds);
    for (const daemon of [rope.client, rope.server]) await daemon.ask('transport.force', {});
    await sleep(2_000);
    const running = run();
    await sleep(5_000);
    const unblock = blockUdp(net, { way: 'both', overMbit: policedMbit });
    const buckets = await running;
    unblock();
    const words = { by, flow, policed: policedMbit };
    report('police-alone', words, alone, 'Mbit/s');
    report('police-udp-before', words, mbit(buckets, 3, 5), 'Mbit/s');
    report('police-first-5s', words, mbit(buckets, 5, 10), 'Mbit/s');
    report('police-after-5s', words, mbit(buckets, 10, seconds), 'Mbit/s');
    report('police-share-after-5s', words, mbit(buckets, 10, seconds) / alone, '');
    if (isTold) await tellEvents(bond);
  } finally {
    await bond.lab.close();
  }
}

/** UDP is blocked, or free again. */
interface Phase {
  readonly isBlock: boolean;
  readonly gapMs: number;
  readonly lost: number;
  readonly copies: number;
  readonly sent: number;
}

/** Longest silences of phases that begin with a block, and with its end; what never came, and what came twice. */
async function measureFlap(links: number, flow: Direction): Promise<void> {
  await withFlow(links, flow, async ({ net }, sink) => {
    const phases: Phase[] = [];
    const endMs = performance.now() + flapSeconds * 1000;
    let unblock: (() => void) | undefined;
    await sink.cut();
    while (performance.now() < endMs) {
      const isBlock = unblock === undefined;
      if (unblock === undefined) unblock = blockUdp(net, { way: ways[Math.floor(ways.length * random())] as Way });
      else {
        unblock();
        unblock = undefined;
      }
      await sleep(leastFlapMs + (mostFlapMs - leastFlapMs) * random());
      await sink.cut();
      const { maxGapMs: gapMs, missing: lost, copies, expected: sent } = await sink.report();
      phases.push({ isBlock, gapMs, lost, copies, sent });
      if (isTold) console.log('flap', JSON.stringify(phases.at(-1)));
    }
    const blocks = phases.filter(({ isBlock }) => isBlock).length;
    tellFlap({ by, links, flow, seconds: flapSeconds, blocks }, phases);
  });
}

function tellFlap(words: Parameters<typeof report>[1], phases: readonly Phase[]): void {
  for (const [name, isBlock] of [
    ['flap-block-gap', true],
    ['flap-return-gap', false],
  ] as const) {
    const gaps = Float64Array.from(phases.filter((one) => one.isBlock === isBlock).map(({ gapMs }) => gapMs)).sort();
    report(name, { ...words, quantile: 'p50' }, quantile(gaps, 0.5), 'ms');
    report(name, { ...words, quantile: 'p95' }, quantile(gaps, 0.95), 'ms');
    report(name, { ...words, quantile: 'max' }, gaps.at(-1) ?? Number.NaN, 'ms');
  }
  for (const what of ['sent', 'lost', 'copies'] as const) {
    const sum = phases.reduce((total, one) => total + one[what], 0);
    report(`flap-${what}`, words, sum, 'datagrams');
  }
}

for (const links of linkCounts) for (const flow of flows) if (parts.includes('block')) await measureBlocks(links, flow);
for (const flow of flows) if (parts.includes('police')) await measurePolice(flow);
for (const links of linkCounts) for (const flow of flows) if (parts.includes('flap')) await measureFlap(links, flow);
