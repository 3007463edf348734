/**
 * Which initiations of an invitation are replays. Several machines may call under its keys, each with a clock of its own, or none: the order
 * of their stamps says nothing, so each is remembered; of too many, the oldest are forgotten. What was forgotten, or what a predecessor of
 * this actor saw, may be replayed once more: that begins a session that nobody has the keys of.
 */
import type { Peer } from './peer-book.ts';

/** Nobody needs so many calls to join. */
const mostStamps = 1000;

export class InvitedStamps {
  readonly #seen = new WeakMap<Peer, Set<string>>();

  /** Once for each stamp. */
  isNew(peer: Peer, stamp: Uint8Array): boolean {
    const seen = this.#seen.get(peer) ?? new Set<string>();
    this.#seen.set(peer, seen);
    const text = Buffer.from(stamp).toString('hex');
    if (seen.has(text)) return false;
    if (seen.size >= mostStamps) seen.delete(seen.keys().next().value ?? '');
    seen.add(text);
    return true;
  }
}
