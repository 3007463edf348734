/**
 * WireGuard's handshake messages without macs: Noise_IKpsk2 (crypto/noise.ts) inside the frames of wire/wireguard.ts. An
 * initiator of ours lives from its initiation to the response; a responder only while it answers one initiation.
 */
import { HandshakeKey } from '../../crypto/handshake-key.ts';
import { deriveSessionKeys, type SessionKeys } from '../../crypto/key-schedule.ts';
import { NoiseInitiator, NoiseResponder, type NoiseSettings, RemoteStatic } from '../../crypto/noise.ts';
import type { Primitives } from '../../crypto/primitives.ts';
import { tai64nBytes, tai64nEmit } from '../../crypto/tai64n.ts';
import {
  initiationBytes,
  initiationEmit,
  initiationNoiseAt,
  initiationNoiseEnd,
  responseBytes,
  responseEmit,
  responseNoiseAt,
  responseNoiseEnd,
  wireguardSender,
} from '../../wire/wireguard.ts';

/** WireGuard whitepaper 5.4: the "identifier" that every handshake hash begins with. */
const prologue = new TextEncoder().encode('WireGuard v1 zx2c4 Jason@zx2c4.com');
const ephemeralAt = initiationNoiseAt;
const ephemeralEnd = ephemeralAt + 32;

/** What one daemon brings to every handshake. */
export class LocalIdentity {
  readonly noise: NoiseSettings;
  readonly key: HandshakeKey;

  constructor(primitives: Primitives, privateKey: Uint8Array) {
    this.key = new HandshakeKey(primitives, privateKey);
    this.noise = { primitives, identity: this.key, prologue };
  }
}

/** What is fixed for one peer. */
export class RemoteIdentity {
  readonly remote: RemoteStatic;
  readonly presharedKey: Uint8Array;

  /** `presharedKey`: 32 bytes; zeros when there is none (whitepaper 5.4). */
  constructor(local: LocalIdentity, publicKey: Uint8Array, presharedKey: Uint8Array) {
    this.remote = new RemoteStatic(local.key, publicKey);
    this.presharedKey = presharedKey;
  }
}

/** A finished handshake. */
export interface Derived {
  readonly keys: SessionKeys;
  /** Index the peer wants to be addressed by. */
  readonly remoteIndex: number;
}

/** Our side of a handshake that we began. */
export class Initiation {
  readonly message = new Uint8Array(initiationBytes);
  readonly localIndex: number;
  readonly #noise: NoiseInitiator;
  readonly #peer: RemoteIdentity;

  private constructor(noise: NoiseInitiator, peer: RemoteIdentity, localIndex: number) {
    this.#noise = noise;
    this.#peer = peer;
    this.localIndex = localIndex;
  }

  /** `ephemeral`: for this handshake alone. `stampUs`: see `nextStampUs`. undefined when the peer's key can serve nobody. */
  static create(
    local: LocalIdentity,
    peer: RemoteIdentity,
    localIndex: number,
    ephemeral: HandshakeKey,
    stampUs: number,
  ): Initiation | undefined {
    const noise = new NoiseInitiator(local.noise, peer.remote);
    const initiation = new Initiation(noise, peer, localIndex);
    const timestamp = new Uint8Array(tai64nBytes);
    tai64nEmit(timestamp, 0, stampUs);
    initiationEmit(initiation.message, 0, { sender: localIndex });
    const target = initiation.message.subarray(initiationNoiseAt, initiationNoiseEnd);
    return noise.writeInitiation(ephemeral, timestamp, target) ? initiation : undefined;
  }

  /** The session, or undefined when the response is not the answer to this initiation. */
  handleResponse(message: Uint8Array): Derived | undefined {
    const finished = this.#noise.readResponse(
      message.subarray(responseNoiseAt, responseNoiseEnd),
      this.#peer.presharedKey,
    );
    if (finished === undefined) return undefined;
    return { keys: deriveSessionKeys(finished.result, true), remoteIndex: wireguardSender(message, 0) };
  }

  clear(): void {
    this.#noise.clear();
  }
}

/** The one costly step of reading an initiation: X25519 of our static key with its ephemeral; undefined for a low-order one. */
export function initiationSecret(local: LocalIdentity, message: Uint8Array): Uint8Array | undefined {
  return local.key.derive(message.subarray(ephemeralAt, ephemeralEnd));
}

/** The peer's side of a handshake: an initiation that we read, step by step as it proves more of itself. */
export class IncomingInitiation {
  /** The static key the initiator claims. */
  readonly publicKey: Uint8Array;
  readonly remoteIndex: number;
  readonly #noise: NoiseResponder;
  readonly #noiseMessage: Uint8Array;

  private constructor(noise: NoiseResponder, message: Uint8Array, publicKey: Uint8Array) {
    this.#noise = noise;
    this.#noiseMessage = Uint8Array.from(message.subarray(initiationNoiseAt, initiationNoiseEnd));
    this.publicKey = publicKey;
    this.remoteIndex = wireguardSender(message, 0);
  }

  /** `secret`: of `initiationSecret`, overwritten here. undefined when the message is not for us. */
  static read(local: LocalIdentity, message: Uint8Array, secret: Uint8Array): IncomingInitiation | undefined {
    const noise = new NoiseResponder(local.noise);
    const publicKey = noise.readStatic(message.subarray(initiationNoiseAt, initiationNoiseEnd), secret);
    secret.fill(0);
    return publicKey === undefined ? undefined : new IncomingInitiation(noise, message, publicKey);
  }

  /** The TAI64N timestamp, which proves that the initiator owns its static key; undefined when it does not. */
  authenticate(peer: RemoteIdentity): Uint8Array | undefined {
    const payload = this.#noise.readPayload(this.#noiseMessage, peer.remote);
    return payload?.length === tai64nBytes ? payload : undefined;
  }

  /** The response without macs, and the session it begins. */
  respond(
    peer: RemoteIdentity,
    localIndex: number,
    ephemeral: HandshakeKey,
  ): { message: Uint8Array; derived: Derived } | undefined {
    const message = new Uint8Array(responseBytes);
    responseEmit(message, 0, { sender: localIndex, receiver: this.remoteIndex });
    const target = message.subarray(responseNoiseAt, responseNoiseEnd);
    const result = this.#noise.writeResponse(ephemeral, peer.remote, peer.presharedKey, new Uint8Array(0), target);
    if (result === undefined) return undefined;
    return { message, derived: { keys: deriveSessionKeys(result, false), remoteIndex: this.remoteIndex } };
  }

  clear(): void {
    this.#noise.clear();
  }
}
