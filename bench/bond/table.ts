/** From samples to ratios and a table for people. */
import os from 'node:os';
import process from 'node:process';
import { formatNumber, median } from '../support/bench.ts';
import { bufferText, type Kind, type Sample } from './measure.ts';
import type { LinkSet } from './sets.ts';

/** Each list holds one value a run. */
export interface SetSummary {
  readonly set: LinkSet;
  readonly sumAlone: readonly number[];
  readonly bond: readonly number[];
  readonly ratios: {
    readonly bondToSum: readonly number[];
    readonly bondToBest: readonly number[];
    readonly mptcpToSum: readonly number[];
    readonly tcp16ToSum: readonly number[];
    readonly udpDelivered: readonly number[];
    /** Time of the best single link / time of the bond: above 1 the bond is faster. */
    readonly short1MB: readonly number[];
    readonly short10MB: readonly number[];
  };
}

export function summarize(set: LinkSet, samples: readonly Sample[]): SetSummary {
  const runs = [...new Set(samples.map((sample) => sample.run))];
  const of = (run: number, kind: Kind) => samples.filter((sample) => sample.run === run && sample.kind === kind);
  const sum = (values: readonly Sample[]) => values.reduce((total, { mbit }) => total + mbit, 0);
  const ratios = (value: (run: number) => number) => runs.map(value).filter(Number.isFinite);
  const single = (run: number, kind: Kind) => of(run, kind).find(({ link }) => link === undefined)?.mbit ?? Number.NaN;
  const best = (run: number) => Math.max(...of(run, 'alone').map(({ mbit }) => mbit));
  const shortRatio = (key: 'ms1MB' | 'ms10MB') => (run: number) => {
    const times = of(run, 'short');
    const alone = times.filter(({ link }) => link !== undefined).map(({ details }) => details[key] ?? Number.NaN);
    return Math.min(...alone) / (times.find(({ link }) => link === undefined)?.details[key] ?? Number.NaN);
  };
  return {
    set,
    sumAlone: ratios((run) => sum(of(run, 'alone'))),
    bond: ratios((run) => single(run, 'bond')),
    ratios: {
      bondToSum: ratios((run) => single(run, 'bond') / sum(of(run, 'alone'))),
      bondToBest: ratios((run) => single(run, 'bond') / best(run)),
      mptcpToSum: ratios((run) => single(run, 'mptcp') / sum(of(run, 'tcp-alone'))),
      tcp16ToSum: ratios((run) => single(run, 'tcp16') / sum(of(run, 'alone'))),
      udpDelivered: ratios((run) => {
        const [udp] = of(run, 'udp');
        return udp === undefined ? Number.NaN : 1 - (udp.details.missing ?? 0) / (udp.details.expected ?? Number.NaN);
      }),
      short1MB: ratios(shortRatio('ms1MB')),
      short10MB: ratios(shortRatio('ms10MB')),
    },
  };
}

/** Median, with the smallest and largest where there are several. */
function cell(values: readonly number[], digits = 2): string {
  if (values.length === 0) return '–';
  const text = median(values).toFixed(digits);
  if (values.length === 1) return text;
  return `${text} (${Math.min(...values).toFixed(digits)}–${Math.max(...values).toFixed(digits)})`;
}

export function renderTable(
  summaries: readonly SetSummary[],
  facts: Readonly<Record<string, string | number>>,
): string {
  const [cpu] = os.cpus();
  const lines = [
    '# Bonded goodput',
    '',
    `\`npm run bench -- bond --write\` on ${os.cpus().length} × ${cpu?.model.trim()}, Linux ${os.release()}, Node ${process.version}; ` +
      `${Object.entries(facts)
        .map(([key, value]) => `${key} ${value}`)
        .join(', ')}. ` +
      `Inner TCP: cubic, ${bufferText}. Links: Mbit/s @ round trip ms, drop-tail queues of 100 ms, emulated. ` +
      'Goodput at the receiver after the ramp; ratios are medians of the runs (smallest–largest). Raw samples: `results.json`.',
    '',
    '| set | links | sum alone | bond | bond / sum | goal | bond / best | MPTCP / its sum | 16 TCP / sum | UDP delivered | 1 MB | 10 MB |',
    '|---|---|---|---|---|---|---|---|---|---|---|---|',
  ];
  for (const { set, sumAlone, bond, ratios } of summaries) {
    const numbers = [sumAlone, bond].map((values) => (values.length === 0 ? '–' : formatNumber(median(values))));
    const isHeld = ratios.bondToSum.length > 0 && median(ratios.bondToSum) >= set.goal;
    const goal = `${set.goal} ${isHeld ? '✔' : '✘'}`;
    const columns = [set.number, set.name, ...numbers, cell(ratios.bondToSum), goal, cell(ratios.bondToBest)];
    columns.push(cell(ratios.mptcpToSum), cell(ratios.tcp16ToSum), cell(ratios.udpDelivered, 4));
    columns.push(cell(ratios.short1MB), cell(ratios.short10MB));
    lines.push(`| ${columns.join(' | ')} |`);
  }
  lines.push(
    '',
    'UDP delivered: share of a flow offered at 0.95 of the sum alone. 1 MB and 10 MB: time on the best link alone / time on the bond.',
    '',
  );
  return lines.join('\n');
}
