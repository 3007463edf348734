/** `tls`: what a carrier of TLS needs beyond its port: a certificate, a web site for strangers, a proxy to go through. */
import { isIP } from 'node:net';
import * as z from 'zod';
import { formatAddress, parseCidr } from './address.ts';
import type { HttpProxy, WebSite } from './config.ts';
import { filePath, isDomain, isPath, text, when } from './leaves.ts';

/** Host without brackets, port, user; undefined for anything that says more. A password is refused by `cross-checks.ts`, and never repeated. */
function parseHttp(input: string): { host: string; port: number; user: string } | undefined {
  if (!/^http:\/\//i.test(input) || !URL.canParse(input)) return undefined;
  const url = new URL(input);
  if (url.search !== '' || url.hash !== '' || !['', '/'].includes(url.pathname)) return undefined;
  const host = url.hostname.replace(/^\[|\]$/g, '');
  if (isIP(host) === 0 && !isDomain(host)) return undefined;
  const literal = parseCidr(host);
  const user = decoded(url.username);
  if (user === undefined) return undefined;
  return {
    host: literal === undefined ? host : formatAddress(Buffer.from(literal.addressHex, 'hex')),
    port: url.port === '' ? 80 : Number(url.port),
    user,
  };
}

/** Undefined = its escapes are no text (`%zz`, or `%ff` alone). */
function decoded(escaped: string): string | undefined {
  try {
    return decodeURIComponent(escaped);
  } catch {
    return undefined;
  }
}

/** undefined = no http:// address without a path. */
export function parseProxy(input: string): HttpProxy | undefined {
  const url = parseHttp(input);
  // RFC 7617 section 2: a user's name has no colon.
  return url === undefined || url.user.includes(':') ? undefined : url;
}

function parseSite(input: string): WebSite | undefined {
  if (!/^[a-z]+:\/\//i.test(input)) return isPath(input) ? { folder: input } : undefined;
  const url = parseHttp(input);
  return url === undefined || url.user !== '' ? undefined : { host: url.host, port: url.port };
}

export const tlsSchema = z.strictObject({
  certificate: filePath(
    '/etc/letsencrypt/live/hub.example.net/fullchain.pem',
    'PEM, the chain included; without it one is made that nobody has signed.',
  ).optional(),
  key: filePath('/etc/letsencrypt/live/hub.example.net/privkey.pem', 'PEM, of the certificate.').optional(),
  site: text(parseSite, {
    title: 'a folder or an http:// address without a path',
    examples: ['/var/www/html', 'http://127.0.0.1:8080'],
    description: 'What everybody sees who is no peer; without it nothing is found there.',
  }).optional(),
  proxy: text(parseProxy, {
    title: 'an http:// address without a path',
    examples: ['http://proxy.example.net:3128', 'http://user@192.0.2.1:3128'],
    description: 'An HTTP proxy that connections to peers go through (CONNECT).',
  }).optional(),
  proxyPasswordFile: filePath('/etc/hawser/proxy.password', "The password of the proxy's user, mode 0600.").optional(),
  serverName: text(when(isDomain), {
    title: 'a domain',
    examples: ['hub.example.net'],
    description:
      'What connections to peers ask for (SNI, Host), and what a certificate that is made bears; without it the host of the endpoint.',
  }).optional(),
});
