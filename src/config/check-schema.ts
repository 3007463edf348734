/** `links.health.checks`: what a link is asked for in detail, each with what counts as a right answer. */

import * as z from 'zod';
import { bracketed, parseEndpoint } from './address.ts';
import type { HealthCheck, LinkHealthConfig } from './config.ts';
import { authorityFile, text, when } from './leaves.ts';
import { isName, nameWords } from './names.ts';
import { pluginName } from './plugins-schema.ts';
import { parseDurationMs } from './units.ts';

/** More are refused: the table of checks has so many rows a link (`check.rowsPerLink` of contract/link-tables.ts). */
export const mostChecks = 8;
/** An echo of more would be cut on most paths. */
const mostEchoBytes = 1400;
const mostPatternLength = 512;
const mostTextBytes = 1024;

function duration(leastMs: number, mostMs: number, title: string, examples: string[]) {
  const parse = (input: string): number | undefined => {
    const valueMs = parseDurationMs(input);
    return valueMs === undefined || valueMs < leastMs || valueMs > mostMs ? undefined : valueMs;
  };
  return text(parse, { title, examples });
}

function isPattern(input: string): boolean {
  if (input.length === 0 || input.length > mostPatternLength) return false;
  try {
    return new RegExp(input, 'u') instanceof RegExp;
  } catch (error) {
    if (error instanceof SyntaxError) return false;
    throw error;
  }
}

const pattern = (description: string) =>
  text(when(isPattern), {
    title: `a regular expression of 1 to ${mostPatternLength} characters (flag u)`,
    examples: ["'^220 '", "'status.*ok'"],
    description,
  });
const payload = (description: string) =>
  text(
    when((input) => input.length > 0 && Buffer.byteLength(input) <= mostTextBytes),
    { title: `a text of 1 to ${mostTextBytes} bytes`, examples: ['"EHLO probe\\r\\n"'], description },
  );

function isUrl(input: string): boolean {
  if (!/^https?:\/\//.test(input) || !URL.canParse(input)) return false;
  const { username, password, hostname } = new URL(input);
  return username === '' && password === '' && hostname !== '';
}

/** `204`, `200-299` → both ends. */
function parseStatuses(input: string | number): { from: number; to: number } | undefined {
  const match = /^([1-5]\d\d)(?:-([1-5]\d\d))?$/.exec(String(input));
  if (match === null) return undefined;
  const [from, to] = [Number(match[1]), Number(match[2] ?? match[1])];
  return from <= to ? { from, to } : undefined;
}

const status = z
  .union([z.int().min(100).max(599), z.string()])
  .meta({ title: 'a status or a range of them', examples: ['204', '200-299'] })
  .transform((input, context) => {
    const value = parseStatuses(input);
    if (value !== undefined) return value;
    context.issues.push({ code: 'custom', input });
    return z.NEVER;
  });

const host = (port: string) =>
  text(parseEndpoint, { title: 'a host with its port', examples: [`example.net:${port}`, `"[2001:db8::1]:${port}"`] });
const bareHost = text((input) => parseEndpoint(`${bracketed(input)}:1`)?.host, {
  title: 'a host',
  examples: ['192.0.2.1', 'example.net'],
});

/** RFC 9110 sections 5.1 and 5.5; what the request needs itself is not for others to set. */
const ownHeaders = ['host', 'connection', 'content-length', 'transfer-encoding'];
const headers = z
  .record(z.string(), z.string().regex(/^[\t -~]{0,1024}$/))
  .refine((all) =>
    Object.keys(all).every(
      (name) => /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}$/.test(name) && !ownHeaders.includes(name.toLowerCase()),
    ),
  )
  .meta({ title: 'header fields of a request', examples: ['{ User-Agent: probe }'] });

const numbers = {
  name: text(when(isName), { ...nameWords, examples: ['portal'] }).optional(),
  interval: duration(100, 300_000, 'a duration of 100ms to 5m', ['1s', '30s'])
    .optional()
    .describe("Without it the link's; a second at least for http."),
  timeout: duration(100, 60_000, 'a duration of 100ms to 1m', ['2s'])
    .optional()
    .describe('Without it 2s; for icmp and dns 1s.'),
  failures: z.int().min(1).max(100).optional().describe("Without it the link's."),
  successes: z.int().min(1).max(100).optional().describe("Without it the link's."),
};

const httpCheck = z.strictObject({
  type: z.literal('http'),
  ...numbers,
  url: text(when(isUrl), {
    title: 'a URL of http or https without a password',
    examples: ['https://example.net/alive'],
  }),
  method: z.enum(['GET', 'HEAD', 'POST', 'OPTIONS']).default('GET'),
  headers: headers.default({}),
  status: z
    .union([status.transform((one) => [one]), z.array(status).min(1).max(16)])
    .optional()
    .describe('Statuses that are right; without it 200-299.'),
  contains: payload('What the first 64 KiB of the body must hold.').optional(),
  matches: pattern('What the first 64 KiB of the body must match.').optional(),
  redirects: z.enum(['refuse', 'follow']).default('refuse').describe('follow = up to five, by this link.'),
  verify: z.boolean().default(true).describe('false = any certificate will do.'),
  ca: authorityFile.optional(),
});

const dnsCheck = z.strictObject({
  type: z.literal('dns'),
  ...numbers,
  server: text(parseServer, { title: 'a name server', examples: ['192.0.2.53', 'dns.example.net:5353'] }),
  query: text(
    when((input) => /^(?=.{1,253}$)[!-~]{1,63}(\.[!-~]{1,63})*\.?$/.test(input)),
    {
      title: 'a name to ask for',
      examples: ['example.net'],
    },
  ),
  record: z.enum(['A', 'AAAA', 'CNAME', 'MX', 'TXT', 'NS']).default('A'),
  answer: z
    .union([z.string().transform((one) => [one]), z.array(z.string()).min(1).max(16)])
    .optional()
    .describe('One of these must be among the answers; without it any record of the type will do.'),
});

function parseServer(input: string) {
  const isBareIpv6 = input.split(':').length > 2 && !input.startsWith('[');
  return parseEndpoint(isBareIpv6 ? `[${input}]:53` : /:\d+$/.test(input) ? input : `${input}:53`);
}

const tcpCheck = z.strictObject({
  type: z.literal('tcp'),
  ...numbers,
  target: host('25'),
  send: payload('Said once the connection stands.').optional(),
  expect: pattern('What comes back must match.').optional(),
});

const icmpCheck = z.strictObject({
  type: z.literal('icmp'),
  ...numbers,
  target: bareHost,
  size: z.int().min(16).max(mostEchoBytes).default(56).describe('Bytes of data in an echo.'),
  count: z.int().min(1).max(10).default(1).describe('Echoes at a time, of which half must come back.'),
});

const pluginCheck = z.strictObject({
  type: z.literal('plugin'),
  ...numbers,
  plugin: pluginName,
  argument: payload('Handed to the plugin as it is.').optional(),
});

export const checksSchema = z
  .array(z.discriminatedUnion('type', [httpCheck, dnsCheck, tcpCheck, icmpCheck, pluginCheck]))
  .max(mostChecks)
  .default([])
  .describe('In place of method and targets: checks with their right answers.');

export const needSchema = z
  .union([z.enum(['any', 'all']), z.int().min(1).max(mostChecks)])
  .default('all')
  .describe('How many of the checks must pass.');

type CheckOutput = z.output<typeof checksSchema>[number];
type Defaults = Pick<LinkHealthConfig, 'intervalMs' | 'failures' | 'successes'>;

/** No server wants more than one request a second of somebody who only asks whether it is there. */
const leastWebIntervalMs = 1000;

export function buildCheck(check: CheckOutput, defaults: Defaults): HealthCheck {
  const isQuick = check.type === 'icmp' || check.type === 'dns';
  const shared = {
    intervalMs: check.interval ?? (isQuick ? defaults.intervalMs : Math.max(leastWebIntervalMs, defaults.intervalMs)),
    timeoutMs: check.timeout ?? (isQuick ? 1000 : 2000),
    failures: check.failures ?? defaults.failures,
    successes: check.successes ?? defaults.successes,
  };
  switch (check.type) {
    case 'http':
      return {
        ...shared,
        type: 'http',
        name: check.name ?? new URL(check.url).host,
        url: check.url,
        method: check.method,
        headers: check.headers,
        statuses: check.status ?? [{ from: 200, to: 299 }],
        contains: check.contains,
        matches: check.matches,
        followsRedirects: check.redirects === 'follow',
        isVerified: check.verify,
        caFile: check.ca,
      };
    case 'dns': {
      const { server, query, record } = check;
      const name = check.name ?? `dns-${query}`;
      return { ...shared, type: 'dns', name, server, query, record, answer: check.answer ?? [] };
    }
    case 'tcp': {
      const { target, send, expect } = check;
      return { ...shared, type: 'tcp', name: check.name ?? `tcp-${target.host}`, target, send, expect };
    }
    case 'plugin': {
      const { plugin, argument } = check;
      return { ...shared, type: 'plugin', name: check.name ?? plugin, plugin, argument };
    }
    case 'icmp': {
      const { target, size, count } = check;
      return { ...shared, type: 'icmp', name: check.name ?? `icmp-${target}`, target, size, count };
    }
  }
}
