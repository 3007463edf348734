/**
 * Who shall have a session though nothing waits for it: after a start, a sleep, a move. Of hundreds that are elsewhere a few are called at
 * once and the others one by one; each that answers makes room for the next, so that those who are there wait for nobody.
 */
import { TokenBucket } from '../../protocols/session/token-bucket.ts';
import type { Peer } from './peer-book.ts';

/** A call costs one to three milliseconds: 16 are a turn that nobody notices, five a second 1 % of a core. */
const pace = { perSecond: 5, burst: 16 } as const;
export const callSpacingUs = 1_000_000 / pace.perSecond;

export class CallQueue {
  readonly #waiting = new Set<Peer>();
  /** Of those: they answer, and are called before all that may not. */
  readonly #first = new Set<Peer>();
  readonly #room = new TokenBucket(pace);

  get size(): number {
    return this.#waiting.size;
  }

  /** `isFirst`: it was there a moment ago. */
  add(peer: Peer, isFirst = false): void {
    this.#waiting.add(peer);
    if (isFirst) this.#first.add(peer);
  }

  /** The peer has gone. */
  delete(peer: Peer): void {
    this.#waiting.delete(peer);
    this.#first.delete(peer);
  }

  /** A call was answered. */
  handleAnswered(): void {
    this.#room.giveBack();
  }

  /** Whom to call at `nowUs`; undefined = nobody now. */
  next(nowUs: number): Peer | undefined {
    for (const peers of [this.#first, this.#waiting]) {
      for (const peer of peers) {
        const isServed = peer.session.keys.current !== undefined || peer.session.isAttempting;
        if (!isServed && !this.#room.take(nowUs)) return undefined;
        this.delete(peer);
        if (!isServed) return peer;
      }
    }
    return undefined;
  }

  /** When `next` may know somebody, infinity when nobody waits. */
  get nextUs(): number {
    return this.#waiting.size === 0 ? Number.POSITIVE_INFINITY : this.#room.wakeUs();
  }
}
