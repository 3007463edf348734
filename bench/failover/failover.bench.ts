/**
 * What an application sees when a link fails: a numbered UDP flow at 70 % of the surviving link over two links of 50 Mbit/s and a
 * round trip of 40 ms; the busiest link is struck at a random phase. Per trial the longest silence at the receiver and the datagrams
 * that never came, all of it in protected classes; then how fast an existing TCP flow is back on a link that returned.
 * `npm run bench -- failover [--trials 100] [--mode failover,adaptive] [--parts blackhole,carrier-loss,…] [--direction down] [--write]`
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import type { PeerStatus } from '../../src/control/rows.ts';
import { type Bond, startBond } from '../../test/support/bond.ts';
import { runTcp, sendUdp, serveFlows, UdpSink } from '../../test/support/flows.ts';
import type { EmulatedLink, EmulatedNet } from '../../test/support/link-emulator.ts';
import { inside } from '../../test/support/pair.ts';
import { randomOf } from '../../test/support/random.ts';
import { median, option, quantile, report } from '../support/bench.ts';
import { type Scenario, type Strike, scenarios } from './scenarios.ts';

const rttMs = 40;
const rateMbit = 50;
/** Payload of what one link carries: 1200 of 1200 + 28 inside + 60 of the tunnel + 14 of Ethernet. */
const offeredMbit = 0.7 * rateMbit * (1200 / 1302);
const udpPort = 7001;
const tcpPort = 7000;
/** Shorter than the default of 5 s, so that a hundred trials take minutes. */
const failback = { text: '500ms', ms: 500 } as const;
/** A life shorter than four stability times would count as flapping, and the next trial would wait for its hold-down. */
const settleMs = 2000;
const returnSeconds = { strike: 6, heal: 12, end: 24 } as const;

const trials = Number(option('trials', '100'));
const modes = option('mode', 'failover,adaptive').split(',');
const chosen = option('parts', [...scenarios.map(({ name }) => name), 'failback'].join()).split(',');
const direction = option('direction', 'down') === 'up' ? 'up' : 'down';
const folder = path.resolve(import.meta.dirname, '../../../bench/failover');

interface Trial {
  readonly mode: string;
  readonly scenario: string;
  readonly trial: number;
  readonly link: string;
  readonly gapMs: number;
  readonly lost: number;
  /** Of those lost: dropped by the sender's own queue (CoDel, overflow), before a counter was taken. */
  readonly dropped: number;
  readonly sent: number;
  readonly copies: number;
  readonly reordered: number;
  readonly longestDelayMs: number;
}

interface Return {
  readonly mode: string;
  readonly beforeMbit: number;
  /** From the end of the stability time until half a second ran at 95 % of before. */
  readonly backMs: number;
}

const results: Trial[] = [];
const returns: Return[] = [];
const random = randomOf(20_261_121);

function start(mode: string): Promise<Bond> {
  const protect = ['icmp', 'dns', 'latency', 'bulk', 'control'];
  return startBond({
    emulated: ['one', 'two'].map((name) => ({ name, rateMbit, delayMs: rttMs / 2, queueMs: 100 })),
    links: { one: { priority: 0 }, two: { priority: 1 } },
    bonding: { mode, failback: failback.text, protect },
  });
}

/** The link that carried most of the data direction in the last 200 ms. */
async function findBusiest(net: EmulatedNet): Promise<EmulatedLink> {
  const bytes = async () => (await net.stats()).links.map((link) => link[direction].bytes);
  const before = await bytes();
  await sleep(200);
  const carried = (await bytes()).map((value, i) => value - (before[i] ?? 0));
  const busiest = net.links[carried.indexOf(Math.max(...carried))];
  if (busiest === undefined) throw new Error('no links');
  return busiest;
}

/** What the sending daemon's queues have dropped so far. */
async function countDropped({ rope }: Bond): Promise<number> {
  const peers = await rope[direction === 'down' ? 'server' : 'client'].ask<readonly PeerStatus[]>('peers');
  return sum(peers.map(({ droppedPackets }) => droppedPackets));
}

async function runTrial(
  bond: Bond,
  sink: UdpSink,
  scenario: Scenario,
  trial: number,
): Promise<Strike['link'] | undefined> {
  const { net } = bond;
  await sleep(300 + 400 * random());
  const strike = { net, link: await findBusiest(net), direction, trial } as const;
  await sleep(100 * random());
  await scenario.strike(strike);
  await sleep(scenario.holdMs);
  await scenario.heal(strike);
  // Back to where it was: stability time, and what a lazy kernel adds to a carrier.
  await sleep(failback.ms + settleMs);
  await sink.cut();
  await bond.rope.awaitPaths(net.links.length);
  return strike.link;
}

async function runScenario(bond: Bond, sink: UdpSink, mode: string, scenario: Scenario): Promise<void> {
  const count = Math.max(1, Math.round(scenario.share * trials));
  await sink.cut();
  let droppedBefore = await countDropped(bond);
  for (let trial = 0; trial < count; trial += 1) {
    const link = await runTrial(bond, sink, scenario, trial);
    const seen = await sink.report();
    const dropped = await countDropped(bond);
    results.push({
      mode,
      scenario: scenario.name,
      trial,
      link: link?.name ?? '',
      gapMs: seen.maxGapMs,
      lost: seen.missing,
      dropped: dropped - droppedBefore,
      sent: seen.expected,
      copies: seen.copies,
      reordered: seen.reordered,
      longestDelayMs: seen.delayMaxMs,
    });
    droppedBefore = dropped;
    // What the questions to the daemons disturbed is in nobody's window.
    await sink.cut();
  }
  printScenario(mode, scenario.name);
}

function quantilesOf(values: readonly number[]): { p50: number; p95: number; max: number } {
  const sorted = Float64Array.from(values).sort();
  return { p50: median(values), p95: quantile(sorted, 0.95), max: sorted.at(-1) ?? Number.NaN };
}

function printScenario(mode: string, scenario: string): void {
  const of = results.filter((one) => one.mode === mode && one.scenario === scenario);
  const words = { mode, scenario, trials: of.length, rtt: rttMs, direction };
  const gaps = quantilesOf(of.map(({ gapMs }) => gapMs));
  for (const [name, value] of Object.entries(gaps)) report('failover-gap', { ...words, quantile: name }, value, 'ms');
  const losses = { ...words, sent: sum(of.map(({ sent }) => sent)), dropped: sum(of.map(({ dropped }) => dropped)) };
  report('failover-lost', losses, sum(of.map(({ lost }) => lost)), 'datagrams');
  report(
    'failover-delay',
    { ...words, quantile: 'max' },
    Math.max(...of.map(({ longestDelayMs }) => longestDelayMs)),
    'ms',
  );
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

/** One TCP flow while a link is gone for some seconds. */
async function measureReturn(bond: Bond, mode: string): Promise<void> {
  const { net } = bond;
  await serveFlows(net.server, tcpPort);
  const flow = runTcp(net.client, inside.b4, tcpPort, { seconds: returnSeconds.end, direction });
  await sleep(returnSeconds.strike * 1000 - 250);
  const link = await findBusiest(net);
  await link.blackhole('both', true);
  await sleep((returnSeconds.heal - returnSeconds.strike) * 1000);
  await link.blackhole('both', false);
  const buckets = (await flow)[0]?.buckets ?? [];
  const mbit = (from: number, to: number) => sum(buckets.slice(from, to)) / 12_500 / (to - from);
  const beforeMbit = mbit(30, 10 * returnSeconds.strike - 2);
  const stableAt = 10 * returnSeconds.heal + failback.ms / 100;
  let at = 10 * returnSeconds.heal;
  while (at < buckets.length && mbit(at, at + 5) < 0.95 * beforeMbit) at += 1;
  const backMs = at >= buckets.length ? Number.POSITIVE_INFINITY : Math.max(0, (at + 5 - stableAt) * 100);
  returns.push({ mode, beforeMbit, backMs });
  report('failback', { mode, before: Math.round(beforeMbit), stability: failback.text }, backMs, 'ms');
}

async function measureMode(mode: string): Promise<void> {
  const bond = await start(mode);
  try {
    const [from, to, address] =
      direction === 'down'
        ? [bond.net.server, bond.net.client, inside.a4]
        : [bond.net.client, bond.net.server, inside.b4];
    const sink = await UdpSink.start(to, udpPort);
    const sending = sendUdp(from, address, udpPort, { rateMbit: offeredMbit, seconds: 24 * 3600 });
    // The bond learns its links.
    await sleep(5000);
    for (const scenario of scenarios.filter(({ name }) => chosen.includes(name)))
      await runScenario(bond, sink, mode, scenario);
    sending.stop();
    await sending.done;
    sink.close();
    if (chosen.includes('failback')) await measureReturn(bond, mode);
  } finally {
    await bond.lab.close();
  }
}

/** Rows of earlier runs, for what this one did not measure. */
function readEarlier(): (Trial | Return)[] {
  const file = path.join(folder, 'results.json');
  if (!existsSync(file)) return [];
  const rows = JSON.parse(readFileSync(file, 'utf8')) as (Trial | Return)[];
  return rows.filter((row) =>
    'scenario' in row
      ? !results.some(({ mode, scenario }) => mode === row.mode && scenario === row.scenario)
      : !returns.some(({ mode }) => mode === row.mode),
  );
}

function renderTable(all: readonly (Trial | Return)[]): string {
  const lines = [
    '# Failover',
    '',
    `\`npm run bench -- failover [--parts …] [--trials 100] --write\`, each part as it was run last: two links of ${rateMbit} Mbit/s, round trip ${rttMs} ms; UDP of ` +
      `${offeredMbit.toFixed(1)} Mbit/s (70 % of one link) ${direction}; all classes protected, failback ${failback.text}. ` +
      'Gap = longest silence at the receiver from before the fault until after its end. Raw trials: `results.json`.',
    '',
    '| mode | fault | trials | gap p50 ms | p95 | max | lost | of those dropped by our queue | of | longest delay ms |',
    '|---|---|---|---|---|---|---|---|---|---|',
  ];
  const struck = all.filter((row): row is Trial => 'scenario' in row);
  for (const mode of new Set(all.map((row) => row.mode))) {
    for (const { name } of scenarios) {
      const of = struck.filter((one) => one.mode === mode && one.scenario === name);
      if (of.length === 0) continue;
      const { p50, p95, max } = quantilesOf(of.map(({ gapMs }) => gapMs));
      const gaps = [p50, p95, max].map((value) => value.toFixed(1));
      const lost = [of.map((one) => one.lost), of.map((one) => one.dropped), of.map((one) => one.sent)].map(sum);
      const delay = Math.max(...of.map(({ longestDelayMs }) => longestDelayMs)).toFixed(1);
      lines.push(`| ${[mode, name, of.length, ...gaps, ...lost, delay].join(' | ')} |`);
    }
  }
  lines.push('', '| mode | TCP before Mbit/s | at 95 % again, ms after the stability time |', '|---|---|---|');
  for (const one of all) {
    if ('backMs' in one) lines.push(`| ${one.mode} | ${one.beforeMbit.toFixed(1)} | ${one.backMs} |`);
  }
  lines.push('');
  return lines.join('\n');
}

let failures = 0;
for (const mode of modes) {
  try {
    await measureMode(mode);
  } catch (error) {
    failures += 1;
    console.error(`failover in mode ${mode} failed: ${error instanceof Error ? error.message : String(error)}`);
  }
}
const measured = [...results, ...returns];
console.log(`\n${renderTable(measured)}`);
if (option('write', '') !== '') {
  const all = [...readEarlier(), ...measured];
  writeFileSync(path.join(folder, 'results.md'), renderTable(all));
  writeFileSync(path.join(folder, 'results.json'), `[\n${all.map((row) => JSON.stringify(row)).join(',\n')}\n]\n`);
}
process.exitCode = failures > 0 ? 1 : 0;
