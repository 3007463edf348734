/**
 * One call of a webhook: resolves the receiver's name, refuses addresses that are not of the Internet, and posts to the very addresses that
 * were looked at. Redirects are answers like any other, and not followed. The name is asked for outside the tunnel (`resolver.ts`); the
 * connection goes where this host routes it.
 */
import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { isIP, type LookupFunction } from 'node:net';
import { rootCertificates } from 'node:tls';
import { HawserError, messageOf } from '../base/errors.ts';
import { inWords, readSmallFile } from '../base/lasting-files.ts';
import { isPublicAddress } from './public-address.ts';
import type { Resolver } from './resolver.ts';

export interface WebhookCall {
  readonly url: URL;
  readonly allowPrivate: boolean;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** PEM of an authority beside the public ones; read with each call, so that one that was exchanged needs no reload. */
  readonly caFile?: string | undefined;
}

export interface WebhookAnswer {
  readonly status: number;
  /** Seconds that the receiver wants to be left alone; undefined = it does not say. */
  readonly retryAfterS: number | undefined;
  /** In place of the status, for people. */
  readonly reason?: string;
}

const mostAuthorityBytes = 1 << 20;
/** Name, connection, TLS and answer together. */
const timeoutMs = 10_000;

/** Rejects with the reason in words, REFUSED_ADDRESS where there is no address that may be called. */
export async function callWebhook(
  resolver: Pick<Resolver, 'resolve'>,
  call: WebhookCall,
  signal: AbortSignal,
): Promise<WebhookAnswer> {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
  try {
    const addresses = await within(limit, addressesOf(resolver, call));
    return await post(call, addresses, limit);
  } catch (error) {
    if (limit.aborted && !signal.aborted) throw new HawserError('TIMEOUT', `no answer within ${timeoutMs / 1000} s`);
    throw error;
  }
}

/** Rejects when `signal` ends the wait. */
function within<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    signal.addEventListener('abort', () => reject(new Error('ended')), { once: true });
    if (signal.aborted) reject(new Error('ended'));
    work.then(resolve, reject);
  });
}

async function addressesOf(resolver: Pick<Resolver, 'resolve'>, { url, allowPrivate }: WebhookCall): Promise<string[]> {
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
  const all = isIP(host) === 0 ? (await resolver.resolve(host)).addresses.map(({ address }) => address) : [host];
  const allowed = all.filter((address) => allowPrivate || isPublicAddress(address));
  if (allowed.length === 0) {
    const message = `${host} has no public address (${all.join(', ')})`;
    throw new HawserError('REFUSED_ADDRESS', message, 'allowPrivate: true, if that is meant');
  }
  if (url.protocol === 'http:' && allowed.some(isPublicAddress))
    throw new HawserError('REFUSED_ADDRESS', `${host} is public, and http can be read and changed on the way`, 'https');
  return allowed;
}

function post(call: WebhookCall, addresses: readonly string[], signal: AbortSignal): Promise<WebhookAnswer> {
  const { url, headers, body } = call;
  const ca = authoritiesOf(call);
  // Whoever asks for the name gets what was looked at, whatever a name server says by now.
  const lookup: LookupFunction = (_host, { all }, done) => {
    const found = addresses.map((address) => ({ address, family: isIP(address) }));
    if (all === true) done(null, found);
    else done(null, found[0]?.address ?? '', found[0]?.family ?? 4);
  };
  const options = {
    method: 'POST',
    headers: { ...headers, 'content-length': String(Buffer.byteLength(body)) },
    agent: false,
    lookup,
    signal,
    ...(ca === undefined ? {} : { ca: [...ca] }),
  } as const;
  return new Promise((resolve, reject) => {
    const request = url.protocol === 'https:' ? httpsRequest(url, options) : httpRequest(url, options);
    request.on('error', (error) => reject(new HawserError('FAILED', reasonOf(error))));
    request.on('response', (response) => {
      const after = Number(response.headers['retry-after']);
      resolve({
        status: response.statusCode ?? 0,
        retryAfterS: Number.isFinite(after) && after > 0 ? after : undefined,
      });
      // What it says besides is of no interest, however long.
      response.destroy();
    });
    request.end(body);
  });
}

function authoritiesOf({ caFile }: WebhookCall): readonly string[] | undefined {
  if (caFile === undefined) return undefined;
  try {
    return [...rootCertificates, readSmallFile(caFile, mostAuthorityBytes)];
  } catch (error) {
    throw new HawserError('FAILED', `Cannot read the authority ${caFile}: ${inWords(error)}`);
  }
}

/** Of several addresses each has its own reason. */
function reasonOf(error: Error): string {
  const parts = error instanceof AggregateError ? error.errors.map(messageOf) : [];
  return parts.length > 0 ? [...new Set(parts)].join(', ') : error.message;
}
