/**
 * Which handshake messages are read at all: those of somebody who knows our public key, and under load of those who can receive where they write
 * from, and are not too many there (whitepaper 5.3, 5.4.4, 5.4.7).
 */
import type { Primitives } from '../../crypto/primitives.ts';
import { AddressLimiter } from '../../protocols/session/address-limiter.ts';
import { CookieChecker, replyRandomBytes } from '../../protocols/session/cookies.ts';
import { canWear } from '../../rings/carriers.ts';
import { sessionManagerCounters as counted } from '../../rings/counter-names.ts';
import { namedEndpointIs } from '../../wire/named-endpoint.ts';
import { sockaddrLength } from '../../wire/sockaddr.ts';
import { handshakeType, messageType } from '../../wire/wireguard.ts';
import { customerOf } from './crowds.ts';
import { chooseType } from './handshake-wear.ts';
import type { Outbox } from './outbox.ts';
import type { Route } from './path-book.ts';
import type { PeerBook } from './peer-book.ts';
import { RandomPool } from './random-pool.ts';
import type { Refusals } from './refusals.ts';

/** What became of messages that anybody can write who knows our public key. */
const useless = new Set<number>([
  counted.forged,
  counted.replayed,
  counted.unknownKey,
  counted.otherObfuscation,
  counted.cookies,
  counted.limited,
]);

export interface HandshakeGateParts {
  readonly primitives: Primitives;
  /** Our own. */
  readonly publicKey: Uint8Array;
  readonly peers: PeerBook;
  readonly outbox: Outbox;
  readonly count: (counter: number) => void;
  readonly refusals: Refusals;
}

export class HandshakeGate {
  readonly #parts: HandshakeGateParts;
  readonly #checker: CookieChecker;
  readonly #limiter = new AddressLimiter();
  readonly #random = new RandomPool();

  constructor(parts: HandshakeGateParts) {
    this.#parts = parts;
    this.#checker = new CookieChecker(parts.primitives, parts.publicKey);
  }

  /** Whether a datagram, from wherever `from` says, is a handshake message of somebody who knows our public key: most of a flood ends here. */
  isWorthReading(message: Uint8Array, from: () => Route, nowUs: number): boolean {
    const { count, refusals } = this.#parts;
    const type = handshakeType(message.length);
    if (type === undefined) count(counted.malformed);
    if (type === undefined || type === messageType.cookieReply) return type !== undefined;
    if (this.#checker.hasMac1(message)) return true;
    count(counted.badMac1);
    refusals.ofStranger('otherHub', from, nowUs);
    return false;
  }

  isUnderLoad(nowUs: number): boolean {
    return this.#checker.isUnderLoad(nowUs);
  }

  /** What came of a message: many that lead to nothing are load. */
  noteOutcome(outcome: number, nowUs: number): void {
    this.#parts.count(outcome);
    if (useless.has(outcome)) this.#checker.handleUseless(nowUs);
  }

  /** Under load: why it is not read, one of `sessionManagerCounters`; undefined = it is. Only those are served who can receive at the address they write from, and are not too many there. */
  refuse(route: Route, message: Uint8Array, nowUs: number): number | undefined {
    const { peers, outbox, refusals } = this.#parts;
    const wear = route.wear ?? 0;
    // Nobody who is anybody here comes like that; an answer would tell that somebody listens.
    if (canWear(route.transport) && !peers.wears.has(wear)) return counted.otherObfuscation;
    refusals.ofStranger('underLoad', () => route, nowUs);
    const source = sourceOf(route.endpoint);
    if (!this.#checker.hasMac2(message, source, nowUs)) {
      if (!this.#checker.mayReply(nowUs)) return counted.limited;
      const reply = this.#checker.nextReply(message, source, nowUs, this.#random.take(replyRandomBytes));
      const worn = canWear(route.transport) ? peers.wears.get(wear) : undefined;
      if (reply !== undefined && worn !== undefined) chooseType(reply, worn, messageType.cookieReply);
      if (reply !== undefined) outbox.answer(route, reply, worn?.id ?? 0);
      return counted.cookies;
    }
    const address = customerOf(route.endpoint);
    return this.#limiter.isAllowed(address, nowUs) ? undefined : counted.limited;
  }
}

/** What a cookie is made for. A name is one that we call: nobody else comes from there. */
function sourceOf(endpoint: Uint8Array): Uint8Array {
  return namedEndpointIs(endpoint) ? endpoint : endpoint.subarray(0, sockaddrLength(endpoint, 0));
}
