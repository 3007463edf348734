/** `server`: shape and limits of a hub's section. What is about NAT or rates has its schema in a file of its own, and stands here by name. */
import * as z from 'zod';
import { isLinkLocal, parseCidr, parseEndpoint } from './address.ts';
import type { Cidr } from './config.ts';
import { text } from './leaves.ts';
import { clientLimitsSchema, totalSchema } from './limits-schema.ts';
import { isolationSchema, natSchema } from './nat-schema.ts';
import { pluginName } from './plugins-schema.ts';
import { quotaSchema } from './quota-schema.ts';
import type { ServerEndpoint } from './server.ts';
import { parseDurationMs } from './units.ts';

/** A lease for each of two clients at least; wider ones than these are nobody's to give away. */
const poolPrefixes = { 4: { least: 8, most: 30 }, 6: { least: 32, most: 126 } } as const;

function parsePool(family: 4 | 6): (input: string) => Cidr | undefined {
  const { least, most } = poolPrefixes[family];
  return (input) => {
    const cidr = input.includes('/') ? parseCidr(input) : undefined;
    if (cidr?.family !== family || cidr.prefix < least || cidr.prefix > most) return undefined;
    return isUnusable(cidr) ? undefined : cidr;
  };
}

/** "This network", loopback, link-local and multicast (RFC 6890). */
function isUnusable({ family, address, addressHex }: Cidr): boolean {
  const first = Number.parseInt(addressHex.slice(0, 2), 16);
  if (family === 4) return first === 0 || first === 127 || first >= 224 || address.startsWith('169.254.');
  return first === 0 || first === 0xff || isLinkLocal(address);
}

/** `hub.example.net`, `203.0.113.1`, `2001:db8::1`, or one of them with a port. */
export function parseServerEndpoint(input: string): ServerEndpoint | undefined {
  const withPort = parseEndpoint(input);
  if (withPort !== undefined) return isLinkLocal(withPort.host) ? undefined : withPort;
  const literal = input.includes('/') ? undefined : parseCidr(input.replace(/^\[(.*)\]$/, '$1'));
  const host = literal?.address ?? (input.includes(':') ? undefined : parseEndpoint(`${input}:1`)?.host);
  return host === undefined || isLinkLocal(host) ? undefined : { host, port: undefined };
}

function parseServer(input: string): string | undefined {
  return input.includes('/') ? undefined : parseCidr(input)?.address;
}

const limitMs = { least: 10_000, most: 720 * 3_600_000 } as const;

/** 0 = off. */
function parseLimitMs(input: string): number | undefined {
  if (input === 'off') return 0;
  const valueMs = parseDurationMs(input);
  return valueMs === undefined || valueMs < limitMs.least || valueMs > limitMs.most ? undefined : valueMs;
}

/** So many peers have room in the tables, beside those of the file. */
const mostClients = 60_000;

export const serverSchema = z.strictObject({
  pool: text(parsePool(4), {
    title: 'an IPv4 network of /8 to /30',
    examples: ['10.100.0.0/16'],
    description: 'What clients get their addresses from; it is routed into the tunnel as one network.',
  }).optional(),
  pool6: text(parsePool(6), { title: 'an IPv6 network of /32 to /126', examples: ['"fd00:100::/64"'] }).optional(),
  endpoint: text(parseServerEndpoint, {
    title: 'a host, or host:port',
    examples: ['hub.example.net', '203.0.113.1:51820'],
    description:
      'Where clients reach this hub, with the ports of `listen`; a port here is that of UDP at the router in front.',
  }).optional(),
  dns: z
    .array(text(parseServer, { title: 'the address of a name server', examples: ['10.100.0.1', 'fd00:100::1'] }))
    .max(8)
    .default([])
    .describe('Name servers that clients are told.'),
  limits: z
    .strictObject({
      clients: z.int().min(1).max(mostClients).default(1000).describe('Most that may stand in the store.'),
      perClient: z
        .int()
        .min(1)
        .max(100)
        .default(5)
        .describe('Most devices of one client, each with a key and a lease.'),
      perAddress: z
        .union([z.literal('off'), z.int().min(1).max(mostClients)])
        .default(10)
        .describe('Most clients with sessions from one IPv4 address, or from one /64 of IPv6; off = no limit.'),
      idle: text(parseLimitMs, { title: 'a duration of 10s to 720h, or off', examples: ['5m', 'off'] }).prefault('5m'),
      session: text(parseLimitMs, { title: 'a duration of 10s to 720h, or off', examples: ['24h', 'off'] }).prefault(
        '24h',
      ),
    })
    .prefault({}),
  client: clientLimitsSchema.prefault({}).describe('How fast each client may send and be sent to, and how much.'),
  quota: quotaSchema.prefault({}),
  total: totalSchema.prefault({}).describe('What all peers may use together, shared by priority.'),
  nat: natSchema.prefault({}),
  isolation: isolationSchema,
  authorise: pluginName
    .optional()
    .describe('The plugin that is asked before a client gets a session; who is not let in within 500 ms stays out.'),
});
