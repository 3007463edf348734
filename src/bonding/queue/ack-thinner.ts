/**
 * Keeps a young flow's slow start from ending at the first path. HyStart (net/ipv4/tcp_cubic.c; RFC 9406) ends it when round trips grow,
 * or when a train of acknowledgements lasts half of one: both happen when the nearest path is full, long before the rope is, and then
 * CUBIC takes ten seconds to find the rest. HyStart judges a round by its first eight samples and takes acknowledgements for a
 * train when they are within 2 ms of each other, so fewer of them, farther apart, tell it nothing; a sender that counts bytes (RFC 3465)
 * grows as before, and the queue here says when the rope is full. Routers thin acknowledgements for other reasons (CAKE's ack-filter).
 *
 * In slow start the window is what was acknowledged so far, so an acknowledgement for each fifth of that makes four a round; it ends
 * unseen, so twice what a round trip of the slowest path brought is the most that is taken for a window.
 */

/** HyStart's `hystart_ack_delta_us`, and a little. */
const leastGapUs = 2_200;
const share = 1 / 5;
/**
 * When no other has come for this share of the nearest path's round trip, the sender may wait for what is held, which is a fifth
 * of its window at most. A shorter pause is what arrives in bursts.
 */
const idleShare = 1 / 4;
const leastIdleUs = 2_200;
/** Pauses are many where packets of many paths are put in order: such a one counts only so long after the acknowledgement before. */
const spacingShare = 1 / 3;
/** HyStart looks at windows from 16 packets on (`hystart_low_window`), and the first is of 10 (RFC 6928). */
const leastBytes = 6 * 1_448;
/** A flow that was silent for so long starts anew (RFC 2861). */
const restUs = 1_000_000;
/** A flow is young for so many round trips of the slowest path: those of slow start, and those in which its queue builds. */
const youngRoundTrips = 30;
const leastYoungUs = 1_000_000;
const mostYoungUs = 5_000_000;
/** No receiver waits longer than this either (TCP_DELACK_MIN). */
const mostHoldUs = 40_000;
/** Flows that hash alike share a place: the later one takes it. */
export const places = 256;

/** Of the paths that may carry data. */
export interface RoundTrips {
  readonly leastUs: number;
  readonly mostUs: number;
  /** There by the farthest path that brings data now, back by the nearest: a flow's own, without queues. */
  readonly inUseUs: number;
  /** Since when acknowledgements are seen here, if flows were under way by then; -Infinity = since before any. */
  readonly seenSinceUs: number;
  /** Those were no older than this. */
  readonly sendingSinceUs: number;
}

export class AckThinner {
  readonly #flows = new Float64Array(places).fill(-1);
  readonly #startsUs = new Float64Array(places);
  readonly #seenUs = new Float64Array(places).fill(Number.NEGATIVE_INFINITY);
  readonly #sentUs = new Float64Array(places);
  readonly #firstAcks = new Uint32Array(places);
  readonly #sentAcks = new Uint32Array(places);
  /** Beginning of a round trip of the slowest path, what was acknowledged then, and what the one before brought. */
  readonly #roundsUs = new Float64Array(places);
  readonly #roundAcks = new Uint32Array(places);
  readonly #roundBytes = new Float64Array(places);
  readonly #youngUntilUs = new Float64Array(places);

  /**
   * A pure acknowledgement of `flow` (its hash) of all before sequence number `ack`. Until when it may be held for a later one
   * to take its place; `nowUs` = it goes at once, and `handleSent` is to be called.
   */
  holdUntilUs(flow: number, ack: number, trips: RoundTrips, nowUs: number): number {
    const place = flow % places;
    // What was not looked at was no silence.
    const silentUs = nowUs - Math.max(this.#seenUs[place] as number, trips.seenSinceUs);
    this.#seenUs[place] = nowUs;
    if (this.#flows[place] !== flow || silentUs > restUs) {
      const isUnderWay = nowUs - trips.seenSinceUs < restUs;
      this.#flows[place] = flow;
      this.#startsUs[place] = isUnderWay ? trips.sendingSinceUs : nowUs;
      this.#youngUntilUs[place] = Number.POSITIVE_INFINITY;
      this.#firstAcks[place] = ack;
      this.#sentUs[place] = Number.NEGATIVE_INFINITY;
      this.#roundsUs[place] = nowUs;
      this.#roundAcks[place] = ack;
      this.#roundBytes[place] = 0;
      return nowUs;
    }
    const youngUs = Math.max(leastYoungUs, Math.min(mostYoungUs, trips.mostUs * youngRoundTrips));
    this.#youngUntilUs[place] = (this.#startsUs[place] as number) + youngUs;
    if (nowUs > (this.#youngUntilUs[place] as number)) return nowUs;
    const total = (ack - (this.#firstAcks[place] as number)) >>> 0;
    if (total < leastBytes) return nowUs;
    const sinceUs = nowUs - (this.#sentUs[place] as number);
    if (sinceUs >= mostHoldUs) return nowUs;
    const fresh = (ack - (this.#sentAcks[place] as number)) >>> 0;
    // It acknowledges nothing new: a sender counts those.
    if (fresh === 0) return nowUs;
    if (fresh >= Math.min(total, this.#windowOf(place, ack, trips.mostUs, nowUs)) * share)
      return sinceUs >= leastGapUs ? nowUs : nowUs - sinceUs + leastGapUs;
    const idleUs = Math.max(leastIdleUs, trips.leastUs * idleShare, trips.inUseUs * spacingShare - sinceUs);
    return nowUs + Math.min(idleUs, mostHoldUs - sinceUs);
  }

  /** Twice what the last round trip brought, or this one so far. */
  #windowOf(place: number, ack: number, roundUs: number, nowUs: number): number {
    const came = (ack - (this.#roundAcks[place] as number)) >>> 0;
    const window = 2 * Math.max(came, this.#roundBytes[place] as number);
    if (nowUs - (this.#roundsUs[place] as number) < roundUs) return window;
    this.#roundsUs[place] = nowUs;
    this.#roundAcks[place] = ack;
    this.#roundBytes[place] = came;
    return window;
  }

  /** Whether acknowledgements of `flow` may be held, one of which has come. */
  isYoung(flow: number, nowUs: number): boolean {
    const place = flow % places;
    const isKnown = this.#flows[place] === flow && nowUs - (this.#seenUs[place] as number) <= restUs;
    if (!isKnown) return true;
    // A grown flow whose acknowledgements are taken together with others' is not silent.
    this.#seenUs[place] = nowUs;
    return nowUs <= (this.#youngUntilUs[place] as number);
  }

  handleSent(flow: number, ack: number, nowUs: number): void {
    const place = flow % places;
    if (this.#flows[place] !== flow) return;
    this.#sentUs[place] = nowUs;
    this.#sentAcks[place] = ack;
  }
}
