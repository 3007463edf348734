/** The keys of one session: WireGuard's own pair, and the pair for AES-256-GCM that two Hawser ends may switch to. */
import type { HandshakeResult } from './noise.ts';

/**
 * Both pairs come from the last chaining key by the same HKDF: Noise's Split with an empty input, the AES pair with this one, so
 * that no key ever serves two ciphers (docs/wire-format.md).
 */
const aesLabel = new TextEncoder().encode('hawser v1 aes-256-gcm');

export interface SessionKeys {
  readonly send: Uint8Array;
  readonly receive: Uint8Array;
  readonly sendAes: Uint8Array;
  readonly receiveAes: Uint8Array;
}

/** Takes the keys out of a finished handshake, which is overwritten. */
export function deriveSessionKeys(result: HandshakeResult, isInitiator: boolean): SessionKeys {
  const [first, second] = result.split();
  const [firstAes, secondAes] = result.split(aesLabel);
  result.clear();
  return isInitiator
    ? { send: first, receive: second, sendAes: firstAes, receiveAes: secondAes }
    : { send: second, receive: first, sendAes: secondAes, receiveAes: firstAes };
}

/** Overwrites keys that were copied to where they are needed. */
export function clearSessionKeys(keys: SessionKeys): void {
  for (const key of [keys.send, keys.receive, keys.sendAes, keys.receiveAes]) key.fill(0);
}
