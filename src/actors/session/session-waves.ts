/**
 * Whether more sessions begin than could in the long run: thousands that found their hub again. All of them would be renewed together two minutes
 * later, and again and again.
 */
import { sessionTimes } from '../../protocols/session/peer-session.ts';

const windowUs = 5_000_000;
/** So many times what begins when everybody renews a session in time: a window of 10,000 has 417, and rarely 60 more. */
const factor = 1.2;
/** Fewer than this in a window are nobody's trouble. */
const leastCrowd = 100;

export class SessionWaves {
  #sinceUs = Number.NEGATIVE_INFINITY;
  #count = 0;
  #isCrowd = false;

  /** A session begins that a peer called for; whether it is one of a crowd. `peers`: how many there are. */
  note(nowUs: number, peers: number): boolean {
    const most = Math.max(leastCrowd, (factor * peers * windowUs) / sessionTimes.rekeyAfterUs);
    if (nowUs - this.#sinceUs >= windowUs) {
      // Nothing came in between: the crowd of before is over.
      this.#isCrowd = this.#count > most && nowUs - this.#sinceUs < 2 * windowUs;
      this.#sinceUs = nowUs;
      this.#count = 0;
    }
    this.#count += 1;
    return this.#isCrowd || this.#count > most;
  }
}
