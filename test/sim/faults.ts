/** What may happen to a rope while one inner flow uses it, and how much arrives meanwhile. */
import type { LinkOptions } from './link.ts';
import type { RopeOptions } from './rope-options.ts';

export interface Fault {
  readonly name: string;
  readonly options: RopeOptions;
}

const second = 1_000_000;
/** Before the fault. */
const settled: readonly [number, number] = [4 * second, 8 * second];

export function linkOf(mbit: number, rttMs: number, part: Partial<LinkOptions> = {}): LinkOptions {
  return { rateBps: mbit * 1e6, delayUs: rttMs * 500, queueUs: 200_000, seed: mbit * 1_000 + rttMs, ...part };
}

/** Swallows all for so long from 8 s on. */
export function holeFor(forUs: number): Partial<LinkOptions> {
  return { blackholes: [{ fromUs: 8 * second, untilUs: 8 * second + forUs }] };
}

/** Before it, the first second of it, and what comes then. */
function fault(name: string, links: readonly LinkOptions[], then: readonly (readonly [number, number])[]): Fault {
  const durationUs = Math.max(...then.flat());
  const windowsUs = [settled, [8 * second, 9 * second] as const, ...then];
  return { name, options: { links, durationUs, settledUs: settled[0], windowsUs } };
}

/** Goes on in the same way all the time. */
function steady(name: string, links: readonly LinkOptions[], more: Partial<RopeOptions> = {}): Fault {
  return { name, options: { links, durationUs: 14 * second, settledUs: settled[0], ...more } };
}

export const faults: readonly Fault[] = [
  fault(
    '60@20 dies for 3 s beside 40@40',
    [linkOf(60, 20, holeFor(3 * second)), linkOf(40, 40)],
    [
      [9 * second, 11 * second],
      [22 * second, 26 * second],
    ],
  ),
  fault(
    '40@40 dies for 3 s beside 60@20',
    [linkOf(60, 20), linkOf(40, 40, holeFor(3 * second))],
    [
      [9 * second, 11 * second],
      [22 * second, 26 * second],
    ],
  ),
  fault(
    '60@20 stalls for 400 ms beside 40@40',
    [linkOf(60, 20, holeFor(0.4 * second)), linkOf(40, 40)],
    [
      [9 * second, 10 * second],
      [10 * second, 14 * second],
    ],
  ),
  fault(
    '50@30 alone stalls for 400 ms',
    [linkOf(50, 30, holeFor(0.4 * second))],
    [
      [9 * second, 10 * second],
      [10 * second, 14 * second],
    ],
  ),
  steady('60@20 l0.5 + 60@60 l0.5', [linkOf(60, 20, { loss: 0.005 }), linkOf(60, 60, { loss: 0.005 })]),
  steady('40@10 l1 + 40@120', [linkOf(40, 10, { loss: 0.01 }), linkOf(40, 120)]),
  steady('50@40 + 50@50, both reorder by 4 ms', [
    linkOf(50, 40, { jitterUs: 4_000 }),
    linkOf(50, 50, { jitterUs: 4_000 }),
  ]),
  steady('50@40 reorders by 3 ms', [linkOf(50, 40, { jitterUs: 3_000 })]),
  steady('50@40 loses 20 in 2000 + 50@60', [
    linkOf(50, 40, { bursts: { goodPackets: 2_000, badPackets: 20 } }),
    linkOf(50, 60),
  ]),
  steady('40@60 l2 with parity', [linkOf(40, 60, { loss: 0.02 })], { fec: 'auto' }),
  steady('40@60 l2 + 30@80 l2 with parity', [linkOf(40, 60, { loss: 0.02 }), linkOf(30, 80, { loss: 0.02 })], {
    fec: 'auto',
  }),
];
