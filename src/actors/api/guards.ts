/** Whether a request may be meant for this host, and whether a browser sends it because its user asked for it. Pure. */
import { isIP } from 'node:net';
import type { FastifyRequest } from 'fastify';
import { formatAddress, parseCidr } from '../../config/address.ts';
import { type Problem, problem } from './problem.ts';

export interface RequestFacts {
  readonly method: string;
  readonly host: string | undefined;
  readonly origin: string | undefined;
  /** Sec-Fetch-Site of W3C's Fetch Metadata: `same-origin`, `same-site`, `cross-site`, or `none` for what a user typed. */
  readonly fetchSite: string | undefined;
  /** The address that the connection came to. */
  readonly localAddress: string | undefined;
}

export function factsOf({ method, headers, socket }: FastifyRequest): RequestFacts {
  const { 'sec-fetch-site': fetchSite, origin, host } = headers;
  return {
    method,
    host,
    origin,
    fetchSite: typeof fetchSite === 'string' ? fetchSite : undefined,
    localAddress: socket.localAddress,
  };
}

/** `Host: evil.example` that leads here is DNS rebinding: a page of that name would be of one origin with us. */
export function checkHost(facts: RequestFacts, hosts: readonly string[]): Problem | undefined {
  const name = hostNameOf(facts.host);
  const local = facts.localAddress === undefined ? undefined : canonical(facts.localAddress);
  if (name !== undefined) {
    if (hosts.includes(name) || (local !== undefined && canonical(name) === local)) return undefined;
    if (name === 'localhost' && local !== undefined && isLoopback(local)) return undefined;
  }
  const said = facts.host === undefined ? 'no Host' : `Host "${facts.host.slice(0, 100)}"`;
  return problem(421, 'misdirected', `The request is for ${said}, which is none of this host`, 'name it in api.hosts');
}

const foreignRemedy =
  'open the page of this host itself; a proxy before it has to hand on the Host that the browser said (docs/operating/api.md)';

/**
 * A change with a cookie must come from a page of this very origin, and the browser must say so. `program`: what no cookie is needed for may
 * come from what says nothing, which is no browser.
 */
export function checkOrigin(facts: RequestFacts, from: 'page' | 'program' = 'page'): Problem | undefined {
  const { origin, host, fetchSite } = facts;
  const isRead = facts.method === 'GET' || facts.method === 'HEAD';
  const foreign = problem(403, 'cross-site', 'Another site has made this request', foreignRemedy);
  if (fetchSite !== undefined && fetchSite !== 'same-origin' && !(isRead && fetchSite === 'none')) return foreign;
  if (origin !== undefined && !isSameOrigin(origin, host, fetchSite === 'same-origin')) return foreign;
  if (isRead || from === 'program' || origin !== undefined || fetchSite !== undefined) return undefined;
  return problem(403, 'cross-site', 'The request says neither Origin nor Sec-Fetch-Site', 'use a token in a program');
}

/**
 * The scheme is not compared: a proxy before us may speak TLS for us. Nor is the port, if the browser itself says that it is the same: many a proxy leaves it out
 * of the Host that it hands on (`proxy_set_header Host $host` of nginx).
 */
function isSameOrigin(origin: string, host: string | undefined, isSaid: boolean): boolean {
  if (host === undefined || !URL.canParse(origin)) return false;
  const { protocol, host: from, hostname } = new URL(origin);
  if (protocol !== 'http:' && protocol !== 'https:') return false;
  const own = URL.canParse(`${protocol}//${host}`) ? new URL(`${protocol}//${host}`) : undefined;
  return from === own?.host || (isSaid && hostname === own?.hostname);
}

/** Without port and brackets, in small letters; undefined = it is none. */
function hostNameOf(host: string | undefined): string | undefined {
  const [, literal6, name] = /^(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9_.-]+))(?::\d{1,5})?$/.exec(host ?? '') ?? [];
  if (literal6 !== undefined) return canonical(literal6);
  return name === undefined ? undefined : canonical(name.toLowerCase().replace(/\.$/, ''));
}

/** An address in the form of RFC 5952, one of IPv4 that came to a socket of IPv6 as what it is; a name as it stands. */
function canonical(text: string): string {
  const bare = text.replace(/%.*$/, '').replace(/^::ffff:(?=\d+\.)/i, '');
  const parsed = isIP(bare) === 0 ? undefined : parseCidr(bare);
  return parsed === undefined ? bare : formatAddress(Buffer.from(parsed.addressHex, 'hex'));
}

function isLoopback(address: string): boolean {
  return address === '::1' || address.startsWith('127.');
}
