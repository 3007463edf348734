/** Rates that a peer, or all peers together, may use: in Mbit/s of inner packets, as the peer sees them. */
import * as z from 'zod';
import type { PeerLimits } from './config.ts';
import { clientQuotaKeys } from './quota-schema.ts';

const bpsPerMbps = 1e6;
/** What a peer that says nothing else has while the server's rate binds. */
const usualPriority = 50;

type Rate = 'off' | number;

const rate = (usual: Rate, description: string) =>
  z
    .union([z.literal('off'), z.number().min(0.1).max(400_000)])
    .default(usual)
    .describe(description);

const limitsOf = (usual: Rate) =>
  z.strictObject({
    up: rate(usual, 'Mbit/s of inner packets that are taken from the peer; off = no limit.'),
    down: rate(usual, 'Mbit/s of inner packets that are sent to the peer; off = no limit.'),
    priority: z
      .int()
      .min(0)
      .max(100)
      .default(usualPriority)
      .describe('Share of server.total while that binds, against the shares of others; 0 = what they leave.'),
  });

export const limitsSchema = limitsOf('off');

/** `server.client`: of clients of which nothing else is said, in Mbit/s. */
const usualClientRate = 100;
export const clientLimitsSchema = limitsOf(usualClientRate).extend(clientQuotaKeys);

/** `server.total`: of all peers together, as they see it. Bits of inner packets a second, 0 = no limit. */
export interface TotalRates {
  readonly upBps: number;
  readonly downBps: number;
}

export const totalSchema = z.strictObject({
  up: rate('off', 'Mbit/s of inner packets that are taken from all peers together; off = no limit.'),
  down: rate('off', 'Mbit/s of inner packets that are sent to all peers together; off = no limit.'),
});

export function buildTotal({ up, down }: z.output<typeof totalSchema>): TotalRates {
  return { upBps: bpsOf(up), downBps: bpsOf(down) };
}

export function totalToInput({ upBps, downBps }: TotalRates): z.input<typeof totalSchema> {
  return { up: rateOf(upBps), down: rateOf(downBps) };
}

export function buildLimits({ up, down, priority }: z.output<typeof limitsSchema>): PeerLimits {
  return { upBps: bpsOf(up), downBps: bpsOf(down), priority };
}

/** Bits a second, 0 = no limit. */
function bpsOf(rate: Rate): number {
  return rate === 'off' ? 0 : rate * bpsPerMbps;
}

/** Otherwise than a peer that says nothing. */
export function isLimited({ upBps, downBps, priority }: PeerLimits): boolean {
  return upBps > 0 || downBps > 0 || priority !== usualPriority;
}

export function limitsToInput({ upBps, downBps, priority }: PeerLimits): z.input<typeof limitsSchema> {
  return { up: rateOf(upBps), down: rateOf(downBps), priority };
}

function rateOf(bps: number): Rate {
  return bps === 0 ? 'off' : bps / bpsPerMbps;
}
