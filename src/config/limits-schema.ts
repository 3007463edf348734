/** Rates that a peer, or all peers together, may use: in Mbit/s of inner packets, as the peer sees them. */
import * as z from 'zod';
import type { PeerLimits } from './config.ts';

const bpsPerMbps = 1e6;
/** What a peer that says nothing else has while the server's rate binds. */
const usualPriority = 50;

/** Of a peer of which nothing is said. */
export const noLimits: PeerLimits = { upBps: 0, downBps: 0, priority: usualPriority };

const rate = (description: string) =>
  z
    .union([z.literal('off'), z.number().min(0.1).max(400_000)])
    .default('off')
    .describe(description);

export const limitsSchema = z.strictObject({
  up: rate('Mbit/s of inner packets that are taken from the peer; off = no limit.'),
  down: rate('Mbit/s of inner packets that are sent to the peer; off = no limit.'),
  priority: z
    .int()
    .min(0)
    .max(100)
    .default(usualPriority)
    .describe('Share of server.total while that binds, against the shares of others; 0 = what they leave.'),
});

export function buildLimits({ up, down, priority }: z.output<typeof limitsSchema>): PeerLimits {
  return { upBps: bpsOf(up), downBps: bpsOf(down), priority };
}

/** Bits a second, 0 = no limit. */
export function bpsOf(rate: 'off' | number): number {
  return rate === 'off' ? 0 : rate * bpsPerMbps;
}

/** Otherwise than a peer that says nothing. */
export function isLimited({ upBps, downBps, priority }: PeerLimits): boolean {
  return upBps > 0 || downBps > 0 || priority !== usualPriority;
}

export function limitsToInput({ upBps, downBps, priority }: PeerLimits): z.input<typeof limitsSchema> {
  return { up: rateOf(upBps), down: rateOf(downBps), priority };
}

function rateOf(bps: number): 'off' | number {
  return bps === 0 ? 'off' : bps / bpsPerMbps;
}
