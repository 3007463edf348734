/** The ten link sets of "bonded goodput": Mbit/s at round trips, as the goals name them; every queue holds 100 ms. */
import type { EmulatedNet, LinkOptions } from '../../test/support/link-emulator.ts';

export interface LinkSet {
  readonly number: number;
  readonly name: string;
  readonly links: readonly LinkOptions[];
  /** Share of the sum of its links that the bond must carry. */
  readonly goal: number;
  /** Changes the net while it lives; returns how to end that. Measurements take whole periods of it. */
  readonly steer?: { readonly periodSeconds: number; begin(net: EmulatedNet): () => void };
}

const names = ['one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight'] as const;
const usualGoal = 0.95;
const unequalGoal = 0.9;

/** Links of [Mbit/s, round trip ms], and what else is special about one of them. */
function links(
  pairs: readonly (readonly [number, number])[],
  more: Readonly<Record<string, object>> = {},
): LinkOptions[] {
  return pairs.map(([rateMbit, rttMs], i) => {
    const name = names[i] ?? `link${i}`;
    return { name, rateMbit, delayMs: rttMs / 2, queueMs: 100, ...more[name] };
  });
}

/** Halves the first link's rate and gives it back, each for 10 s. */
function halve(net: EmulatedNet): () => void {
  const [link] = net.links;
  const full = link?.parameters.rateMbit;
  if (link === undefined || typeof full !== 'number') throw new Error('no link of one rate to halve');
  let isHalf = false;
  const timer = setInterval(() => {
    isHalf = !isHalf;
    link.set({ rateMbit: isHalf ? full / 2 : full }).catch((error: unknown) => console.error(String(error)));
  }, 10_000);
  return () => clearInterval(timer);
}

const eight = names.map((_, i) => [5 * (i + 1), 20 + 10 * i] as const);
/** Each way a share of the sigma of the round trip. */
const jitterMs = 10 / Math.SQRT2;

export const linkSets: readonly LinkSet[] = [
  {
    name: '100@20 + 100@80',
    links: links([
      [100, 20],
      [100, 80],
    ]),
    goal: usualGoal,
  },
  {
    name: '100@20 + 20@50',
    links: links([
      [100, 20],
      [20, 50],
    ]),
    goal: usualGoal,
  },
  {
    name: '100@30 + 5@60',
    links: links([
      [100, 30],
      [5, 60],
    ]),
    goal: unequalGoal,
  },
  {
    name: '60@50 + 20@300',
    links: links([
      [60, 50],
      [20, 300],
    ]),
    goal: unequalGoal,
  },
  {
    name: '50@50 + 50@50, 1 % loss on one',
    links: links(
      [
        [50, 50],
        [50, 50],
      ],
      { two: { loss: 0.01 } },
    ),
    goal: usualGoal,
  },
  {
    name: '60@20 + 60@20 jitter 10',
    links: links(
      [
        [60, 20],
        [60, 20],
      ],
      { two: { jitterMs } },
    ),
    goal: usualGoal,
  },
  {
    name: '80@30 halving every 10 s + 40@40',
    links: links([
      [80, 30],
      [40, 40],
    ]),
    goal: usualGoal,
    steer: { periodSeconds: 20, begin: halve },
  },
  {
    name: '300@20 + 30@50',
    links: links([
      [300, 20],
      [30, 50],
    ]),
    goal: usualGoal,
  },
  {
    name: '40@30 + 40@30 + 20@60 + 10@80',
    links: links([
      [40, 30],
      [40, 30],
      [20, 60],
      [10, 80],
    ]),
    goal: usualGoal,
  },
  { name: 'eight of 5 to 40 @ 20 to 90', links: links(eight), goal: usualGoal },
].map((set, i) => ({ number: i + 1, ...set }));
