/** X25519 (RFC 7748) on raw 32-byte keys, through node:crypto: files of keys, and the proofs of TLS. Handshakes use the addon's (`handshake-key.ts`). */
import { createPrivateKey, createPublicKey, diffieHellman, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { assert } from '../base/assert.ts';
import { keyBytes } from './primitives.ts';

export interface KeyPair {
  readonly privateKey: KeyObject;
  /** 32 raw bytes. */
  readonly publicKey: Uint8Array;
}

/** PKCS #8 (RFC 8410) around a raw private key: unlike a JWK it does not ask for the public half. */
const pkcs8Prefix = Uint8Array.from(Buffer.from('302e020100300506032b656e04220420', 'hex'));

/** A public key behind 12 bytes that say which kind it is (RFC 8410). */
const spki = { type: 'spki', format: 'der' } as const;
const spkiPrefixBytes = 12;

/** Both halves of a raw private key. OpenSSL clamps it where it is used. */
export function importKeyPair(raw: Uint8Array): KeyPair {
  assert(raw.length === keyBytes, `an X25519 private key of ${raw.length} bytes`);
  const der = Buffer.concat([pkcs8Prefix, raw]);
  const privateKey = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
  der.fill(0);
  return { privateKey, publicKey: rawPublicKey(createPublicKey(privateKey)) };
}

/**
 * A fresh pair. A quarter of what `importKeyPair` costs, where OpenSSL looks for who can read PKCS #8 (0.1 ms, not 0.4). The public half is
 * never exported as a JWK: Node 20 holds the key's lock while it builds one, and when the garbage collector runs in there and finds the job that made
 * the pair (`~KeyPairGenConfig`, src/crypto/crypto_keygen.h), that waits for the same lock, for ever.
 */
export function generateKeyPair(): KeyPair {
  const { privateKey, publicKey } = generateKeyPairSync('x25519');
  return { privateKey, publicKey: rawPublicKey(publicKey) };
}

function rawPublicKey(key: KeyObject): Uint8Array {
  return Uint8Array.from(key.export(spki).subarray(spkiPrefixBytes));
}

export function importPublicKey(raw: Uint8Array): KeyObject {
  assert(raw.length === keyBytes, `an X25519 public key of ${raw.length} bytes`);
  const x = Buffer.from(raw).toString('base64url');
  return createPublicKey({ key: { kty: 'OKP', crv: 'X25519', x }, format: 'jwk' });
}

/** The shared secret, or undefined when the other side's key is of low order (the result would be all zero). */
export function sharedSecret(privateKey: KeyObject, publicKey: KeyObject): Uint8Array | undefined {
  try {
    return diffieHellman({ privateKey, publicKey });
  } catch (error) {
    if (isDerivationFailure(error)) return undefined;
    throw error;
  }
}

/** OpenSSL refuses the all-zero result with one of these; anything else is a bug of ours. */
function isDerivationFailure(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  return code === 'ERR_CRYPTO_OPERATION_FAILED' || code.startsWith('ERR_OSSL');
}
