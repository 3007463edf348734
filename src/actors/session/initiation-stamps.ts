/** Whether an initiation is new: by the stamps in it, which only grow (whitepaper 5.4.2). Whoever has a clock that is wrong is told of. */
import { tai64nIsAfter, tai64nUnixUs } from '../../crypto/tai64n.ts';
import { stampAccept, stampIsFar, stampJudge } from '../../protocols/session/stamp-marks.ts';
import { InvitedStamps } from './invited-stamps.ts';
import type { Route } from './path-book.ts';
import type { Peer, PeerBook } from './peer-book.ts';
import type { Refusals } from './refusals.ts';

/** A copy of an initiation may come late by a slow path. */
const leastBehindUs = 10_000_000;

export interface InitiationStampsParts {
  readonly peers: PeerBook;
  readonly refusals: Refusals;
  /** CLOCK_REALTIME in microseconds. */
  readonly unixUs: () => number;
}

export class InitiationStamps {
  readonly #parts: InitiationStampsParts;
  readonly #invited = new InvitedStamps();

  constructor(parts: InitiationStampsParts) {
    this.#parts = parts;
  }

  /** A replay is told from a clock that is behind by its owner's calling again, with a later stamp each time. */
  isFresh(peer: Peer, stamp: Uint8Array, route: Route, nowUs: number): boolean {
    if (peer.settings.mayEnrol === true) return this.#invited.isNew(peer, stamp);
    const marks = this.#parts.peers.marksOf(peer);
    const verdict = stampJudge(marks, stamp, this.#parts.unixUs());
    if (verdict !== 'behind') return verdict === 'fresh';
    const stampUs = tai64nUnixUs(stamp, 0);
    const latestUs = Math.max(tai64nUnixUs(marks.last, 0), tai64nUnixUs(marks.far, 0));
    const isCalling = peer.refusedStamp !== undefined && tai64nIsAfter(stamp, peer.refusedStamp);
    if (isCalling && latestUs - stampUs > leastBehindUs)
      this.#parts.refusals.ofPeer(peer, 'clockBehind', route, nowUs, { behindUs: latestUs - stampUs });
    if (isCalling || peer.refusedStamp === undefined) peer.refusedStamp = Uint8Array.from(stamp);
    return false;
  }

  /** It was proven, and is no replay: nothing older counts from now on. */
  accept(peer: Peer, stamp: Uint8Array): void {
    const { peers, unixUs, refusals } = this.#parts;
    const now = unixUs();
    const stampUs = tai64nUnixUs(stamp, 0);
    if (stampIsFar(stampUs, now)) refusals.noteClockAhead(peer, stampUs - now, now);
    stampAccept(peers.marksOf(peer), stamp, now);
    peer.refusedStamp = undefined;
  }
}
