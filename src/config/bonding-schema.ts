/** The part of the configuration that says how links become one: `bonding`, `transports`, and `health` of each link. */
import * as z from 'zod';
import { type TransportName, transport } from '../contract/link-tables.ts';
import { checksSchema, needSchema } from './check-schema.ts';
import { text } from './leaves.ts';
import { pluginName } from './plugins-schema.ts';
import { parseTarget } from './probe-target.ts';
import { offersTestTransport } from './test-transport.ts';
import { parseDurationMs } from './units.ts';

/** A duration within limits. */
function duration(leastMs: number, mostMs: number, title: string, examples: string[]) {
  const parse = (input: string): number | undefined => {
    const valueMs = parseDurationMs(input);
    return valueMs === undefined || valueMs < leastMs || valueMs > mostMs ? undefined : valueMs;
  };
  return text(parse, { title, examples });
}

/** Nobody waits longer for one packet: a TCP sender's own timer is 200 ms to a few seconds (RFC 6298 section 2.4). */
const longestReorderMs = 2000;

function parseReorder(input: string): number | 'auto' | undefined {
  if (input === 'auto') return 'auto';
  if (input === 'off') return 0;
  const valueMs = parseDurationMs(input);
  return valueMs === undefined || valueMs < 1 || valueMs > longestReorderMs ? undefined : valueMs;
}

const mode = z.enum([
  'adaptive',
  'round-robin',
  'weighted',
  'least-used',
  'least-latency',
  'per-flow',
  'failover',
  'redundant',
]);

export const bondingSchema = z.strictObject({
  mode: mode.default('adaptive').describe('adaptive = each packet takes the path on which it arrives first.'),
  classes: z
    .strictObject({ control: mode.optional(), latency: mode.optional(), bulk: mode.optional() })
    .prefault({})
    .describe('Modes of single classes of traffic; the others take `mode`.'),
  reorder: text(parseReorder, {
    title: 'auto, off or a duration of 1ms to 2s',
    examples: ['auto', 'off', '80ms'],
    description: 'Longest wait for a missing packet; auto = learnt from the paths.',
  }).prefault('auto'),
  repair: z
    .enum(['auto', 'off'])
    .default('auto')
    .describe(
      'Losses of an only link: auto = sent again at once, and put in order by the other end; off = left to the flows.',
    ),
  fec: z
    .union([
      z.enum(['off', 'auto']),
      z.strictObject({ data: z.int().min(1).max(64).default(10), parity: z.int().min(1).max(16).default(3) }),
    ])
    .default('off')
    .describe(
      'Parity packets (Reed-Solomon); auto = as many as the measured loss needs. Changes the default of tunnel.mtu.',
    ),
  failback: duration(0, 3_600_000, 'a duration of 0s to 1h', ['5s', '30s'])
    .prefault('5s')
    .describe('A path that came back must be stable so long before it is used again.'),
  suggestions: pluginName
    .optional()
    .describe('The plugin that may suggest weights and roles of links, within what the file says of them.'),
  protect: z
    .array(z.enum(['icmp', 'dns', 'latency', 'bulk', 'control']))
    .default(['icmp', 'dns', 'latency', 'control'])
    .describe('What is sent again when its path dies.'),
});

const latency = (fallback: string) =>
  duration(1, 60_000, 'a duration of 1ms to 60s', ['200ms', '500ms']).prefault(fallback);
const percent = (fallback: number) => z.number().min(0.1).max(100).default(fallback);

export const healthSchema = z.strictObject({
  method: z
    .enum(['auto', 'icmp', 'http', 'https', 'dns', 'tcp', 'off'])
    .optional()
    .describe('How to ask the targets; without it auto when there are targets, off when there are none.'),
  targets: z
    .array(
      text(parseTarget, {
        title: 'a target (host, host:port or method://host)',
        examples: ['192.0.2.1', 'example.net:443', 'https://example.net/alive', 'dns://192.0.2.53/example.net'],
      }),
    )
    .max(8)
    .default([])
    .describe('Hosts outside the tunnel that answer when the link works.'),
  checks: checksSchema,
  need: needSchema,
  interval: duration(100, 5000, 'a duration of 100ms to 5s', ['200ms', '1s'])
    .prefault('200ms')
    .describe('Between two probes; shorter while in doubt, up to 5s while the link is long down.'),
  failures: z.int().min(1).max(100).default(3).describe('Failed probes in a row that make the link down.'),
  successes: z.int().min(1).max(100).default(3).describe('Answered probes in a row that make it up again.'),
  degraded: z
    .strictObject({ latency: latency('200ms'), loss: percent(5) })
    .prefault({})
    .describe('Reached = degraded. Loss in percent.'),
  down: z
    .strictObject({ latency: latency('500ms'), jitter: latency('100ms'), loss: percent(20) })
    .prefault({})
    .describe('Reached = down. Loss in percent.'),
});

const offered = Object.keys(transport).filter((name) => name !== 'test' || offersTestTransport()) as TransportName[];

export const transportsSchema = z.strictObject({
  order: z
    .array(z.enum(offered))
    .default([])
    .describe('Of several transports by one link the first that works carries; those that are not named come behind.'),
  parallel: z
    .enum(['off', 'redundant', 'spread'])
    .default('off')
    .describe('off = one carries, the others stand by; redundant = a copy leaves by another one; spread = all carry.'),
});
