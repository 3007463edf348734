/** Cryptography of the addon for small messages (handshakes, tests); trains are sealed and opened by `data-api.ts`. */
export interface CryptoApi {
  /**
   * Seals `plaintext` into `target` (plaintext length + 16 bytes) through the same context type that trains use.
   * `nonce` is 12 bytes, `key` 32. `cipher` as `layout.cipher`. Returns the bytes written, or a negative errno.
   */
  aeadSeal(
    cipher: number,
    key: Uint8Array,
    nonce: Uint8Array,
    additional: Uint8Array,
    plaintext: Uint8Array,
    target: Uint8Array,
  ): number;
  /** The reverse; returns the plaintext's length, or -74 (EBADMSG) when the tag does not verify (target is then zeroed). */
  aeadOpen(
    cipher: number,
    key: Uint8Array,
    nonce: Uint8Array,
    additional: Uint8Array,
    sealed: Uint8Array,
    target: Uint8Array,
  ): number;
  /** Keyed BLAKE2s-128 (RFC 7693) as WireGuard's mac1 and mac2 use it; `key` of 1 to 32 bytes, writes 16 bytes. */
  blake2s128(key: Uint8Array, message: Uint8Array, target: Uint8Array): number;
  /** BLAKE2s-256 (RFC 7693) of both in a row; writes 32 bytes, also over what it read. */
  blake2s256(first: Uint8Array, second: Uint8Array, target: Uint8Array): number;
  /**
   * HKDF of HMAC-BLAKE2s (Noise revision 34, 4.3): `chainingKey` of 32 bytes, `target` of 32 for each of one to three outputs, which may not lie in
   * what is read.
   */
  blake2sHkdf(chainingKey: Uint8Array, input: Uint8Array, target: Uint8Array): number;
  /** A private key of X25519: `raw` of 32 bytes, or a fresh one. Throws when OpenSSL makes none. */
  readonly X25519Key: new (
    raw?: Uint8Array,
  ) => X25519Key;
  /** Whether this CPU computes AES-GCM in hardware (AES-NI and PCLMULQDQ, or ARMv8 crypto). */
  hasAesHardware(): boolean;
}

/** A private key in OpenSSL's keeping, in constant time (sys/x25519.h). Each method returns the bytes written, or a negative errno. */
export interface X25519Key {
  /** Writes the public half, 32 bytes. */
  copyPublic(target: Uint8Array): number;
  /**
   * Writes the secret shared with the owner of `publicKey`, 32 bytes; -74 (EBADMSG) when it would be all zero, or after `clear`. `target` may not be
   * `publicKey`.
   */
  derive(publicKey: Uint8Array, target: Uint8Array): number;
  /** Overwrites the key. */
  clear(): void;
}
