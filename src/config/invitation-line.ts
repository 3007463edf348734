/**
 * An invitation as one word, which people copy from one machine to another: where the hub is reached, its public key, the secret, what
 * packets wear there, and a sum that tells a word that was cut or mistyped. Text in, plain object out.
 *
 * ```
 * hub.example.net:51820,tls://hub.example.net:443#BASE64URL      of: version (1) · hub's key (32) · secret (16) · obfuscation (JSON, or nothing) · sum (4)
 * ```
 */
import { createHash } from 'node:crypto';
import { parsePeerEndpoint } from './address.ts';
import type { EndpointText } from './config.ts';

export interface Invitation {
  /** As they are reached, the most preferred first. */
  readonly endpoints: readonly string[];
  /** 32 bytes. */
  readonly hubKey: Uint8Array;
  /** 16 bytes. */
  readonly secret: Uint8Array;
  /** As a configuration has it; undefined = none. */
  readonly obfuscation: object | undefined;
}

const version = 1;
const keyAt = 1;
const secretAt = 33;
const restAt = 49;
const sumBytes = 4;
/** Longer ones are no invitations. */
const mostCharacters = 4096;

export function invitationToLine({ endpoints, hubKey, secret, obfuscation }: Invitation): string {
  const places = endpoints.join(',');
  const rest = Buffer.from(obfuscation === undefined ? '' : JSON.stringify(obfuscation));
  const body = Buffer.concat([Uint8Array.of(version), hubKey, secret, rest]);
  return `${places}#${Buffer.concat([body, sumOf(places, body)]).toString('base64url')}`;
}

/** Or the sentence why it is none, which repeats nothing of it. */
export function invitationFromLine(text: string): Invitation | string {
  const [places = '', code, ...more] = text
    .trim()
    .replace(/^hawser join /, '')
    .split('#');
  if (text.length > mostCharacters || code === undefined || more.length > 0)
    return 'it has no "#" with a code behind it, or more than one';
  if (!/^[A-Za-z0-9_-]+$/.test(code)) return 'there is something else than letters, digits, "-" and "_" behind its "#"';
  const bytes = Buffer.from(code, 'base64url');
  const body = bytes.subarray(0, -sumBytes);
  if (body.length < restAt) return 'it is too short: some of it is missing';
  if (!sumOf(places, body).equals(bytes.subarray(-sumBytes))) return 'some of it is missing, or was changed';
  if (body[0] !== version) return `it is of a later version of hawser (${body[0]}; this one knows ${version})`;
  const endpoints = places.split(',').filter((one) => one !== '');
  if (endpoints.length === 0) return 'it does not say where the hub is';
  const rest = body.subarray(restAt).toString();
  let obfuscation: unknown;
  try {
    obfuscation = rest === '' ? undefined : JSON.parse(rest);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return 'what it says of obfuscation cannot be read';
  }
  return {
    endpoints,
    hubKey: Uint8Array.from(body.subarray(keyAt, secretAt)),
    secret: Uint8Array.from(body.subarray(secretAt, restAt)),
    obfuscation: typeof obfuscation === 'object' && obfuscation !== null ? obfuscation : undefined,
  };
}

/** Those that this version can reach. */
export function endpointsOfInvitation({ endpoints }: Invitation): EndpointText[] {
  return endpoints.flatMap((text) => parsePeerEndpoint(text) ?? []);
}

function sumOf(places: string, body: Uint8Array): Buffer {
  return createHash('blake2s256').update(`hawser invitation ${places}#`).update(body).digest().subarray(0, sumBytes);
}
