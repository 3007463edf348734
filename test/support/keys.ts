/** Key pairs in WireGuard's format for tests: base64 of 32 bytes. */
import { generateKeyPairSync, randomBytes } from 'node:crypto';

export interface KeyPair {
  readonly privateKey: string;
  readonly publicKey: string;
}

export function generateKeys(): KeyPair {
  const jwk = generateKeyPairSync('x25519').privateKey.export({ format: 'jwk' });
  const toBase64 = (text: string | undefined) => Buffer.from(text ?? '', 'base64url').toString('base64');
  return { privateKey: toBase64(jwk.d), publicKey: toBase64(jwk.x) };
}

export function generatePresharedKey(): string {
  return randomBytes(32).toString('base64');
}

export function keyToHex(base64: string): string {
  return Buffer.from(base64, 'base64').toString('hex');
}
