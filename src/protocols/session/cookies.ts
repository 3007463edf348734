/**
 * mac1, mac2 and cookies (WireGuard whitepaper 5.3): `CookieChecker` guards this daemon's X25519 against floods,
 * `CookieJar` adds the macs to what is sent to one peer, with the cookie that peer asked us to show.
 */
import { keyedMac, MacKeys, macLength, macsEqual } from '../../crypto/macs.ts';
import type { Primitives } from '../../crypto/primitives.ts';
import {
  cookieReplyBytes,
  cookieReplyEmit,
  wireguardCookie,
  wireguardCookieNonce,
  wireguardMac1At,
  wireguardMac2At,
  wireguardSender,
} from '../../wire/wireguard.ts';
import { TokenBucket } from './token-bucket.ts';

/** Whitepaper 5.3: the secret behind the cookies, and so every cookie, lives two minutes. */
const secretLifeUs = 120_000_000;
const xNonceBytes = 24;
const secretBytes = 32;
/** Random bytes that `nextReply` needs. */
export const replyRandomBytes = secretBytes + xNonceBytes;

/**
 * More handshake messages than this in a window of 200 ms that lead to nothing count as load: a twentieth of what one core can read. Those
 * that lead to a session do not, however many: when thousands come back at once after a restart of ours, a cookie costs each of them 5 s.
 */
const loadWindowUs = 200_000;
const loadMessages = 100;
/** How long load is assumed once it was seen (wireguard-go, device/constants.go). */
const underLoadUs = 1_000_000;

/**
 * Most replies of all, in bytes and CPU: with headers they are 1.5 Mbit/s to addresses that may be forged, and they take a few
 * per cent of a core. Under a flood beyond that a true peer gets its share by chance, and tries again after 5 s.
 */
const repliesPerSecond = 2000;
/** At once: an office that comes back after a power cut is served without a wait. */
const replyBurst = 400;

export class CookieChecker {
  readonly #primitives: Primitives;
  readonly #keys: MacKeys;
  /** Views into the buffers that messages come in: under a flood the caller uses the same few again and again. */
  readonly #parts = new WeakMap<Uint8Array, { covered: Uint8Array; mac1: Uint8Array }>();
  #secret: Uint8Array | undefined;
  #secretSinceUs = 0;
  #windowSinceUs = 0;
  #useless = 0;
  #loadUntilUs = Number.NEGATIVE_INFINITY;
  readonly #replies = new TokenBucket({ perSecond: repliesPerSecond, burst: replyBurst });

  /** `publicKey`: this daemon's. */
  constructor(primitives: Primitives, publicKey: Uint8Array) {
    this.#primitives = primitives;
    this.#keys = new MacKeys(primitives, publicKey);
  }

  isUnderLoad(nowUs: number): boolean {
    return nowUs < this.#loadUntilUs;
  }

  /** Counts a message with a good mac1 that led to no session: whoever knows our public key can write such. */
  handleUseless(nowUs: number): void {
    if (nowUs - this.#windowSinceUs >= loadWindowUs) {
      this.#windowSinceUs = nowUs;
      this.#useless = 0;
    }
    this.#useless += 1;
    if (this.#useless > loadMessages) this.#loadUntilUs = nowUs + underLoadUs;
  }

  /** Whether whoever wrote an initiation or response knows our public key. Nothing is done for a message without. */
  hasMac1(message: Uint8Array): boolean {
    let parts = this.#parts.get(message);
    if (parts === undefined) {
      const at = wireguardMac1At(message.length);
      parts = { covered: message.subarray(0, at), mac1: message.subarray(at, at + macLength) };
      this.#parts.set(message, parts);
    }
    return this.#keys.hasMac1(parts.covered, parts.mac1);
  }

  /** Whether the sender can receive at `source` (any bytes that name address and port): it shows the cookie sent there. */
  hasMac2(message: Uint8Array, source: Uint8Array, nowUs: number): boolean {
    if (this.#secret === undefined || nowUs - this.#secretSinceUs >= secretLifeUs) return false;
    const at = wireguardMac2At(message.length);
    // Who was never given a cookie shows zeros (whitepaper 5.4.4): a flood's messages cost no hash here.
    if (message.subarray(at).every((byte) => byte === 0)) return false;
    const mac = keyedMac(this.#primitives, this.#cookieFor(this.#secret, source), message.subarray(0, at));
    return macsEqual(mac, message.subarray(at, at + macLength));
  }

  /** Whether one more reply may be sent now, of those to all the world. */
  mayReply(nowUs: number): boolean {
    return this.#replies.take(nowUs);
  }

  /** The cookie reply to a message that came from `source`, after `mayReply`. `random`: `replyRandomBytes` of them. */
  nextReply(message: Uint8Array, source: Uint8Array, nowUs: number, random: Uint8Array): Uint8Array | undefined {
    if (this.#secret === undefined || nowUs - this.#secretSinceUs >= secretLifeUs) {
      this.#secret = Uint8Array.from(random.subarray(0, secretBytes));
      this.#secretSinceUs = nowUs;
    }
    const mac1At = wireguardMac1At(message.length);
    const nonce = random.subarray(secretBytes, replyRandomBytes);
    const mac1 = message.subarray(mac1At, mac1At + macLength);
    const cookie = this.#keys.sealCookie(this.#cookieFor(this.#secret, source), nonce, mac1);
    if (cookie === undefined) return undefined;
    const reply = new Uint8Array(cookieReplyBytes);
    cookieReplyEmit(reply, 0, { receiver: wireguardSender(message, 0), nonce, cookie });
    return reply;
  }

  #cookieFor(secret: Uint8Array, source: Uint8Array): Uint8Array {
    return keyedMac(this.#primitives, secret, source);
  }
}

export class CookieJar {
  readonly #primitives: Primitives;
  readonly #keys: MacKeys;
  #cookie: Uint8Array | undefined;
  #cookieSinceUs = 0;
  #lastMac1: Uint8Array | undefined;

  /** `publicKey`: the peer's. */
  constructor(primitives: Primitives, publicKey: Uint8Array) {
    this.#primitives = primitives;
    this.#keys = new MacKeys(primitives, publicKey);
  }

  /** Writes the last 32 bytes of an initiation or response. */
  addMacs(message: Uint8Array, nowUs: number): void {
    const mac1At = wireguardMac1At(message.length);
    const mac2At = wireguardMac2At(message.length);
    this.#lastMac1 = this.#keys.mac1(message.subarray(0, mac1At));
    message.set(this.#lastMac1, mac1At);
    const isFresh = this.#cookie !== undefined && nowUs - this.#cookieSinceUs < secretLifeUs;
    if (isFresh && this.#cookie !== undefined) {
      message.set(keyedMac(this.#primitives, this.#cookie, message.subarray(0, mac2At)), mac2At);
    } else {
      message.fill(0, mac2At);
    }
  }

  /** Keeps the cookie of a reply to our last message; false when it is not one. */
  handleReply(reply: Uint8Array, nowUs: number): boolean {
    if (this.#lastMac1 === undefined) return false;
    const cookie = this.#keys.openCookie(wireguardCookie(reply, 0), wireguardCookieNonce(reply, 0), this.#lastMac1);
    if (cookie === undefined) return false;
    this.#cookie = cookie;
    this.#cookieSinceUs = nowUs;
    return true;
  }
}
