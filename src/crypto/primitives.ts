/** What this folder needs of the addon; `native/crypto-api.ts` fits. The ciphers' numbers are those of `cipher` in `contract/peer-tables.ts`. */
export interface Primitives {
  aeadSeal(
    cipher: number,
    key: Uint8Array,
    nonce: Uint8Array,
    additional: Uint8Array,
    plaintext: Uint8Array,
    target: Uint8Array,
  ): number;
  aeadOpen(
    cipher: number,
    key: Uint8Array,
    nonce: Uint8Array,
    additional: Uint8Array,
    sealed: Uint8Array,
    target: Uint8Array,
  ): number;
  blake2s128(key: Uint8Array, message: Uint8Array, target: Uint8Array): number;
  blake2s256(first: Uint8Array, second: Uint8Array, target: Uint8Array): number;
  blake2sHkdf(chainingKey: Uint8Array, input: Uint8Array, target: Uint8Array): number;
  readonly X25519Key: new (raw?: Uint8Array) => NativeX25519Key;
}

export interface NativeX25519Key {
  copyPublic(target: Uint8Array): number;
  derive(publicKey: Uint8Array, target: Uint8Array): number;
  clear(): void;
}

/** `cipher.chacha20poly1305` of `contract/peer-tables.ts`. */
export const chacha20poly1305 = 0;
export const keyBytes = 32;
export const tagBytes = 16;
export const nonceBytes = 12;
