/** mac1, mac2 and the sealing of cookies (WireGuard whitepaper 5.4.4 and 5.4.7). */
import { timingSafeEqual } from 'node:crypto';
import { hash } from './kdf.ts';
import type { Primitives } from './primitives.ts';
import { xchacha20Open, xchacha20Seal } from './xchacha20.ts';

const encoder = new TextEncoder();
const labelMac1 = encoder.encode('mac1----');
const labelCookie = encoder.encode('cookie--');
export const macLength = 16;

/** The two keys that everybody who knows a public key can make. */
export class MacKeys {
  readonly #primitives: Primitives;
  readonly #mac1Key: Uint8Array;
  readonly #cookieKey: Uint8Array;
  readonly #scratch = new Uint8Array(macLength);

  /** `publicKey`: of whoever receives the handshake messages. */
  constructor(primitives: Primitives, publicKey: Uint8Array) {
    this.#primitives = primitives;
    this.#mac1Key = hash(labelMac1, publicKey);
    this.#cookieKey = hash(labelCookie, publicKey);
  }

  /** Whether `claimed` is the mac1 of `message`; allocates nothing, since this is where floods end. */
  hasMac1(message: Uint8Array, claimed: Uint8Array): boolean {
    this.#primitives.blake2s128(this.#mac1Key, message, this.#scratch);
    return macsEqual(this.#scratch, claimed);
  }

  mac1(message: Uint8Array): Uint8Array {
    return keyedMac(this.#primitives, this.#mac1Key, message);
  }

  /** `mac1`: of the message that is answered; it binds the cookie to whoever sent that. */
  sealCookie(cookie: Uint8Array, nonce: Uint8Array, mac1: Uint8Array): Uint8Array | undefined {
    return xchacha20Seal(this.#primitives, this.#cookieKey, nonce, mac1, cookie);
  }

  openCookie(sealed: Uint8Array, nonce: Uint8Array, mac1: Uint8Array): Uint8Array | undefined {
    return xchacha20Open(this.#primitives, this.#cookieKey, nonce, mac1, sealed);
  }
}

/** Keyed BLAKE2s-128. */
export function keyedMac(primitives: Primitives, key: Uint8Array, message: Uint8Array): Uint8Array {
  const mac = new Uint8Array(macLength);
  primitives.blake2s128(key, message, mac);
  return mac;
}

export function macsEqual(left: Uint8Array, right: Uint8Array): boolean {
  return left.length === right.length && timingSafeEqual(left, right);
}
