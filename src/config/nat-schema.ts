/** `server.nat` and `server.isolation`: how clients reach the Internet by this host, and each other. */
import * as z from 'zod';
import { parseCidr } from './address.ts';
import type { Cidr } from './config.ts';
import { text } from './leaves.ts';
import { formatDurationMs, parseDurationMs } from './units.ts';

export interface NatConfig {
  readonly mode: 'masquerade' | 'off';
  /** IPv6: as IPv4, routed as it is, or (`auto`) by what the pool is: unique local addresses lead nowhere outside. */
  readonly ipv6: 'auto' | 'masquerade' | 'route';
  /** Outside addresses; none = those of the interface that a packet leaves by. */
  readonly addresses: readonly Cidr[];
  readonly ports: { readonly first: number; readonly last: number };
  /** 0 = all ports are shared. */
  readonly perClient: number;
  /** 0 = any number. */
  readonly connections: number;
  readonly timeoutMs: number;
}

/** A port of the hub's that leads to a client's. */
export interface PortForward {
  readonly protocol: 'tcp' | 'udp';
  /** At the hub. */
  readonly port: number;
  /** At the client. */
  readonly to: number;
}

const timeoutLimitsMs = { least: 1_000, most: 24 * 3_600_000 } as const;

function parsePorts(input: string): NatConfig['ports'] | undefined {
  const match = /^(\d{1,5})-(\d{1,5})$/.exec(input);
  if (match === null) return undefined;
  const [first, last] = [Number(match[1]), Number(match[2])];
  return first >= 1 && last <= 65_535 && first < last ? { first, last } : undefined;
}

/** One of ours to the outside; a prefix would be of a network. */
function parseOutside(input: string): Cidr | undefined {
  const cidr = input.includes('/') ? undefined : parseCidr(input);
  return cidr === undefined || /^0+$/.test(cidr.addressHex) ? undefined : cidr;
}

function parseTimeoutMs(input: string): number | undefined {
  const valueMs = parseDurationMs(input);
  const isFit =
    valueMs !== undefined &&
    valueMs % 1000 === 0 &&
    valueMs >= timeoutLimitsMs.least &&
    valueMs <= timeoutLimitsMs.most;
  return isFit ? valueMs : undefined;
}

/** `443:8443/tcp`, `443/tcp`; undefined = not of that form. */
export function parseForward(input: string): PortForward | undefined {
  const match = /^(\d{1,5})(?::(\d{1,5}))?\/(tcp|udp)$/.exec(input);
  if (match === null) return undefined;
  const port = Number(match[1]);
  const to = Number(match[2] ?? match[1]);
  const isFit = [port, to].every((one) => one >= 1 && one <= 65_535);
  return isFit ? { protocol: match[3] === 'udp' ? 'udp' : 'tcp', port, to } : undefined;
}

export function formatForward({ protocol, port, to }: PortForward): string {
  return port === to ? `${port}/${protocol}` : `${port}:${to}/${protocol}`;
}

export const natSchema = z.strictObject({
  mode: z
    .enum(['masquerade', 'off'])
    .default('off')
    .describe('masquerade = clients reach the Internet by the addresses of this host (an nft table of ours).'),
  ipv6: z
    .enum(['auto', 'masquerade', 'route'])
    .default('auto')
    .describe('route = with their own addresses; auto = masquerade for unique local ones (fd00::/8), else route.'),
  addresses: z
    .array(text(parseOutside, { title: 'an address of this host', examples: ['203.0.113.7'] }))
    .max(64)
    .default([])
    .describe('Shared by the clients, each of which keeps one; none = that of the interface a packet leaves by.'),
  ports: text(parsePorts, { title: 'a range of ports', examples: ['10000-65535'] }).prefault('10000-65535'),
  perClient: z
    .union([z.literal('off'), z.int().min(16).max(65_535)])
    .default('off')
    .describe('Ports of its own for each client, so that a port tells who it was; off = all share all.'),
  connections: z
    .union([z.literal('off'), z.int().min(1).max(1_000_000)])
    .default(4096)
    .describe('Most connections of a client at a time; what is more is refused. With perClient that many.'),
  timeout: text(parseTimeoutMs, { title: 'a duration of 1s to 24h in whole seconds', examples: ['5m'] })
    .prefault('5m')
    .describe('How long a mapping of UDP outlives its last packet.'),
});

export const isolationSchema = z.boolean().default(false).describe('Clients do not reach each other.');

export function buildNat(input: z.output<typeof natSchema>): NatConfig {
  const { timeout, perClient, connections, ...rest } = input;
  return {
    ...rest,
    timeoutMs: timeout,
    perClient: perClient === 'off' ? 0 : perClient,
    connections: connections === 'off' ? 0 : connections,
  };
}

export function natToInput(nat: NatConfig): z.input<typeof natSchema> {
  const { addresses, ports, perClient, connections, timeoutMs, ...rest } = nat;
  return {
    ...rest,
    addresses: addresses.map(({ address }) => address),
    ports: `${ports.first}-${ports.last}`,
    perClient: perClient === 0 ? 'off' : perClient,
    connections: connections === 0 ? 'off' : connections,
    timeout: formatDurationMs(timeoutMs),
  };
}

/** Clients that there are blocks of ports for; undefined = as many as there may be. */
export function blocksOf({ mode, perClient, ports, addresses }: NatConfig): number | undefined {
  if (mode === 'off' || perClient === 0) return undefined;
  const outside = addresses.filter(({ family }) => family === 4).length;
  return Math.max(1, outside) * Math.floor((ports.last - ports.first + 1) / perClient);
}
