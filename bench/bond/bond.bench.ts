/**
 * Bonded goodput on the ten link sets of the goals: ONE inner TCP flow (cubic) over all links against the sum of what the tunnel
 * carries on each link alone, and kernel MPTCP over the same emulated links against the sum of plain TCP, in the same run; then
 * one UDP flow, 16 TCP flows, transfers of 1 and 10 MB.
 * `npm run bench -- bond [--sets 1,3] [--seconds 20] [--ramp 5] [--runs 1] [--parts bond,mptcp,tcp16,udp,short] [--mode MODE]
 * [--direction down] [--write]`; `--write` puts table and raw samples into bench/bond/.
 */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { type EmulatedLink, type EmulatedNet, emulate } from '../../test/support/link-emulator.ts';
import { Lab } from '../../test/support/netns.ts';
import { median, option, report } from '../support/bench.ts';
import {
  type MeasureOptions,
  measureMptcp,
  measurePlain,
  measureRope,
  type Part,
  prepareHosts,
  type Sample,
} from './measure.ts';
import { type LinkSet, linkSets } from './sets.ts';
import { renderTable, type SetSummary, summarize } from './table.ts';

const chosen = option('sets', linkSets.map((set) => set.number).join())
  .split(',')
  .map(Number);
const parts = option('parts', 'bond,mptcp,tcp16,udp,short').split(',');
const runs = Number(option('runs', '1'));
const mode = option('mode', '');
const direction = option('direction', 'down') === 'up' ? 'up' : 'down';
const folder = path.resolve(import.meta.dirname, '../../../bench/bond');
const samples: Sample[] = [];

/** Measurements of a link that changes take whole periods of the change. */
function secondsOf(set: LinkSet): number {
  const seconds = Number(option('seconds', '20'));
  const period = set.steer?.periodSeconds ?? 1;
  return Math.ceil(seconds / period) * period;
}

function keep(sample: Sample): void {
  samples.push(sample);
  const { set, run, kind, link } = sample;
  const numbers = Object.entries(sample.details).map(([key, value]) => [key, Math.round(value * 1000) / 1000]);
  report(
    'bond',
    { set, run, kind, ...(link === undefined ? {} : { link }), ...Object.fromEntries(numbers) },
    sample.mbit,
    'Mbit/s',
  );
}

/** A slow link cannot be the best one for a transfer, and would take minutes for it. */
function isFast(net: EmulatedNet, link: EmulatedLink): boolean {
  const rateOf = ({ parameters }: EmulatedLink) => Number(parameters.rateMbit);
  return rateOf(link) >= Math.max(...net.links.map(rateOf)) / 2;
}

/** Links that are alike are measured once a run. */
async function measureAlone(lab: Lab, net: EmulatedNet, options: MeasureOptions): Promise<number> {
  const { set, run } = options;
  const known = new Map<string, { tunnel: number; plain: number }>();
  const sums = { tunnel: 0, plain: 0 };
  for (const link of net.links) {
    const alike = JSON.stringify(link.parameters);
    let one = known.get(alike);
    if (one === undefined) {
      one = { tunnel: 0, plain: 0 };
      if (parts.includes('bond')) {
        const wanted: Part[] = parts.includes('short') && isFast(net, link) ? ['tcp', 'short'] : ['tcp'];
        const results = await measureRope(lab, net, options, [link.name], { parts: wanted, sumAlone: 0 });
        for (const [part, result] of results) {
          keep({ set, run, kind: part === 'tcp' ? 'alone' : 'short', link: link.name, ...result });
          if (part === 'tcp') one.tunnel = result.mbit;
        }
      }
      if (parts.includes('mptcp')) {
        const plain = await measurePlain(net, options, link.name);
        keep({ set, run, kind: 'tcp-alone', link: link.name, ...plain });
        one.plain = plain.mbit;
      }
      known.set(alike, one);
    } else {
      // The sums count it again.
      const blank = { set, run, link: link.name, details: {}, perSecond: [] };
      if (parts.includes('bond')) samples.push({ ...blank, kind: 'alone', mbit: one.tunnel });
      if (parts.includes('mptcp')) samples.push({ ...blank, kind: 'tcp-alone', mbit: one.plain });
    }
    sums.tunnel += one.tunnel;
    sums.plain += one.plain;
  }
  return sums.tunnel > 0 ? sums.tunnel : sums.plain;
}

async function measureSet(set: LinkSet, run: number): Promise<void> {
  const lab = new Lab();
  const hosts = { client: lab.host('client'), server: lab.host('server') };
  let end: (() => void) | undefined;
  try {
    const net = await emulate(lab, { ...hosts, links: set.links, seed: run });
    await prepareHosts(net);
    end = set.steer?.begin(net);
    const bonding = mode === '' ? undefined : { mode };
    const ramp = Number(option('ramp', '5'));
    const options = { set: set.number, run, ramp, seconds: secondsOf(set), direction, bonding } as const;
    const sumAlone = await measureAlone(lab, net, options);
    const bonded: Part[] = ['tcp', ...(['tcp16', 'udp', 'short'] as const).filter((part) => parts.includes(part))];
    if (parts.includes('bond')) {
      const use = set.links.map((link) => link.name);
      const results = await measureRope(lab, net, options, use, { parts: bonded, sumAlone });
      for (const [part, result] of results)
        keep({ set: set.number, run, kind: part === 'tcp' ? 'bond' : part, ...result });
    }
    if (parts.includes('mptcp')) keep({ set: set.number, run, kind: 'mptcp', ...(await measureMptcp(net, options)) });
  } finally {
    end?.();
    await lab.close();
  }
}

let failures = 0;
const summaries: SetSummary[] = [];
for (const set of linkSets.filter(({ number }) => chosen.includes(number))) {
  for (let run = 1; run <= runs; run += 1) {
    try {
      await measureSet(set, run);
    } catch (error) {
      failures += 1;
      console.error(
        `bond set ${set.number} (${set.name}) run ${run} failed: ${error instanceof Error ? error.message : String(error)}`,
      );
    }
  }
  const summary = summarize(
    set,
    samples.filter((sample) => sample.set === set.number),
  );
  summaries.push(summary);
  const words = { set: set.number, links: set.name.replaceAll(' ', '_'), runs, goal: set.goal };
  for (const [name, values] of Object.entries(summary.ratios)) {
    if (values.length > 0) report('bond-ratio', { ...words, ratio: name }, median(values), 'x');
  }
}
const facts = {
  seconds: option('seconds', '20'),
  ramp: option('ramp', '5'),
  runs,
  mode: mode || 'adaptive (default)',
  direction,
};
const table = renderTable(summaries, facts);
console.log(`\n${table}`);
if (option('write', '') !== '') {
  writeFileSync(path.join(folder, 'results.md'), table);
  writeFileSync(
    path.join(folder, 'results.json'),
    `[\n${samples.map((sample) => JSON.stringify(sample)).join(',\n')}\n]\n`,
  );
}
process.exitCode = failures > 0 ? 1 : 0;
