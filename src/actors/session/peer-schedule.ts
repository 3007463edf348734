/** Who is looked at when (`PeerLook` says what becomes of it), and who is called though nothing waits for it (`CallQueue`). */
import { DueQueue } from '../../base/due-queue.ts';
import { CallQueue } from './call-queue.ts';
import type { HandshakeDesk } from './handshake-desk.ts';
import type { Peer } from './peer-book.ts';
import { PeerLook } from './peer-look.ts';
import type { WatchParts } from './watch-parts.ts';

/** Looks come in batches, so that no turn is long, and no more often than this: 5 % of a core at 20 µs each. */
const mostLooks = 64;
export const pollSpacingUs = 1000;
const spacingPerLookUs = 20;

export class PeerSchedule {
  readonly #parts: WatchParts;
  readonly #looks: PeerLook;
  /** By row: when each peer must be looked at, if nothing else happens. */
  readonly #due = new DueQueue();
  readonly #calls = new CallQueue();
  #polledUs = Number.NEGATIVE_INFINITY;
  #spacingUs = pollSpacingUs;

  constructor(parts: WatchParts) {
    this.#parts = parts;
    this.#looks = new PeerLook(parts);
  }

  set handshakes(desk: HandshakeDesk) {
    this.#looks.handshakes = desk;
  }

  /** How many peers wait for their turn to be called. */
  get waiting(): number {
    return this.#calls.size;
  }

  /** It is looked at as soon as may be. */
  touch(peer: Peer): void {
    this.#due.set(peer.row, 0);
    this.#looks.disturb(peer.row);
  }

  touchAll(): void {
    for (const peer of this.#parts.peers.all()) this.touch(peer);
  }

  /** When it has its turn. */
  call(peer: Peer): void {
    this.#calls.add(peer);
  }

  callIfExpected(peer: Peer): void {
    if (peer.session.keys.current !== undefined || !this.#isExpected(peer)) return;
    // A site of the file is one of few.
    const isFirst = peer.settings.isClient !== true || this.#parts.files.wasThere(peer.settings.publicKey);
    this.#calls.add(peer, isFirst);
  }

  /** The peer has gone. */
  forget(peer: Peer): void {
    this.#calls.delete(peer);
    this.#due.delete(peer.row);
  }

  /** It answered our call: both have the keys of this slot. */
  handleAnswered(peer: Peer, slot: number, nowUs: number): void {
    this.#calls.handleAnswered();
    this.#looks.establish(peer, slot, nowUs);
  }

  /** Looks at it now. */
  look(peer: Peer, nowUs: number): void {
    this.#setDue(peer, this.#looks.look(peer, nowUs), nowUs);
  }

  get #nextUs(): number {
    return Math.min(this.#due.nextUs, this.#calls.nextUs);
  }

  /** Looks at whoever is due, the first of them first: a hub has thousands of peers, and nobody is looked at before its time. False = not yet. */
  turn(nowUs: number): boolean {
    const allowedUs = this.#polledUs + this.#spacingUs;
    if (nowUs < allowedUs) {
      if (this.#nextUs <= allowedUs) this.#parts.context.wakeAt(allowedUs);
      return false;
    }
    const count = this.#lookAtDue(nowUs);
    for (let peer = this.#calls.next(nowUs); peer !== undefined; peer = this.#calls.next(nowUs)) {
      peer.session.handleWanted();
      this.look(peer, nowUs);
    }
    this.#polledUs = nowUs;
    this.#spacingUs = Math.max(pollSpacingUs, count * spacingPerLookUs);
    const wakeUs = this.#nextUs;
    if (wakeUs < Number.POSITIVE_INFINITY) this.#parts.context.wakeAt(Math.max(wakeUs, nowUs + this.#spacingUs));
    return true;
  }

  #lookAtDue(nowUs: number): number {
    for (let count = 0; count < mostLooks; count += 1) {
      const row = this.#due.take(nowUs);
      if (row < 0) return count;
      const peer = this.#parts.peers.get(row);
      if (peer !== undefined) this.#setDue(peer, this.#looks.lookAgain(peer, nowUs), nowUs);
    }
    return mostLooks;
  }

  #setDue(peer: Peer, dueUs: number, nowUs: number): void {
    this.#due.set(peer.row, Math.max(dueUs, nowUs + 1));
  }

  /** It shall have a session even while there is nothing to send. */
  #isExpected(peer: Peer): boolean {
    if (peer.settings.mayEnrol === true) return false;
    // A client has no endpoint but the one that an earlier process wrote down.
    const isKnown = peer.settings.isClient === true && this.#parts.peers.homeOf(peer) >= 0;
    return peer.isHawser || peer.settings.keepaliveMs > 0 || isKnown;
  }
}
