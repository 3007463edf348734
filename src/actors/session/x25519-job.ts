/** Runs in piscina's threads: X25519 of our static key with the ephemeral keys of a flood's initiations. No packets come here. */
import { workerData } from 'node:worker_threads';
import { importKeyPair, importPublicKey, type KeyPair, sharedSecret } from '../../crypto/x25519.ts';

let identity: KeyPair | undefined;

/** One shared secret for each public key, undefined for those of low order. */
export function x25519Batch(publicKeys: readonly Uint8Array[]): (Uint8Array | undefined)[] {
  identity ??= importKeyPair(workerData as Uint8Array);
  const { privateKey } = identity;
  return publicKeys.map((raw) => sharedSecret(privateKey, importPublicKey(raw)));
}
