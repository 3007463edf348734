/** Key pairs in WireGuard's format for tests: base64 of 32 bytes. */
import { randomBytes } from 'node:crypto';
import { importKeyPair } from '../../src/crypto/x25519.ts';

export interface KeyPair {
  readonly privateKey: string;
  readonly publicKey: string;
}

export function generateKeys(): KeyPair {
  const raw = randomBytes(32);
  // Clamped as `wg genkey` does it (RFC 7748 section 5).
  raw.writeUInt8(raw.readUInt8(0) & 248, 0);
  raw.writeUInt8((raw.readUInt8(31) & 127) | 64, 31);
  return {
    privateKey: raw.toString('base64'),
    publicKey: Buffer.from(importKeyPair(raw).publicKey).toString('base64'),
  };
}

export function generatePresharedKey(): string {
  return randomBytes(32).toString('base64');
}

export function keyToHex(base64: string): string {
  return Buffer.from(base64, 'base64').toString('hex');
}
