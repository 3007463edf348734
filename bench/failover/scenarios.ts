/** What may happen to a link in the middle of its work: each fault struck, held, and taken back. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Direction, EmulatedLink, EmulatedNet } from '../../test/support/link-emulator.ts';

export interface Strike {
  readonly net: EmulatedNet;
  /** The link that carried most when the fault came. */
  readonly link: EmulatedLink;
  /** Where the measured flow goes. */
  readonly direction: Direction;
  readonly trial: number;
}

export interface Scenario {
  readonly name: string;
  /** Share of `--trials` it takes, at least one. */
  readonly share: number;
  /** From the strike until it is taken back. */
  readonly holdMs: number;
  strike(strike: Strike): Promise<void>;
  heal(strike: Strike): Promise<void>;
}

const stepMs = 500;
const heavyLoss = 0.6;
/** "Flapping 1 s / 1 s for 2 minutes". */
const flapMs = 1000;
const flapTotalMs = 120_000;

function blackhole(name: string, share: number, of: (direction: Direction) => Direction | 'both'): Scenario {
  return {
    name,
    share,
    holdMs: 1500,
    strike: ({ link, direction }) => link.blackhole(of(direction), true),
    heal: ({ link, direction }) => link.blackhole(of(direction), false),
  };
}

const opposite = { up: 'down', down: 'up' } as const;
const delays = new Map<EmulatedLink, EmulatedLink['parameters']['delayMs']>();
let flapping = Promise.resolve();

export const scenarios: readonly Scenario[] = [
  { name: 'nothing', share: 0.1, holdMs: 1500, strike: async () => undefined, heal: async () => undefined },
  blackhole('blackhole', 1, () => 'both'),
  blackhole('blackhole-of-data-direction', 0.2, (direction) => direction),
  blackhole('blackhole-of-reverse-direction', 0.2, (direction) => opposite[direction]),
  {
    name: 'carrier-loss',
    share: 0.2,
    holdMs: 1500,
    strike: async ({ link }) => link.carrier(false),
    heal: async ({ link }) => link.carrier(true),
  },
  {
    name: 'delay-step-500ms',
    share: 0.1,
    holdMs: 3000,
    strike: async ({ link }) => {
      delays.set(link, link.parameters.delayMs ?? 0);
      await link.set({ delayMs: Number(link.parameters.delayMs ?? 0) + stepMs });
    },
    heal: async ({ link }) => link.set({ delayMs: delays.get(link) ?? 0 }),
  },
  {
    name: 'loss-60-percent',
    share: 0.1,
    holdMs: 3000,
    strike: ({ link }) => link.set({ loss: heavyLoss }),
    heal: ({ link }) => link.set({ loss: 0 }),
  },
  {
    name: 'renumbered',
    share: 0.1,
    holdMs: 2000,
    strike: async ({ link, trial }) => link.renumber(2 + (trial % 200)),
    heal: async () => undefined,
  },
  {
    name: 'all-links-down-3s',
    share: 0.05,
    holdMs: 3000,
    strike: async ({ net }) => {
      for (const link of net.links) await link.blackhole('both', true);
    },
    heal: async ({ net }) => {
      for (const link of net.links) await link.blackhole('both', false);
    },
  },
  {
    name: 'flapping-1s-1s-2min',
    share: 0,
    holdMs: flapTotalMs,
    strike: async ({ link }) => {
      flapping = flap(link);
    },
    heal: () => flapping,
  },
];

async function flap(link: EmulatedLink): Promise<void> {
  const endMs = performance.now() + flapTotalMs;
  for (let isDead = true; performance.now() < endMs; isDead = !isDead) {
    await link.blackhole('both', isDead);
    await sleep(flapMs);
  }
  await link.blackhole('both', false);
}
