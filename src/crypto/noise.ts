/**
 * Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s (Noise revision 34) as two machines, one a role, without I/O, clock or chance.
 *
 * ```
 *   <- s                          known before
 *   -> e, es, s, ss   payload     NoiseInitiator.writeInitiation   NoiseResponder.readStatic, readPayload
 *   <- e, ee, se, psk payload     NoiseInitiator.readResponse      NoiseResponder.writeResponse
 * ```
 * Reading returns undefined for what does not authenticate. An initiator may then read another response; a responder is spent.
 */
import { assert } from '../base/assert.ts';
import type { HandshakeKey } from './handshake-key.ts';
import { chacha20poly1305, keyBytes, nonceBytes, type Primitives, tagBytes } from './primitives.ts';

const protocolName = new TextEncoder().encode('Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s');
const nothing = new Uint8Array(0);
/** Every key of this handshake seals once. */
const zeroNonce = new Uint8Array(nonceBytes);

/** Chaining key and hash: all that the two machines carry from token to token. */
class SymmetricState {
  readonly #primitives: Primitives;
  #chainingKey: Uint8Array;
  #hash: Uint8Array;
  #key: Uint8Array = nothing;

  constructor(primitives: Primitives, prologue: Uint8Array) {
    this.#primitives = primitives;
    this.#chainingKey = hashOf(primitives, protocolName, nothing);
    this.#hash = hashOf(primitives, this.#chainingKey, prologue);
  }

  clone(): SymmetricState {
    const copy = new SymmetricState(this.#primitives, nothing);
    copy.#chainingKey = Uint8Array.from(this.#chainingKey);
    copy.#hash = Uint8Array.from(this.#hash);
    copy.#key = Uint8Array.from(this.#key);
    return copy;
  }

  get handshakeHash(): Uint8Array {
    return this.#hash;
  }

  mixHash(data: Uint8Array): void {
    this.#hash = hashOf(this.#primitives, this.#hash, data);
  }

  mixKey(input: Uint8Array): void {
    const [chainingKey, key] = this.#derive(input, 2) as [Uint8Array, Uint8Array];
    this.#replace(chainingKey, key);
  }

  mixKeyAndHash(input: Uint8Array): void {
    const [chainingKey, mixed, key] = this.#derive(input, 3) as [Uint8Array, Uint8Array, Uint8Array];
    this.mixHash(mixed);
    this.#replace(chainingKey, key);
  }

  /** Mixes in an ephemeral public key, also into the chaining key as every psk pattern does (Noise 9.2). */
  mixEphemeral(publicKey: Uint8Array): void {
    this.mixHash(publicKey);
    this.mixKey(publicKey);
  }

  sealAndHash(plaintext: Uint8Array, target: Uint8Array): void {
    const length = this.#primitives.aeadSeal(chacha20poly1305, this.#key, zeroNonce, this.#hash, plaintext, target);
    assert(length === plaintext.length + tagBytes, `aeadSeal returned ${length}`);
    this.mixHash(target.subarray(0, length));
  }

  openAndHash(sealed: Uint8Array): Uint8Array | undefined {
    if (sealed.length < tagBytes) return undefined;
    const plaintext = new Uint8Array(sealed.length - tagBytes);
    const length = this.#primitives.aeadOpen(chacha20poly1305, this.#key, zeroNonce, this.#hash, sealed, plaintext);
    if (length !== plaintext.length) return undefined;
    this.mixHash(sealed);
    return plaintext;
  }

  /** Outputs bound to the finished handshake: with no label Noise's own Split, else keys of another purpose. */
  split(label: Uint8Array): [Uint8Array, Uint8Array] {
    return this.#derive(label, 2) as [Uint8Array, Uint8Array];
  }

  /** HKDF (4.3): `count` outputs, each in memory of its own, so that each can be overwritten by itself. */
  #derive(input: Uint8Array, count: number): Uint8Array[] {
    const outputs = new Uint8Array(count * keyBytes);
    const length = this.#primitives.blake2sHkdf(this.#chainingKey, input, outputs);
    assert(length === outputs.length, `blake2sHkdf returned ${length}`);
    const each = Array.from({ length: count }, (_, index) => outputs.slice(index * keyBytes, (index + 1) * keyBytes));
    outputs.fill(0);
    return each;
  }

  clear(): void {
    this.#chainingKey.fill(0);
    this.#key.fill(0);
  }

  #replace(chainingKey: Uint8Array, key: Uint8Array): void {
    this.clear();
    this.#chainingKey = chainingKey;
    this.#key = key;
  }
}

function hashOf(primitives: Primitives, first: Uint8Array, second: Uint8Array): Uint8Array {
  const target = new Uint8Array(keyBytes);
  const length = primitives.blake2s256(first, second, target);
  assert(length === keyBytes, `blake2s256 returned ${length}`);
  return target;
}

/** Keys of a finished handshake; the initiator sends under the first of each pair. */
export interface HandshakeResult {
  readonly handshakeHash: Uint8Array;
  split(label?: Uint8Array): [Uint8Array, Uint8Array];
  /** Overwrites what the keys were made of. */
  clear(): void;
}

function resultOf(state: SymmetricState): HandshakeResult {
  return {
    handshakeHash: state.handshakeHash,
    split: (label = nothing) => state.split(label),
    clear: () => state.clear(),
  };
}

/** The static key pair and what never changes with one remote static key. */
export interface NoiseSettings {
  readonly primitives: Primitives;
  readonly identity: HandshakeKey;
  readonly prologue: Uint8Array;
}

/**
 * The peer's static key. What is made of it is made when a handshake first needs it: most of a hub's peers are elsewhere.
 */
export class RemoteStatic {
  readonly publicKey: Uint8Array;
  readonly #identity: HandshakeKey;
  #staticSecret: { readonly bytes: Uint8Array | undefined } | undefined;

  constructor(identity: HandshakeKey, publicKey: Uint8Array) {
    this.publicKey = Uint8Array.from(publicKey);
    this.#identity = identity;
  }

  /** The secret of both static keys; undefined when the peer's is of low order. */
  get staticSecret(): Uint8Array | undefined {
    this.#staticSecret ??= { bytes: this.#identity.derive(this.publicKey) };
    return this.#staticSecret.bytes;
  }
}

export class NoiseInitiator {
  readonly #settings: NoiseSettings;
  readonly #remote: RemoteStatic;
  #state: SymmetricState;
  #ephemeral: HandshakeKey | undefined;

  constructor(settings: NoiseSettings, remote: RemoteStatic) {
    this.#settings = settings;
    this.#remote = remote;
    this.#state = new SymmetricState(settings.primitives, settings.prologue);
    this.#state.mixHash(remote.publicKey);
  }

  /** Writes ephemeral (32), sealed static (48) and sealed payload at the start of `target`. False for a low-order remote key. */
  writeInitiation(ephemeral: HandshakeKey, payload: Uint8Array, target: Uint8Array): boolean {
    assert(this.#ephemeral === undefined, 'an initiator writes one initiation');
    const { identity } = this.#settings;
    const secret = ephemeral.derive(this.#remote.publicKey);
    if (secret === undefined || this.#remote.staticSecret === undefined) return false;
    this.#ephemeral = ephemeral;
    target.set(ephemeral.publicKey, 0);
    this.#state.mixEphemeral(ephemeral.publicKey);
    this.#state.mixKey(secret);
    secret.fill(0);
    this.#state.sealAndHash(identity.publicKey, target.subarray(keyBytes));
    this.#state.mixKey(this.#remote.staticSecret);
    this.#state.sealAndHash(payload, target.subarray(2 * keyBytes + tagBytes));
    return true;
  }

  /** Reads ephemeral (32) and sealed payload. On success the handshake is finished and `result` holds its keys. */
  readResponse(
    message: Uint8Array,
    presharedKey: Uint8Array,
  ): { payload: Uint8Array; result: HandshakeResult } | undefined {
    if (this.#ephemeral === undefined || message.length < keyBytes + tagBytes) return undefined;
    const remoteEphemeral = message.subarray(0, keyBytes);
    const ephemeralSecret = this.#ephemeral.derive(remoteEphemeral);
    const staticSecret = this.#settings.identity.derive(remoteEphemeral);
    if (ephemeralSecret === undefined || staticSecret === undefined) return undefined;
    const state = this.#state.clone();
    state.mixEphemeral(remoteEphemeral);
    state.mixKey(ephemeralSecret);
    state.mixKey(staticSecret);
    ephemeralSecret.fill(0);
    staticSecret.fill(0);
    state.mixKeyAndHash(presharedKey);
    const payload = state.openAndHash(message.subarray(keyBytes));
    if (payload === undefined) {
      state.clear();
      return undefined;
    }
    this.clear();
    return { payload, result: resultOf(state) };
  }

  /** Overwrites what secrets it holds; it reads nothing afterwards. */
  clear(): void {
    this.#state.clear();
    this.#ephemeral?.clear();
    this.#ephemeral = undefined;
  }
}

export class NoiseResponder {
  readonly #state: SymmetricState;
  #remoteEphemeral: Uint8Array = nothing;

  constructor(settings: NoiseSettings) {
    this.#state = new SymmetricState(settings.primitives, settings.prologue);
    this.#state.mixHash(settings.identity.publicKey);
  }

  /** The initiator's static key. `secret` is X25519(our static, the message's ephemeral): the one costly step, done by the caller. */
  readStatic(message: Uint8Array, secret: Uint8Array): Uint8Array | undefined {
    if (message.length < 2 * keyBytes + 2 * tagBytes) return undefined;
    this.#remoteEphemeral = Uint8Array.from(message.subarray(0, keyBytes));
    this.#state.mixEphemeral(this.#remoteEphemeral);
    this.#state.mixKey(secret);
    return this.#state.openAndHash(message.subarray(keyBytes, 2 * keyBytes + tagBytes));
  }

  /** The payload, which proves that the initiator owns the static key `readStatic` returned. */
  readPayload(message: Uint8Array, remote: RemoteStatic): Uint8Array | undefined {
    if (remote.staticSecret === undefined) return undefined;
    this.#state.mixKey(remote.staticSecret);
    return this.#state.openAndHash(message.subarray(2 * keyBytes + tagBytes));
  }

  /**
   * Writes ephemeral (32) and sealed payload at the start of `target`; undefined when the initiator's keys are of low order. The ephemeral key has
   * served then, and is overwritten.
   */
  writeResponse(
    ephemeral: HandshakeKey,
    remote: RemoteStatic,
    presharedKey: Uint8Array,
    payload: Uint8Array,
    target: Uint8Array,
  ): HandshakeResult | undefined {
    const ephemeralSecret = ephemeral.derive(this.#remoteEphemeral);
    const staticSecret = ephemeral.derive(remote.publicKey);
    ephemeral.clear();
    if (ephemeralSecret === undefined || staticSecret === undefined) return undefined;
    target.set(ephemeral.publicKey, 0);
    this.#state.mixEphemeral(ephemeral.publicKey);
    this.#state.mixKey(ephemeralSecret);
    this.#state.mixKey(staticSecret);
    ephemeralSecret.fill(0);
    staticSecret.fill(0);
    this.#state.mixKeyAndHash(presharedKey);
    this.#state.sealAndHash(payload, target.subarray(keyBytes));
    return resultOf(this.#state);
  }

  clear(): void {
    this.#state.clear();
  }
}
