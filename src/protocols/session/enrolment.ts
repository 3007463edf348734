/**
 * The side of a machine that was invited (docs/wire-format.md, ENROL): a handshake under the keys of its invitation, HELLO, and the question.
 * What it is told is for whoever asks. No I/O, no clock.
 *
 * ```
 * calling ──response──► greeting ──HELLO of the hub──► asking ──answer──► done
 *    ▲                     │                              │
 *    └─── said often enough, and nothing came ────────────┘
 * ```
 */

import { capability } from '../../contract/frames.ts';
import { HandshakeKey } from '../../crypto/handshake-key.ts';
import { chacha20poly1305, nonceBytes, type Primitives, tagBytes } from '../../crypto/primitives.ts';
import { controlFrameCheckLength, helloBytes, helloCapabilities, helloEmit } from '../../wire/control-frame.ts';
import { enrolAsk, enrolCheckLength, enrolIsAnswer, enrolKey, enrolMostBytes } from '../../wire/enrol-frame.ts';
import {
  cookieReplyBytes,
  dataHeaderBytes,
  dataHeaderEmit,
  handshakeType,
  initiationBytes,
  messageType,
  responseReceiver,
  wireguardCounter,
  wireguardReceiver,
  wireguardSetType,
} from '../../wire/wireguard.ts';
import { CookieJar } from './cookies.ts';
import { type Derived, Initiation, LocalIdentity, RemoteIdentity } from './handshake.ts';

/** Between two of the same message; an initiation is repeated more rarely, since a hub under load answers with a cookie. */
const spacingUs = 1_000_000;
const callSpacingUs = 1_500_000;
const mostSame = 4;
const blockBytes = 16;

export interface EnrolmentParts {
  readonly primitives: Primitives;
  /** Raw, of the invitation. */
  readonly privateKey: Uint8Array;
  readonly presharedKey: Uint8Array;
  readonly hubKey: Uint8Array;
  /** That the client will have. */
  readonly ownKey: Uint8Array;
  /** Of 32 bits, at random, for each handshake. */
  readonly nextIndex: () => number;
}

export type EnrolmentState = 'calling' | 'greeting' | 'asking' | 'done';

export class Enrolment {
  readonly #parts: EnrolmentParts;
  readonly #local: LocalIdentity;
  readonly #hub: RemoteIdentity;
  readonly #jar: CookieJar;
  #state: EnrolmentState = 'calling';
  #initiation: Initiation | undefined;
  #derived: Derived | undefined;
  #localIndex = 0;
  #counter = 0;
  #said = 0;
  #dueUs = Number.NEGATIVE_INFINITY;
  #answer: Uint8Array | undefined;
  /** The hub has said HELLO, and that it answers no ENROL. */
  isTooOld = false;

  constructor(parts: EnrolmentParts) {
    const { primitives, privateKey, presharedKey, hubKey } = parts;
    this.#parts = parts;
    this.#local = new LocalIdentity(primitives, privateKey);
    this.#hub = new RemoteIdentity(this.#local, hubKey, presharedKey);
    this.#jar = new CookieJar(primitives, hubKey);
  }

  get state(): EnrolmentState {
    return this.#state;
  }

  /** The ENROL frame that came back; undefined while none has. */
  get answer(): Uint8Array | undefined {
    return this.#answer;
  }

  /** When `nextMessage` has something. */
  nextUs(): number {
    return this.#state === 'done' ? Number.POSITIVE_INFINITY : this.#dueUs;
  }

  /** What to send at `nowUs`; undefined = nothing yet. `stampUs`: CLOCK_REALTIME in microseconds, later than that of each call before. */
  nextMessage(nowUs: number, stampUs: number): Uint8Array | undefined {
    if (nowUs < this.nextUs() || this.#state === 'done') return undefined;
    if (this.#state !== 'calling' && this.#said >= mostSame) this.#enter('calling');
    this.#said += 1;
    this.#dueUs = nowUs + (this.#state === 'calling' ? callSpacingUs : spacingUs);
    if (this.#state === 'calling') return this.#call(nowUs, stampUs);
    return this.#seal(this.#state === 'greeting' ? hello() : enrolAsk(this.#parts.ownKey));
  }

  /** A copy of what `nextMessage` gave, that shows another type (an obfuscation); the macs of an initiation cover it. */
  retyped(message: Uint8Array, type: number, nowUs: number): Uint8Array {
    const copy = Uint8Array.from(message);
    wireguardSetType(copy, 0, type);
    if (copy.length === initiationBytes) this.#jar.addMacs(copy, nowUs);
    return copy;
  }

  /** A datagram that came from anywhere, whatever its type field says. True when it is the hub's and says something new. */
  handleMessage(message: Uint8Array, nowUs: number): boolean {
    const type = handshakeType(message.length);
    if (type === messageType.response && this.#handleResponse(message)) return true;
    if (message.length === cookieReplyBytes && this.#handleCookie(message, nowUs)) return true;
    return this.#handleData(message);
  }

  #enter(state: EnrolmentState): void {
    this.#state = state;
    this.#said = 0;
    this.#dueUs = Number.NEGATIVE_INFINITY;
  }

  #call(nowUs: number, stampUs: number): Uint8Array | undefined {
    this.#initiation?.clear();
    this.#localIndex = this.#parts.nextIndex();
    const ephemeral = new HandshakeKey(this.#parts.primitives);
    this.#initiation = Initiation.create(this.#local, this.#hub, this.#localIndex, ephemeral, stampUs);
    if (this.#initiation === undefined) return undefined;
    this.#jar.addMacs(this.#initiation.message, nowUs);
    return this.#initiation.message;
  }

  #handleResponse(message: Uint8Array): boolean {
    if (this.#state !== 'calling' || responseReceiver(message, 0) !== this.#localIndex) return false;
    const derived = this.#initiation?.handleResponse(message);
    if (derived === undefined) return false;
    this.#derived = derived;
    this.#initiation = undefined;
    this.#counter = 0;
    this.#enter('greeting');
    return true;
  }

  /** The hub is under load, and wants to see that we are where we say: the next call shows it. */
  #handleCookie(message: Uint8Array, nowUs: number): boolean {
    if (this.#state !== 'calling' || wireguardReceiver(message, 0) !== this.#localIndex) return false;
    if (!this.#jar.handleReply(message, nowUs)) return false;
    this.#dueUs = Number.NEGATIVE_INFINITY;
    return true;
  }

  #handleData(message: Uint8Array): boolean {
    const frame = this.#open(message);
    if (frame === undefined) return false;
    if (this.#state === 'greeting' && controlFrameCheckLength(frame, 0, frame.length)) {
      this.isTooOld = (helloCapabilities(frame, 0) & capability.enrol) === 0;
      this.#enter('asking');
      return true;
    }
    if (this.#state !== 'asking' || !enrolCheckLength(frame, 0, frame.length) || !enrolIsAnswer(frame, 0)) return false;
    // Another machine may ask with the same invitation.
    if (!isSame(enrolKey(frame, 0), this.#parts.ownKey)) return false;
    this.#answer = frame;
    this.#state = 'done';
    return true;
  }

  /** Control frames alone: a hub has nothing else for us. */
  #open(message: Uint8Array): Uint8Array | undefined {
    const length = message.length - dataHeaderBytes - tagBytes;
    if (this.#derived === undefined || length < helloBytes || length > enrolMostBytes + blockBytes) return undefined;
    if (wireguardReceiver(message, 0) !== this.#localIndex) return undefined;
    const plain = new Uint8Array(length);
    const nonce = nonceOf(wireguardCounter(message, 0));
    const sealed = message.subarray(dataHeaderBytes);
    const { primitives } = this.#parts;
    const opened = primitives.aeadOpen(chacha20poly1305, this.#derived.keys.receive, nonce, nothing, sealed, plain);
    return opened === length && plain[0] === 0 ? plain : undefined;
  }

  #seal(frame: Uint8Array): Uint8Array | undefined {
    const derived = this.#derived;
    if (derived === undefined) return undefined;
    const plain = new Uint8Array(Math.ceil(frame.length / blockBytes) * blockBytes);
    plain.set(frame);
    const message = new Uint8Array(dataHeaderBytes + plain.length + tagBytes);
    dataHeaderEmit(message, 0, { receiver: derived.remoteIndex, counter: this.#counter });
    const target = message.subarray(dataHeaderBytes);
    this.#parts.primitives.aeadSeal(
      chacha20poly1305,
      derived.keys.send,
      nonceOf(this.#counter),
      nothing,
      plain,
      target,
    );
    this.#counter += 1;
    return message;
  }
}

const nothing = new Uint8Array(0);

function hello(): Uint8Array {
  const bytes = new Uint8Array(helloBytes);
  helloEmit(bytes, 0, { hasHeard: false, capabilities: capability.controlFrames, aesIndex: 0 });
  return bytes;
}

/** WireGuard whitepaper 5.4.6: four bytes of zeros, and the counter. */
function nonceOf(counter: number): Uint8Array {
  const nonce = new Uint8Array(nonceBytes);
  new DataView(nonce.buffer).setUint32(4, counter >>> 0, true);
  new DataView(nonce.buffer).setUint32(8, Math.floor(counter / 2 ** 32), true);
  return nonce;
}

function isSame(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && one.every((byte, index) => byte === other[index]);
}
