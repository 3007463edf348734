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
  /** Whether this CPU computes AES-GCM in hardware (AES-NI and PCLMULQDQ, or ARMv8 crypto). */
  hasAesHardware(): boolean;
}
