/**
 * Who may use a TLS connection for packets: said in the caller's first request, and in the hub's answer, bound to that very connection by
 * its exporter (RFC 5705, RFC 8446 section 7.5). There is no clock in it, and nothing to replay: whoever sits between two TLS connections
 * has two exporters. Shape as the first message of Noise IK: an ephemeral key, the caller's key sealed for the hub, then what only both can know.
 *
 * ```
 * 0            32                                  80                          112
 * ephemeral E  caller's key, sealed (32 + tag 16)  MAC under DH(caller, hub)   = what a request holds
 * ```
 */
import type { KeyObject } from 'node:crypto';
import { timingSafeEqual } from 'node:crypto';
import { derive, hash } from './kdf.ts';
import { chacha20poly1305, keyBytes, nonceBytes, type Primitives, tagBytes } from './primitives.ts';
import { generateKeyPair, importPublicKey, type KeyPair, sharedSecret } from './x25519.ts';

/** RFC 5705 section 6: what is not registered begins with EXPERIMENTAL. */
export const exporterLabel = 'EXPERIMENTAL hawser packets 1';
export const exporterBytes = 32;

const sealedAt = keyBytes;
const macAt = sealedAt + keyBytes + tagBytes;
export const proofBytes = macAt + keyBytes;

const protocol = Buffer.from('hawser packets in TLS 1');
const nonce = new Uint8Array(nonceBytes);

export interface CallProof {
  readonly bytes: Uint8Array;
  /** What the hub must answer: only who knows its private key can. */
  readonly answer: Uint8Array;
}

export interface HeardProof {
  /** 32 bytes. */
  readonly publicKey: Uint8Array;
  /** For the answer. */
  readonly answer: Uint8Array;
}

/** The caller's. undefined: no secret can be shared with such a key. */
export function proveCaller(
  primitives: Primitives,
  own: KeyPair,
  hubKey: Uint8Array,
  exporter: Uint8Array,
): CallProof | undefined {
  const ephemeral = generateKeyPair();
  const hub = importPublicKey(hubKey);
  const keys = sealingKeys(ephemeral.privateKey, hub, ephemeral.publicKey, hubKey);
  const mutual = sharedSecret(own.privateKey, hub);
  if (keys === undefined || mutual === undefined) return undefined;
  const bytes = new Uint8Array(proofBytes);
  bytes.set(ephemeral.publicKey);
  const sealed = bytes.subarray(sealedAt, macAt);
  primitives.aeadSeal(chacha20poly1305, keys.seal, nonce, exporter, own.publicKey, sealed);
  const [mac, answer] = macsOf(keys.chain, mutual, bytes, exporter);
  bytes.set(mac, macAt);
  return { bytes, answer };
}

/** The hub's; undefined = it is no proof, or not for this connection. Costs one X25519 when it is nonsense. */
export function readProof(
  primitives: Primitives,
  own: KeyPair,
  bytes: Uint8Array,
  exporter: Uint8Array,
): HeardProof | undefined {
  if (bytes.length !== proofBytes) return undefined;
  const ephemeralKey = bytes.subarray(0, keyBytes);
  const keys = sealingKeys(own.privateKey, importPublicKey(ephemeralKey), ephemeralKey, own.publicKey);
  if (keys === undefined) return undefined;
  const publicKey = new Uint8Array(keyBytes);
  const sealed = bytes.subarray(sealedAt, macAt);
  const opened = primitives.aeadOpen(chacha20poly1305, keys.seal, nonce, exporter, sealed, publicKey);
  if (opened !== keyBytes) return undefined;
  const mutual = sharedSecret(own.privateKey, importPublicKey(publicKey));
  if (mutual === undefined) return undefined;
  const [mac, answer] = macsOf(keys.chain, mutual, bytes, exporter);
  return timingSafeEqual(mac, bytes.subarray(macAt)) ? { publicKey, answer } : undefined;
}

/** Whether the hub's answer is the one that `proveCaller` waits for. */
export function isAnswer(heard: Uint8Array, wanted: Uint8Array): boolean {
  return heard.length === wanted.length && timingSafeEqual(heard, wanted);
}

function sealingKeys(privateKey: KeyObject, publicKey: KeyObject, ephemeralKey: Uint8Array, hubKey: Uint8Array) {
  const secret = sharedSecret(privateKey, publicKey);
  if (secret === undefined) return undefined;
  const [chain, seal] = derive(hash(protocol, hubKey, ephemeralKey), secret, 2);
  return chain === undefined || seal === undefined ? undefined : { chain, seal };
}

/** Of the request, and of the answer to it. */
function macsOf(chain: Uint8Array, mutual: Uint8Array, request: Uint8Array, exporter: Uint8Array) {
  const [mac, answer] = derive(hash(chain, request.subarray(0, macAt), exporter), mutual, 2);
  return [mac as Uint8Array, answer as Uint8Array] as const;
}
