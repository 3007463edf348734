/** Random sets of links, the same for the same number: 2 to 4 links, 5 to 300 Mbit/s, 5 to 150 ms, some with loss, some with jitter. */
import { randomOf } from '../support/random.ts';
import type { LinkOptions } from './link.ts';
import { runRope } from './rope.ts';
import type { RopeResult } from './rope-options.ts';

/** The goals name a ramp of 5 s and 30 s after it; a third of that shows what the start has left. */
const durationUs = 15_000_000;
const settledUs = 5_000_000;

export interface BondSet {
  readonly name: string;
  readonly links: readonly LinkOptions[];
}

export interface BondSetResult {
  readonly best: number;
  readonly sum: number;
  readonly bond: RopeResult;
}

export function bondSetOf(number: number): BondSet {
  const random = randomOf(number * 2_654_435_761 + 97);
  for (let turn = 0; turn < 8; turn += 1) random();
  const links = Array.from({ length: 2 + Math.floor(random() * 3) }, (_, index) =>
    randomLink(random, number * 8 + index),
  );
  return { name: `${number}: ${links.map(nameOf).join(' + ')}`, links };
}

export function runBondSet(set: BondSet): BondSetResult {
  const alone = set.links.map((link) => runRope({ links: [link], durationUs, settledUs }).mbps);
  const bond = runRope({ links: set.links, durationUs, settledUs });
  return { best: Math.max(...alone), sum: alone.reduce((total, mbps) => total + mbps, 0), bond };
}

/** Rates and delays evenly over their orders of magnitude. */
function randomLink(random: () => number, seed: number): LinkOptions {
  const rateBps = Math.round(5 * 60 ** random()) * 1e6;
  const rttMs = Math.round(5 * 30 ** random());
  const hasLoss = random() < 0.25;
  const loss = hasLoss ? Math.round(random() * 20) / 1_000 : 0;
  const hasJitter = random() < 0.25;
  const jitterUs = hasJitter ? Math.round(random() * Math.min(10, rttMs / 4)) * 1_000 : 0;
  const queueUs = Math.round(20 * 25 ** random()) * 1_000;
  return { rateBps, delayUs: rttMs * 500, queueUs, loss, jitterUs, keepsOrder: true, seed };
}

function nameOf(link: LinkOptions): string {
  const loss = (link.loss ?? 0) > 0 ? ` l${((link.loss ?? 0) * 100).toFixed(1)}` : '';
  const jitter = (link.jitterUs ?? 0) > 0 ? ` j${(link.jitterUs ?? 0) / 1_000}` : '';
  return `${link.rateBps / 1e6}@${link.delayUs / 500}${loss}${jitter}`;
}
