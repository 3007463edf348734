/**
 * Random sets of links over the whole range that the goals name, the same for the same number: 2 to 4 links, 2 to 200 Mbit/s, 5 to 300 ms,
 * a half of them with loss up to 3 % and a half with jitter up to 10 ms that keeps the order, buffers of 0.3 to 4 products of rate and round trip.
 */
import { randomOf } from '../support/random.ts';
import type { LinkOptions } from './link.ts';
import { runRope } from './rope.ts';
import type { RopeResult } from './rope-options.ts';

/** A flow of 300 ms takes 10 s to grow; random losses average out over the rest. */
const durationUs = 40_000_000;
const settledUs = 10_000_000;

interface WideSet {
  readonly name: string;
  readonly links: readonly LinkOptions[];
}

export interface WideResult {
  readonly name: string;
  /** Mbit/s over each link alone; undefined = it is not fast enough to be the best. */
  readonly alone: readonly (number | undefined)[];
  readonly bond: RopeResult;
  /** Of the best link. */
  readonly share: number;
}

export function wideSetOf(number: number): WideSet {
  const random = randomOf(number * 1_640_531_527 + 41);
  for (let turn = 0; turn < 8; turn += 1) random();
  const links = Array.from({ length: 2 + Math.floor(random() * 3) }, (_, index) =>
    wideLink(random, number * 8 + index),
  );
  return { name: `${number}: ${links.map(nameOf).join(' + ')}`, links };
}

export function runWideSet(number: number, tcp: 'cubic' | 'bbr' = 'cubic'): WideResult {
  const { name, links } = wideSetOf(number);
  const alone = links.map((): number | undefined => undefined);
  let best = 0;
  for (const link of links.toSorted((a, b) => b.rateBps - a.rateBps)) {
    if (link.rateBps / 1e6 <= best) break;
    const { mbps } = runRope({ links: [link], durationUs, settledUs, tcp });
    alone[links.indexOf(link)] = mbps;
    best = Math.max(best, mbps);
  }
  const bond = runRope({ links, durationUs, settledUs, tcp });
  return { name, alone, bond, share: bond.mbps / best };
}

/** Rates, delays and buffers evenly over their orders of magnitude. */
function wideLink(random: () => number, seed: number): LinkOptions {
  const rateBps = Math.round(2 * 100 ** random()) * 1e6;
  const rttMs = Math.round(5 * 60 ** random());
  const loss = random() < 0.5 ? Math.round(random() * 30) / 1_000 : 0;
  const jitterUs = random() < 0.5 ? Math.round(random() * Math.min(10, rttMs / 4)) * 1_000 : 0;
  const queueUs = Math.round(0.3 * (4 / 0.3) ** random() * rttMs * 1_000);
  return { rateBps, delayUs: rttMs * 500, queueUs, loss, jitterUs, keepsOrder: true, seed };
}

function nameOf(link: LinkOptions): string {
  const loss = (link.loss ?? 0) > 0 ? ` l${((link.loss ?? 0) * 100).toFixed(1)}` : '';
  const jitter = (link.jitterUs ?? 0) > 0 ? ` j${(link.jitterUs ?? 0) / 1_000}` : '';
  const buffer = ` q${(link.queueUs / (2 * link.delayUs)).toFixed(1)}`;
  return `${link.rateBps / 1e6}@${link.delayUs / 500}${loss}${jitter}${buffer}`;
}
