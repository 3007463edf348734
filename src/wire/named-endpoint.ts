/**
 * An endpoint that is no address: a host, as a name or a literal, to which its carrier finds the way, perhaps through a proxy
 * (`endpoint.named` of the contract).
 *
 * ```
 * 0          2          4
 * kind LE    port BE    host in ASCII, lower case; zeros behind it up to 64 bytes
 * ```
 */
import { assert } from '../base/assert.ts';
import { endpoint } from '../contract/peer-tables.ts';

const portAt = 2;

export function namedEndpointIs(bytes: Uint8Array): boolean {
  return ((bytes[0] as number) | ((bytes[1] as number) << 8)) === endpoint.named;
}

export function namedEndpointPort(bytes: Uint8Array): number {
  return ((bytes[portAt] as number) << 8) | (bytes[portAt + 1] as number);
}

export function namedEndpointHost(bytes: Uint8Array): string {
  const end = bytes.indexOf(0, endpoint.nameAt);
  const name = bytes.subarray(endpoint.nameAt, end < 0 ? endpoint.bytes : end);
  return String.fromCharCode(...name);
}

/** `host`: ASCII, `endpoint.mostNameBytes` at most. */
export function namedEndpointEmit(target: Uint8Array, host: string, port: number): void {
  assert(host.length > 0 && host.length <= endpoint.mostNameBytes, `a host name of ${host.length} bytes`);
  target.fill(0, 0, endpoint.bytes);
  target[0] = endpoint.named & 0xff;
  target[1] = endpoint.named >> 8;
  target[portAt] = port >> 8;
  target[portAt + 1] = port;
  const name = host.toLowerCase();
  for (let index = 0; index < name.length; index += 1) target[endpoint.nameAt + index] = name.charCodeAt(index);
}
