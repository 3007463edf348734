/** Ropes over links that have two transports each, of which somebody blocks the preferred one: how long a flow is silent. */
import t from 'tap';
import { linkOf } from './faults.ts';
import type { LinkOptions } from './link.ts';
import { runRope } from './rope.ts';
import type { RopePath, RopeResult } from './rope-options.ts';

/** The simulations take seconds on a busy machine. */
t.setTimeout(0);

const rttMs = 40;
const [udp, other] = [1, 2] as const;
const blockUs = 6_000_000;

/** Of a link of 50 Mbit/s: its paths by the preferred transport, with what befalls it, and by the other. */
function linkPaths(link: number, part: Partial<LinkOptions> = {}) {
  const paths: RopePath[] = [udp, other].map((place) => ({ link, place, priority: link }));
  return { paths, links: [linkOf(50, rttMs, part), linkOf(50, rttMs)] };
}

function run(all: readonly ReturnType<typeof linkPaths>[]): RopeResult {
  return runRope({
    paths: all.flatMap(({ paths }) => paths),
    links: all.flatMap(({ links }) => links),
    mode: 'failover',
    datagramsBps: 32e6,
    durationUs: blockUs + 1_500_000,
    settledUs: blockUs - 1_000_000,
  });
}

/** At several phases of reports and turns. */
const phases = Array.from({ length: 6 }, (_, at) => {
  const fromUs = blockUs + at * 7_300;
  return { blackholes: [{ fromUs, untilUs: fromUs + 3_000_000 }] };
});

t.test('a transport that is blocked on one link is left within a round trip and 100 ms', async (t) => {
  for (const block of phases) {
    const { silenceMs } = run([linkPaths(0, block)]);
    t.ok(silenceMs < rttMs + 80, `silence of ${silenceMs.toFixed(1)} ms`);
  }
});

t.test('a transport that is blocked on two links is left on both at once, and its kin is not waited for', async (t) => {
  for (const block of phases) {
    const { silenceMs, shares } = run([linkPaths(0, block), linkPaths(1, block)]);
    t.ok(silenceMs < rttMs + 80, `silence of ${silenceMs.toFixed(1)} ms`);
    t.ok((shares[1] ?? 0) > 0.15, 'the first link goes on by its other transport');
  }
});

t.test('a kin that answers serves until the first link goes on by another transport', async (t) => {
  for (const block of phases) {
    const { silenceMs, shares } = run([linkPaths(0, block), linkPaths(1)]);
    t.ok(silenceMs < rttMs + 50, `silence of ${silenceMs.toFixed(1)} ms`);
    t.equal(shares[3], 0, 'what works is not left');
  }
});
