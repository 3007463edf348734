/**
 * Goodput of one client while `--peers 1000,10000` others connect at once, against what it has alone: as fast as it can, and at a rate that links of
 * homes have (100 Mbit/s). Hub, crowd and client share the machine's processors, where a crowd has its own: it has computed its first calls before, and
 * gives way (nice 10) with what it makes of the answers. `--pairs` rounds; one TCP stream, up and down. `--against FOLDER`:
 * the hub of another checkout.
 */
import { once } from 'node:events';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Host } from '../../test/support/netns.ts';
import { median, option, pairCount, report, spread } from '../support/bench.ts';
import { connect, gather, hubInside } from './crowd.ts';

/** The flow has found its rate by then. */
const leadS = 3;
const intervalS = 0.1;
/** No rush is shorter to the flow: what it lost comes back a moment later. */
const leastS = 2;
const settleS = 15;
const mostS = 60;
const rateMbit = '100';
const crowdNice = 10;
const other = option('against', '');

interface Interval {
  readonly sum: { readonly start: number; readonly end: number; readonly bytes: number };
}

class Flow {
  readonly #beganMs = performance.now();
  readonly #said: Promise<string>;
  readonly #end: () => void;

  constructor(host: Host, way: 'up' | 'down', rate: string) {
    const bounds = rate === 'full' ? [] : ['-b', `${rate}M`];
    const args = ['-J', '-i', String(intervalS), '-C', 'cubic', '-t', String(mostS), ...bounds, '-c', hubInside];
    const child = host.spawn('iperf3', [...args, ...(way === 'down' ? ['-R'] : [])], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    this.#end = () => void child.kill('SIGINT');
    this.#said = (async () => {
      let text = '';
      child.stdout?.on('data', (chunk: Buffer) => {
        text += chunk.toString();
      });
      await once(child, 'close');
      return text;
    })();
  }

  /** Seconds since it began. */
  nowS(): number {
    return (performance.now() - this.#beganMs) / 1000;
  }

  /** Ends it; Mbit/s between those moments. */
  async end(spans: readonly (readonly [from: number, to: number])[]): Promise<number[]> {
    this.#end();
    const { intervals = [], error } = JSON.parse(await this.#said) as { intervals?: Interval[]; error?: string };
    if (intervals.length === 0) throw new Error(`iperf3: ${error}`);
    return spans.map(([from, to]) => {
      const within = intervals.filter(({ sum }) => sum.start >= from && sum.end <= to);
      const seconds = within.reduce((all, { sum }) => all + sum.end - sum.start, 0);
      return within.reduce((all, { sum }) => all + sum.bytes, 0) / seconds / 125_000;
    });
  }
}

async function measure(count: number): Promise<void> {
  const crowd = await gather(count, 0, {
    nice: crowdNice,
    ...(other === '' ? {} : { program: path.join(other, 'build/src/cli/main.js') }),
  });
  try {
    crowd.hub.host.spawn('iperf3', ['-s'], { stdio: 'ignore' });
    await sleep(settleS * 1000);
    for (const rate of [rateMbit, 'full'])
      for (const way of ['up', 'down'] as const) {
        const shares: number[] = [];
        const rates: number[][] = [];
        const tookS: number[] = [];
        for (let pair = 0; pair < pairCount; pair += 1) {
          crowd.swarm.say('prepare');
          await crowd.swarm.done();
          const flow = new Flow(crowd.beside, way, rate);
          await sleep(2 * leadS * 1000);
          const beganS = flow.nowS();
          const ms = await connect(crowd, count);
          const endS = Math.max(beganS + ms / 1000, beganS + leastS);
          await sleep(Math.max(0, endS + leadS - flow.nowS()) * 1000);
          const [before = 0, beside = 0] = await flow.end([
            [leadS, beganS],
            [beganS, endS],
          ]);
          shares.push(beside / before);
          rates.push([before, beside]);
          tookS.push(ms / 1000);
          await sleep(1000);
        }
        const facts = { peers: count, way, rate };
        report('rush-connect', { ...facts, spread: spread(tookS) }, median(tookS), 's');
        for (const [index, side] of ['alone', 'beside'].entries())
          report('rush-goodput', { ...facts, side }, median(rates.map((row) => row[index] ?? 0)), 'Mbit/s');
        report('rush-share', { ...facts, spread: spread(shares) }, median(shares), 'x');
      }
  } finally {
    await crowd.lab.close();
  }
}

for (const count of option('peers', '1000').split(',')) await measure(Number(count));
