/**
 * Begins handshakes and answers them. What is not authentic is met with silence: mac1 before any X25519, under load a cookie
 * before it, and nothing is said to a static key that is no peer.
 */
import { randomInt } from 'node:crypto';
import { HandshakeKey } from '../../crypto/handshake-key.ts';
import type { Primitives } from '../../crypto/primitives.ts';
import {
  type Derived,
  IncomingInitiation,
  Initiation,
  initiationSecret,
  type LocalIdentity,
} from '../../protocols/session/handshake.ts';
import { sessionTimes } from '../../protocols/session/peer-session.ts';
import { sessionManagerCounters as counted } from '../../rings/counter-names.ts';
import { namedEndpointIs } from '../../wire/named-endpoint.ts';
import { sockaddrCheckLength } from '../../wire/sockaddr.ts';
import { handshakeType, messageType, responseReceiver, wireguardReceiver } from '../../wire/wireguard.ts';
import type { AccessDesk, Verdict } from './access-desk.ts';
import { callSpacingUs } from './call-queue.ts';
import type { Crowds } from './crowds.ts';
import { HandshakeGate } from './handshake-gate.ts';
import { chooseType, isWornAsAgreed, wornBy } from './handshake-wear.ts';
import { InitiationStamps } from './initiation-stamps.ts';
import { handshakeTrafficClass, type Outbox } from './outbox.ts';
import type { Route } from './path-book.ts';
import type { Peer, PeerBook } from './peer-book.ts';
import type { Refusals } from './refusals.ts';
import { SessionWaves } from './session-waves.ts';
import type { SlotBook } from './slot-book.ts';
import type { StateFiles } from './state-files.ts';

/** Enough to tell one's own keys apart. */
const fingerprintCharacters = 8;
/** A response, or the packet that would use it, may be lost. */
const mostUnused = 2;
/**
 * Who has waited this long calls again within a second (REKEY-TIMEOUT), and would take no notice of a response to what it said before: when
 * more call than can be served, some are served in time, and nobody in vain.
 */
const lateUs = 4_000_000;

/** Does the X25519 of an initiation elsewhere; calls back in a later turn, with undefined for a low-order key. */
export interface SecretPool {
  /** False when it has too much to do: the message is dropped. */
  offer(message: Uint8Array, done: (secret: Uint8Array | undefined, nowUs: number) => void): boolean;
}

export interface HandshakeDeskParts {
  readonly primitives: Primitives;
  readonly local: LocalIdentity;
  readonly peers: PeerBook;
  readonly slots: SlotBook;
  readonly outbox: Outbox;
  readonly files: StateFiles;
  readonly pool: SecretPool;
  /** CLOCK_REALTIME in microseconds. */
  readonly unixUs: () => number;
  readonly count: (counter: number) => void;
  readonly refusals: Refusals;
  readonly crowds: Crowds;
  readonly access: AccessDesk;
  /** The peer shall be called, now that it may. */
  readonly recall: (peer: Peer) => void;
  /** How many peers wait for their turn to be called. */
  readonly waiting: () => number;
  /** A handshake of the peer has given it new keys, and it is at `route`. */
  readonly onSession: (peer: Peer, slot: number, isInitiator: boolean, route: Route, nowUs: number) => void;
  /** Whether AES-256-GCM may come in. */
  readonly offersAes: (peer: Peer) => boolean;
}

export class HandshakeDesk {
  readonly #parts: HandshakeDeskParts;
  readonly gate: HandshakeGate;
  readonly #stamps: InitiationStamps;
  readonly #waves = new SessionWaves();
  /** Index we chose → whose handshake it is: for responses, and for cookie replies to initiations and responses. */
  readonly #byIndex = new Map<number, Peer>();
  /** Initiations that are not answered. */
  #calling = 0;

  constructor(parts: HandshakeDeskParts) {
    this.#parts = parts;
    this.gate = new HandshakeGate({ ...parts, publicKey: parts.local.key.publicKey });
    this.#stamps = new InitiationStamps(parts);
  }

  /** Sends an initiation: to where the peer was heard just now, or else everywhere it could be. */
  initiate(peer: Peer, nowUs: number): void {
    const { primitives, peers, slots, files, local, waiting } = this.#parts;
    const isRetry = peer.session.isRetry(nowUs);
    const isHeard = nowUs - peers.lastReceivedUs(peer) < sessionTimes.keepaliveUs;
    const isLive = isHeard && !isRetry && !peer.session.isCutOff;
    if (isRetry) peers.forgetLocal(peer);
    const known = peer.settings.refusal === undefined ? peers.candidates(peer) : [];
    const routes = this.#mayCall(peer, known[0], nowUs) ? known : [];
    // Calls that nobody answers are repeated as far apart as first ones are made. Data that waits does not wait for it.
    const crowdUs = Math.max(0, (this.#calling + waiting()) * callSpacingUs - sessionTimes.rekeyTimeoutUs);
    peer.session.handleInitiationSent(nowUs, randomInt(sessionTimes.rekeyJitterUs) + crowdUs, routes.length > 0);
    this.abandon(peer);
    if (routes.length === 0) return;
    const index = slots.reserveIndex(peer.row);
    const stampUs = files.nextStampUs(this.#parts.unixUs());
    const initiation = Initiation.create(local, peer.identity, index, new HandshakeKey(primitives), stampUs);
    if (initiation === undefined) {
      slots.releaseIndex(index);
      return;
    }
    peer.initiation = initiation;
    this.#calling += 1;
    this.#byIndex.set(index, peer);
    peer.called = isLive ? routes.slice(0, 1) : routes;
    if (!isLive) peer.callsEverywhere += 1;
    // Some routers drop what bears any DSCP: every other try does without, and what was answered stays.
    if (isRetry) peer.callsPlain = !peer.callsPlain;
    const trafficClass = peer.callsPlain ? 0 : handshakeTrafficClass;
    this.#call(peer, initiation.message, trafficClass, nowUs);
    this.#parts.count(counted.initiations);
  }

  /** Whom somebody has to let in is called when that was done. */
  #mayCall(peer: Peer, first: Route | undefined, nowUs: number): boolean {
    const { access, recall } = this.#parts;
    if (first === undefined || !access.mustAsk(peer, nowUs)) return true;
    // It calls itself, and that is being decided.
    if (access.isAsking(peer)) return false;
    access.ask(peer, first, true, nowUs, (verdict, laterUs) => {
      if (verdict?.refusal !== undefined) this.#refuse(peer, verdict, undefined, laterUs);
      else if (verdict !== undefined) recall(peer);
    });
    return false;
  }

  #refuse(peer: Peer, { refusal, said }: Verdict, route: Route | undefined, nowUs: number): void {
    if (refusal !== undefined) this.#parts.refusals.ofPeer(peer, refusal, route, nowUs, { said });
  }

  /** Sends an initiation to all of `peer.called`, by each transport in what the peer expects there. */
  #call(peer: Peer, message: Uint8Array, trafficClass: number, nowUs: number): void {
    const { outbox } = this.#parts;
    const bare = peer.called.filter((route) => wornBy(peer, route) === undefined);
    const dressed = peer.called.filter((route) => wornBy(peer, route) !== undefined);
    if (bare.length > 0) peer.jar.addMacs(message, nowUs);
    for (const route of bare) outbox.sendDatagram(route, message, trafficClass, 0);
    const { obfuscation } = peer.settings;
    if (dressed.length === 0 || obfuscation === undefined) return;
    const copy = Uint8Array.from(message);
    chooseType(copy, obfuscation, messageType.initiation);
    peer.jar.addMacs(copy, nowUs);
    for (const route of dressed) outbox.sendDatagram(route, copy, trafficClass, obfuscation.id);
  }

  /** Forgets the initiation under way. */
  abandon(peer: Peer): void {
    if (peer.initiation === undefined) return;
    this.#byIndex.delete(peer.initiation.localIndex);
    this.#parts.slots.releaseIndex(peer.initiation.localIndex);
    peer.initiation.clear();
    peer.initiation = undefined;
    this.#calling -= 1;
  }

  /** The peer has gone: nothing that comes for a handshake with it finds it. */
  forget(peer: Peer): void {
    this.abandon(peer);
    this.#parts.access.forget(peer);
    this.#byIndex.delete(peer.answeredIndex);
  }

  /** One that is worth reading, came by `route` and has waited for `ageUs`; the buffer is the caller's again afterwards. */
  handleMessage(route: Route, message: Uint8Array, ageUs: number, nowUs: number): void {
    const outcome = this.#judge(route, message, ageUs, nowUs);
    if (outcome !== undefined) this.gate.noteOutcome(outcome, nowUs);
  }

  /** Deals with a message; what came of it is one of `sessionManagerCounters`, undefined while it is not known. */
  #judge(route: Route, message: Uint8Array, ageUs: number, nowUs: number): number | undefined {
    const type = handshakeType(message.length);
    const isKnownKind =
      namedEndpointIs(route.endpoint) || sockaddrCheckLength(route.endpoint, 0, route.endpoint.length);
    if (!isKnownKind) return counted.malformed;
    if (type === messageType.cookieReply) {
      this.#handleCookieReply(message, nowUs);
      return undefined;
    }
    if (type === messageType.initiation && ageUs > lateUs) return counted.late;
    const isUnderLoad = this.gate.isUnderLoad(nowUs);
    const refusal = isUnderLoad ? this.gate.refuse(route, message, nowUs) : undefined;
    if (refusal !== undefined) return refusal;
    if (type === messageType.response) return this.#handleResponse(route, message, nowUs);
    const { local, pool } = this.#parts;
    if (!isUnderLoad) return this.#handleInitiation(route, message, initiationSecret(local, message), nowUs);
    const copy = Uint8Array.from(message);
    const isTaken = pool.offer(copy, (secret, laterUs) => {
      const isLate = ageUs + laterUs - nowUs > lateUs;
      const outcome = isLate ? counted.late : this.#handleInitiation(route, copy, secret, laterUs);
      if (outcome !== undefined) this.gate.noteOutcome(outcome, laterUs);
    });
    return isTaken ? undefined : counted.overload;
  }

  /** It bears no mac1: anybody can write one, so that it is no sign of load. */
  #handleCookieReply(message: Uint8Array, nowUs: number): void {
    const peer = this.#byIndex.get(wireguardReceiver(message, 0));
    if (peer === undefined || !peer.jar.handleReply(message, nowUs)) this.#parts.count(counted.forged);
    else this.#parts.refusals.ofPeer(peer, 'busy', undefined, nowUs);
  }

  #handleResponse(route: Route, message: Uint8Array, nowUs: number): number | undefined {
    const peer = this.#byIndex.get(responseReceiver(message, 0));
    // An index we answered with also leads here (cookie replies); only the initiation's own fits a response.
    const initiation = peer?.initiation?.localIndex === responseReceiver(message, 0) ? peer.initiation : undefined;
    const derived = initiation?.handleResponse(message);
    if (peer === undefined || initiation === undefined) return counted.forged;
    if (derived === undefined) {
      this.#parts.refusals.ofPeer(peer, 'unreadable', route, nowUs);
      return counted.forged;
    }
    this.#byIndex.delete(initiation.localIndex);
    peer.initiation = undefined;
    this.#calling -= 1;
    return this.#begin(peer, derived, initiation.localIndex, true, route, nowUs) ? undefined : counted.noSlot;
  }

  /** undefined while it is being decided. */
  #handleInitiation(
    route: Route,
    message: Uint8Array,
    secret: Uint8Array | undefined,
    nowUs: number,
  ): number | undefined {
    const { local, peers } = this.#parts;
    const incoming = secret === undefined ? undefined : IncomingInitiation.read(local, message, secret);
    if (incoming === undefined) return counted.forged;
    const publicKey = Buffer.from(incoming.publicKey).toString('base64');
    const peer = peers.ofKey(publicKey);
    if (peer === undefined) {
      this.#parts.refusals.ofStranger('unknownKey', () => route, nowUs, publicKey.slice(0, fingerprintCharacters));
      return counted.unknownKey;
    }
    const stamp = incoming.authenticate(peer.identity);
    if (stamp === undefined) {
      this.#parts.refusals.ofPeer(peer, 'notItsKey', route, nowUs);
      return counted.forged;
    }
    if (!isWornAsAgreed(peer, route)) {
      incoming.clear();
      this.#parts.refusals.ofPeer(peer, 'obfuscation', route, nowUs);
      return counted.otherObfuscation;
    }
    if (!this.#stamps.isFresh(peer, stamp, route, nowUs) || !peer.session.handleInitiation(nowUs)) {
      incoming.clear();
      return counted.replayed;
    }
    this.#stamps.accept(peer, stamp);
    const { access } = this.#parts;
    if (!access.mustAsk(peer, nowUs)) return this.#admit(peer, incoming, route, nowUs);
    access.ask(peer, route, false, nowUs, (verdict, laterUs) => {
      if (verdict?.refusal === undefined && verdict !== undefined) {
        this.gate.noteOutcome(this.#admit(peer, incoming, route, laterUs), laterUs);
        return;
      }
      incoming.clear();
      if (verdict === undefined) return;
      this.#refuse(peer, verdict, route, laterUs);
      this.gate.noteOutcome(counted.refused, laterUs);
    });
    return undefined;
  }

  #admit(peer: Peer, incoming: IncomingInitiation, route: Route, nowUs: number): number {
    const refusal = peer.settings.refusal ?? this.#parts.crowds.refusal(peer, route);
    if (refusal !== undefined) {
      incoming.clear();
      this.#parts.refusals.ofPeer(peer, refusal, route, nowUs);
      return counted.refused;
    }
    this.#noteUnused(peer, route, nowUs);
    return this.#respond(peer, incoming, route, nowUs);
  }

  /** It calls again under keys that we answered with before and that it never used. */
  #noteUnused(peer: Peer, route: Route, nowUs: number): void {
    peer.unusedAnswers = peer.session.keys.next === undefined ? 0 : peer.unusedAnswers + 1;
    if (peer.unusedAnswers >= mostUnused) this.#parts.refusals.ofPeer(peer, 'unused', route, nowUs);
  }

  #respond(peer: Peer, incoming: IncomingInitiation, route: Route, nowUs: number): number {
    const { primitives, slots } = this.#parts;
    const index = slots.reserveIndex(peer.row);
    const answer = incoming.respond(peer.identity, index, new HandshakeKey(primitives));
    if (answer === undefined) {
      slots.releaseIndex(index);
      return counted.forged;
    }
    // The keys must be in place before the other side can use them.
    if (!this.#begin(peer, answer.derived, index, false, route, nowUs)) return counted.noSlot;
    const worn = wornBy(peer, route);
    if (worn !== undefined) chooseType(answer.message, worn, messageType.response);
    peer.jar.addMacs(answer.message, nowUs);
    peer.session.handleResponseSent(nowUs);
    this.#byIndex.delete(peer.answeredIndex);
    this.#byIndex.set(index, peer);
    peer.answeredIndex = index;
    this.#parts.outbox.answer(route, answer.message, worn?.id ?? 0);
    return counted.responses;
  }

  /** Puts the keys of a finished handshake to use; false when no slot is free. */
  #begin(peer: Peer, derived: Derived, localIndex: number, isInitiator: boolean, route: Route, nowUs: number): boolean {
    const { slots, offersAes, onSession } = this.#parts;
    const { keys, remoteIndex } = derived;
    const hasAes = offersAes(peer);
    const slot = slots.publish({ peerRow: peer.row, keys, localIndex, remoteIndex, isInitiator, hasAes }, nowUs);
    if (slot < 0) return false;
    const earlyUs = Math.random() * this.#spreadUs(peer, isInitiator, nowUs);
    for (const gone of peer.session.handleDerived({ slot, isInitiator, birthUs: nowUs }, nowUs, earlyUs)) {
      slots.linger(gone.slot, nowUs);
    }
    onSession(peer, slot, isInitiator, route, nowUs);
    return true;
  }

  /** Over how long a time the sessions that begin now are renewed. A hub that was restarted has called all of its clients within seconds. */
  #spreadUs(peer: Peer, isInitiator: boolean, nowUs: number): number {
    if (isInitiator) return peer.settings.isClient === true ? sessionTimes.rekeySpreadUs : 0;
    return this.#waves.note(nowUs, this.#parts.peers.count) ? sessionTimes.renewSpreadUs : 0;
  }
}
