/** The links a PathController is tried on, and what of a run goes into the committed table. */
import type { Trace } from './backlog.ts';
import type { LinkOptions } from './link.ts';

export interface PathScenario {
  readonly name: string;
  readonly link: LinkOptions;
  readonly reportUs: number;
  /** When the link changes; the time to follow is counted from here. */
  readonly changeUs?: number;
  readonly limits: Limits;
}

interface Limits {
  readonly utilisation: number;
  readonly queueP95Ms: number;
  readonly dropShare: number;
}

/** The bars of issue 3. */
const bars: Limits = { utilisation: 0.97, queueP95Ms: 10, dropShare: 0.02 };

export const durationUs = 12_000_000;
/** What is measured begins here: starting up is judged by the time it takes. */
export const settledUs = 3_000_000;
const changeUs = 6_000_000;

function plain(mbit: number, rttMs: number, queueMs: number): LinkOptions {
  return { rateBps: mbit * 1e6, delayUs: rttMs * 500, queueUs: queueMs * 1_000, seed: mbit * 1_000 + rttMs };
}

function steady(
  mbit: number,
  rttMs: number,
  queueMs: number,
  more: Partial<LinkOptions> = {},
  note = '',
): PathScenario {
  const link = { ...plain(mbit, rttMs, queueMs), ...more };
  // A packet of 5 Mbit/s takes 2.4 ms by itself.
  const isFar = rttMs >= 300;
  const queueP95Ms = isFar ? 35 : mbit <= 5 ? 20 : bars.queueP95Ms;
  // What doubles for 300 ms longer than it should overflows half a second of queue once.
  const dropShare = isFar ? 0.04 : queueMs <= 5 ? 0.035 : bars.dropShare;
  // It is still settling when the measurement begins.
  const limits = { ...bars, utilisation: isFar ? 0.93 : bars.utilisation, queueP95Ms, dropShare };
  return { name: `${mbit} Mbit/s, ${rttMs} ms, queue ${queueMs} ms${note}`, link, reportUs: 10_000, limits };
}

function changing(mbit: number, rttMs: number, factor: number): PathScenario {
  const link = { ...plain(mbit, rttMs, 500), changes: [{ atUs: changeUs, rateBps: mbit * factor * 1e6 }] };
  return {
    name: `${mbit} Mbit/s, ${rttMs} ms, then times ${factor}`,
    link,
    reportUs: 10_000,
    changeUs,
    limits: { ...bars, queueP95Ms: mbit <= 5 ? 25 : 15 },
  };
}

function jittery(mbit: number, rttMs: number, sigmaMs: number, keepsOrder: boolean, loss: number): PathScenario {
  const note = `, jitter ${sigmaMs} ms ${keepsOrder ? 'in order' : 'reordering'}, loss ${loss * 100} %`;
  const scenario = steady(mbit, rttMs, 500, { jitterUs: sigmaMs * 1_000, keepsOrder, loss }, note);
  // A delay that wanders slowly cannot be told from a queue within some of its sigmas: the price for using the link fully.
  const queueP95Ms = 15 + sigmaMs * (keepsOrder ? 6 : 2.5);
  return { ...scenario, limits: { ...bars, utilisation: 0.93, queueP95Ms } };
}

function withLimits(scenario: PathScenario, limits: Partial<Limits>): PathScenario {
  return { ...scenario, limits: { ...scenario.limits, ...limits } };
}

export const pathScenarios: readonly PathScenario[] = [
  ...[5, 20, 50, 100, 300].flatMap((mbit) => [10, 40, 100, 300].map((rttMs) => steady(mbit, rttMs, 500))),
  ...[5, 50, 300].map((mbit) => steady(mbit, 40, 20)),
  ...[5, 50, 300].map((mbit) => steady(mbit, 40, 1_000)),
  // Two packets are all that 5 ms of 5 Mbit/s hold.
  withLimits(steady(5, 40, 5, {}, ' (shallow)'), { utilisation: 0.85, dropShare: 0.12 }),
  ...[50, 300].map((mbit) => steady(mbit, 40, 5, {}, ' (shallow)')),
  steady(50, 100, 5, {}, ' (shallow)'),
  ...[5, 50, 300].map((mbit) => ({
    ...steady(mbit, 40, 500, {}, ', report 40 ms'),
    reportUs: 40_000,
    limits: { ...bars, queueP95Ms: 20 },
  })),
  ...[5, 50, 300].map((mbit) => ({ ...steady(mbit, 10, 500, {}, ', report 3 ms'), reportUs: 3_000 })),
  ...[0.01, 0.02].map((loss) => steady(50, 40, 500, { loss }, `, loss ${loss * 100} %`)),
  withLimits(steady(50, 40, 500, { loss: 0.6 }, ', loss 60 %'), { utilisation: 0.94, queueP95Ms: 45 }),
  steady(300, 100, 500, { loss: 0.02 }, ', loss 2 %'),
  steady(50, 40, 500, { bursts: { goodPackets: 2_000, badPackets: 20 } }, ', bursts of 20 lost'),
  ...[2, 5, 15].flatMap((sigmaMs) => [false, true].map((keepsOrder) => jittery(50, 60, sigmaMs, keepsOrder, 0))),
  jittery(5, 60, 15, false, 0.02),
  jittery(300, 60, 15, false, 0.02),
  jittery(20, 60, 10, true, 0.01),
  ...[10, 40, 100].flatMap((rttMs) => [0.5, 2].map((factor) => changing(40, rttMs, factor))),
  ...[0.5, 2].map((factor) => changing(150, 20, factor)),
  ...[0.5, 2].map((factor) => changing(5, 60, factor)),
  {
    name: '50 Mbit/s, 40 ms, then 140 ms',
    link: { ...plain(50, 40, 500), changes: [{ atUs: changeUs, delayUs: 70_000 }] },
    reportUs: 10_000,
    changeUs,
    limits: { ...bars, queueP95Ms: 12 },
  },
  {
    name: '50 Mbit/s, 40 ms, 60 % loss from 6 s on',
    link: { ...plain(50, 40, 500), changes: [{ atUs: changeUs, loss: 0.6 }] },
    reportUs: 10_000,
    changeUs,
    // By the seed it is between 0.93 and 0.99.
    limits: { ...bars, utilisation: 0.92, queueP95Ms: 35 },
  },
];

export interface PathResult {
  readonly utilisation: number;
  readonly queueP95Ms: number;
  readonly queueMaxMs: number;
  /** Dropped by the full queue, of what was sent. */
  readonly dropShare: number;
  /** Until the first 100 ms at 90 % of the link. */
  readonly startMs: number;
  /** After the change, until 100 ms at 90 % of the link with a queue below 10 ms. */
  readonly followMs: number | undefined;
}

const spanSamples = 20;

export function summarize(scenario: PathScenario, trace: Trace): PathResult {
  const used = trace.utilisation.filter((_, index) => isSettled(scenario, trace.atUs[index] ?? 0));
  const queues = trace.queueUs.filter((_, index) => isSettled(scenario, trace.atUs[index] ?? 0)).sort((a, b) => a - b);
  return {
    utilisation: mean(used),
    queueP95Ms: (queues[Math.floor(queues.length * 0.95)] ?? 0) / 1_000,
    queueMaxMs: (queues[queues.length - 1] ?? 0) / 1_000,
    dropShare: trace.link.droppedPackets / Math.max(1, trace.link.sentPackets),
    startMs: firstGood(trace, 0, Number.POSITIVE_INFINITY),
    followMs: scenario.changeUs === undefined ? undefined : firstGood(trace, scenario.changeUs, 10_000),
  };
}

/** Neither starting nor within a second of a change. */
function isSettled(scenario: PathScenario, atUs: number): boolean {
  if (atUs < settledUs) return false;
  return scenario.changeUs === undefined || atUs < scenario.changeUs || atUs > scenario.changeUs + 1_000_000;
}

function firstGood(trace: Trace, fromUs: number, mostQueueUs: number): number {
  const first = trace.atUs.findIndex((atUs) => atUs > fromUs + 5_000);
  for (let index = first; index + spanSamples <= trace.atUs.length; index += 1) {
    const span = trace.utilisation.slice(index, index + spanSamples);
    const queues = trace.queueUs.slice(index, index + spanSamples);
    if (mean(span) >= 0.9 && Math.max(...queues) <= mostQueueUs) return ((trace.atUs[index] ?? 0) - fromUs) / 1_000;
  }
  return Number.POSITIVE_INFINITY;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);
}
