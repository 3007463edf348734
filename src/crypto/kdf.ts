/**
 * BLAKE2s, HMAC-BLAKE2s and the HKDF built of it (WireGuard whitepaper 5.4; Noise revision 34, 4.3), through node:crypto, for what is computed now and
 * then; handshakes use the addon's (`native/sys/blake2s256.h`).
 */
import { createHash, createHmac } from 'node:crypto';

const hashName = 'blake2s256';

/** BLAKE2s-256 of the parts in a row. */
export function hash(...parts: Uint8Array[]): Uint8Array {
  const state = createHash(hashName);
  for (const part of parts) state.update(part);
  return state.digest();
}

function hmac(key: Uint8Array, ...parts: Uint8Array[]): Uint8Array {
  const state = createHmac(hashName, key);
  for (const part of parts) state.update(part);
  return state.digest();
}

/** HKDF: `count` outputs of 32 bytes from a chaining key and input key material. */
export function derive(chainingKey: Uint8Array, input: Uint8Array, count: number): Uint8Array[] {
  const secret = hmac(chainingKey, input);
  const outputs: Uint8Array[] = [];
  let last: Uint8Array = new Uint8Array(0);
  for (let index = 1; index <= count; index += 1) {
    last = hmac(secret, last, Uint8Array.of(index));
    outputs.push(last);
  }
  secret.fill(0);
  return outputs;
}
