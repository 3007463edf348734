/** The section `api`: where operators' programs, browsers and Prometheus reach this instance by HTTP, and what they must show. */
import { isIP } from 'node:net';
import path from 'node:path';
import * as z from 'zod';
import { formatEndpoint, parseCidr, parseEndpoint } from './address.ts';
import { filePath, isDomain, text } from './leaves.ts';

export interface ApiConfig {
  /** A literal address of this host, or one that stands for all of them, without brackets. */
  readonly listen: { readonly host: string; readonly port: number };
  /** Names and addresses that requests may be for, beside the one that they came to. Lower case, without ports. */
  readonly hosts: readonly string[];
  /** PEM files; undefined = plain HTTP. */
  readonly tls: { readonly certificate: string; readonly key: string } | undefined;
  /** Who may ask, one a line (`actors/api/token-file.ts`). */
  readonly tokensFile: string;
  readonly metrics: boolean;
  readonly page: boolean;
}

function parseListen(input: string): ApiConfig['listen'] | undefined {
  const endpoint = parseEndpoint(input);
  return endpoint === undefined || isIP(endpoint.host) === 0 || endpoint.port === 0 ? undefined : endpoint;
}

function parseHost(input: string): string | undefined {
  const bare = input.toLowerCase().replace(/^\[(.*)\]$/, '$1');
  if (isIP(bare) !== 0) return bare.includes('%') ? undefined : parseCidr(bare)?.address;
  return isDomain(bare) ? bare.replace(/\.$/, '') : undefined;
}

export const apiSchema = z.strictObject({
  listen: text(parseListen, {
    title: 'an address of this host with a TCP port',
    examples: ['127.0.0.1:8474', '10.9.0.1:8474', '"[::1]:8474"'],
  }).prefault('127.0.0.1:8474'),
  hosts: z
    .array(text(parseHost, { title: 'a host name or address without a port', examples: ['hub.example.net'] }))
    .max(32)
    .default([])
    .describe('What else browsers may call this host; requests for other names are refused (DNS rebinding).'),
  tls: z
    .strictObject({
      certificate: filePath('/etc/hawser/api.pem', 'PEM, the chain included.'),
      key: filePath('/etc/hawser/api.key', 'PEM, of the certificate.'),
    })
    .optional()
    .describe('Without it plain HTTP: for loopback, for an address in the tunnel, or behind a proxy.'),
  tokensFile: filePath(
    '/etc/hawser/tokens',
    'Who may ask, mode 0600; written by `hawser token`. Without a token in it HTTP stays off.',
  ).prefault('/etc/hawser/tokens'),
  metrics: z.boolean().default(true).describe('Whether /metrics is there, for Prometheus.'),
  page: z.boolean().default(true).describe('Whether the web page is there.'),
});

type ApiOutput = z.output<typeof apiSchema>;

export function buildApi({ tls, tokensFile, ...rest }: ApiOutput, folder: string): ApiConfig {
  const inFolder = (name: string): string => path.resolve(folder, name);
  return {
    ...rest,
    tls: tls === undefined ? undefined : { certificate: inFolder(tls.certificate), key: inFolder(tls.key) },
    tokensFile: inFolder(tokensFile),
  };
}

export function apiToInput({ listen, hosts, tls, ...rest }: ApiConfig): z.input<typeof apiSchema> {
  return { ...rest, listen: formatEndpoint(listen), hosts: [...hosts], ...(tls === undefined ? {} : { tls }) };
}
