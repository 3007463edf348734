/** Mode adaptive, shown on whole ropes: one inner flow uses what helps it, and never what only hurts. */
import t from 'tap';
import type { LinkOptions } from './link.ts';
import { runRope } from './rope.ts';
import type { RopeOptions } from './rope-options.ts';

// Simulated time is free, but the machine may be busy.
t.setTimeout(0);

const steady = { durationUs: 16_000_000, settledUs: 8_000_000 };

function link(mbit: number, rttMs: number, part: Partial<LinkOptions> = {}): LinkOptions {
  const seed = Math.round(mbit * 1_000) + rttMs;
  return { rateBps: mbit * 1e6, delayUs: rttMs * 500, queueUs: 200_000, keepsOrder: true, seed, ...part };
}

function goodput(links: readonly LinkOptions[], options: Omit<RopeOptions, 'links'> = steady) {
  const alone = links.map((one) => runRope({ links: [one], ...options }).mbps);
  return { alone, bonded: runRope({ links, ...options }).mbps };
}

function nameOf(links: readonly LinkOptions[]): string {
  return links.map((one) => `${one.rateBps / 1e6}@${one.delayUs / 500}`).join(' + ');
}

t.test('one flow reaches 0.97 of the sum of its links', async (t) => {
  const sets = [
    [link(25, 20), link(25, 80)],
    [link(25, 20), link(5, 50)],
    [link(15, 30), link(15, 30, { loss: 0.01, seed: 5 })],
    [link(20, 20), link(20, 20, { jitterUs: 10_000, seed: 7 })],
    [link(10, 30), link(10, 30, { seed: 9 }), link(5, 60), link(3, 80)],
  ];
  for (const links of sets) {
    const { alone, bonded } = goodput(links);
    const sum = alone.reduce((total, one) => total + one);
    t.ok(bonded >= 0.97 * sum, `${nameOf(links)}: ${bonded.toFixed(1)} of ${sum.toFixed(1)}`);
  }
});

t.test('one flow is no slower than on its best link', async (t) => {
  const sets = [
    [link(20, 20), link(1, 300)],
    [link(30, 50), link(0.5, 60)],
    [link(20, 20), link(5, 250, { loss: 0.05 })],
    [link(20, 20), link(20, 25, { loss: 0.3 })],
    [link(20, 10), link(2, 400, { jitterUs: 30_000 })],
  ];
  for (const links of sets) {
    const { alone, bonded } = goodput(links);
    const best = Math.max(...alone);
    // 30@50 beside 0.5@60 has 0.975: its flow waits for the few packets that the slow one takes.
    t.ok(bonded >= 0.97 * best, `${nameOf(links)}: ${bonded.toFixed(1)} against ${best.toFixed(1)}`);
  }
});

t.test('a short transfer is hardly slower than on the nearest link', async (t) => {
  const near = link(50, 20);
  const options = { durationUs: 3_000_000, settledUs: 1_000_000, transferBytes: 300_000 };
  const alone = runRope({ links: [near], ...options }).transferUs;
  const bonded = runRope({ links: [near, link(50, 120)], ...options }).transferUs;
  // Acknowledgements of a young flow are held, so that it finds the rope (docs/adr/0005): 6 % here.
  t.ok(bonded <= alone * 1.08, `${bonded / 1_000} ms against ${alone / 1_000} ms`);
});
