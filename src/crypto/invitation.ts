/**
 * The temporary keys of an invitation: made of its 128 random bits and the hub's public key, by who writes the invitation and by who
 * uses it. The hub is told the public half and the preshared key; neither leads back to the secret (docs/adr/0030).
 */
import { derive, hash } from './kdf.ts';
import { keyBytes } from './primitives.ts';

export const invitationSecretBytes = 16;

const label = Buffer.from('hawser v1 invitation');

export interface InvitationKeys {
  /** Raw, of X25519. */
  readonly privateKey: Uint8Array;
  readonly presharedKey: Uint8Array;
}

/** HKDF of BLAKE2s: the salt is made of the label and of the hub's key, so that a secret is of use at one hub alone. */
export function deriveInvitation(hubKey: Uint8Array, secret: Uint8Array): InvitationKeys {
  const [privateKey, presharedKey] = derive(hash(label, hubKey), secret, 2);
  return {
    privateKey: (privateKey as Uint8Array).slice(0, keyBytes),
    presharedKey: (presharedKey as Uint8Array).slice(0, keyBytes),
  };
}
