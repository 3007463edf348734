/**
 * A private key of X25519 (RFC 7748) for WireGuard's handshakes, which lives in the addon and is overwritten when it has served. A fresh one never is in
 * JavaScript's memory; a static one comes from there. The proofs of TLS have theirs by node:crypto (`x25519.ts`).
 */
import { assert } from '../base/assert.ts';
import { keyBytes, type NativeX25519Key, type Primitives } from './primitives.ts';

export class HandshakeKey {
  /** 32 raw bytes. */
  readonly publicKey = new Uint8Array(keyBytes);
  readonly #key: NativeX25519Key;

  /** `raw`: 32 bytes, which OpenSSL clamps where they are used; without them a fresh key for one handshake. */
  constructor(primitives: Primitives, raw?: Uint8Array) {
    this.#key = new primitives.X25519Key(raw);
    this.#key.copyPublic(this.publicKey);
  }

  /** The secret shared with the owner of a raw public key; undefined when that is of low order: the result would be all zero. */
  derive(publicKey: Uint8Array): Uint8Array | undefined {
    assert(publicKey.length === keyBytes, `an X25519 public key of ${publicKey.length} bytes`);
    const secret = new Uint8Array(keyBytes);
    return this.#key.derive(publicKey, secret) === keyBytes ? secret : undefined;
  }

  /** Overwrites it; it derives nothing afterwards. */
  clear(): void {
    this.#key.clear();
  }
}
