/** Key files and keys in WireGuard's form: 32 bytes as base64. X25519 clamps by itself, so nothing is clamped here. */
import { createPrivateKey, createPublicKey, randomBytes } from 'node:crypto';
import { HawserError } from '../base/errors.ts';
import { inWords, readWithMode } from '../base/lasting-files.ts';

export const keyBytes = 32;

/** Only the canonical text is a key: 44 characters, spare bits zero, as `wg` itself demands. undefined = no key. */
export function parseKey(text: string): Uint8Array | undefined {
  if (!/^[A-Za-z0-9+/]{43}=$/.test(text)) return undefined;
  const bytes = Buffer.from(text, 'base64');
  return bytes.length === keyBytes && bytes.toString('base64') === text ? new Uint8Array(bytes) : undefined;
}

export function formatKey(key: Uint8Array): string {
  return Buffer.from(key).toString('base64');
}

/** A new private key, clamped as `wg genkey` writes it (RFC 7748 section 5), so that other tools show the same text. */
export function newPrivateKey(): Uint8Array {
  const key = new Uint8Array(randomBytes(keyBytes));
  key[0] = (key[0] ?? 0) & 248;
  key[31] = ((key[31] ?? 0) & 127) | 64;
  return key;
}

/** 45, and what an editor may have added. */
const mostBytes = 4096;

/** DER of a PKCS #8 X25519 private key up to its 32 raw bytes (RFC 8410 section 7). */
const pkcs8Prefix = Buffer.from('302e020100300506032b656e04220420', 'hex');

export function publicKeyOf(privateKey: Uint8Array): Uint8Array {
  const der = Buffer.concat([pkcs8Prefix, privateKey]);
  const secret = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
  der.fill(0);
  const { x } = createPublicKey(secret).export({ format: 'jwk' });
  return new Uint8Array(Buffer.from(x ?? '', 'base64url'));
}

/** Reads the key in `file` (private or preshared). Throws when others could read it too, with the chmod that mends it. */
export function readKeyFile(file: string): Uint8Array {
  const { text, mode } = readOrExplain(file);
  if ((mode & 0o077) !== 0) {
    const octal = (mode & 0o777).toString(8).padStart(4, '0');
    throw new HawserError('KEY_MODE', `Key file ${file} has mode ${octal}: others can read it`, `chmod 600 '${file}'`);
  }
  const key = parseKey(text.trim());
  if (key === undefined) {
    throw new HawserError('KEY_FORM', `Key file ${file} does not hold one base64 key of 32 bytes`, 'hawser keygen');
  }
  return key;
}

function readOrExplain(file: string): ReturnType<typeof readWithMode> {
  try {
    return readWithMode(file, mostBytes);
  } catch (error) {
    throw new HawserError('KEY_READ', `Cannot read key file ${file}: ${inWords(error)}`, 'hawser keygen writes one');
  }
}
