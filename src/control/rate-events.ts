/**
 * Says when a peer has come to its limit and stays there: for five seconds in a row, and again only after a minute without. A download that
 * touches its limit now and then is no news.
 */
import type { InstanceEvent } from './events.ts';

/** What the tables say of one peer. Times are when something last waited, or was dropped, for its rate. */
export interface RateMoment {
  readonly peer: string;
  readonly sendBps: number;
  readonly sendUs: number;
  readonly takeBps: number;
  readonly takeUs: number;
}

interface Episode {
  sinceUs: number;
  lastUs: number;
  isTold: boolean;
}

/** Looks are a second apart, more or less. */
const recentUs = 2_500_000;
const lastingUs = 5_000_000;
const restUs = 60_000_000;

export class RateEvents {
  /** By direction and peer. */
  readonly #episodes = new Map<string, Episode>();

  /** About once a second; those that are not among `moments` any more are forgotten after a while. */
  look(moments: Iterable<RateMoment>, nowUs: number): InstanceEvent<'rate-reached'>[] {
    const events: InstanceEvent<'rate-reached'>[] = [];
    for (const { peer, sendBps, sendUs, takeBps, takeUs } of moments) {
      if (this.#isNews(`down ${peer}`, sendUs, nowUs)) events.push(eventOf(peer, 'down', sendBps));
      if (this.#isNews(`up ${peer}`, takeUs, nowUs)) events.push(eventOf(peer, 'up', takeBps));
    }
    for (const [key, { lastUs }] of this.#episodes) if (nowUs - lastUs > restUs) this.#episodes.delete(key);
    return events;
  }

  #isNews(key: string, reachedUs: number, nowUs: number): boolean {
    if (reachedUs === 0 || nowUs - reachedUs > recentUs) return false;
    const known = this.#episodes.get(key);
    const episode = known ?? { sinceUs: nowUs, lastUs: nowUs, isTold: false };
    if (known === undefined) this.#episodes.set(key, episode);
    // It was left for a while before it was told of.
    if (!episode.isTold && nowUs - episode.lastUs > recentUs) episode.sinceUs = nowUs;
    episode.lastUs = nowUs;
    if (episode.isTold || nowUs - episode.sinceUs < lastingUs) return false;
    episode.isTold = true;
    return true;
  }
}

/** `bps` 0: it has no limit of its own, and its share of the server's binds. */
function eventOf(peer: string, limit: 'down' | 'up', bps: number): InstanceEvent<'rate-reached'> {
  return bps === 0
    ? { kind: 'rate-reached', peer, limit: `total ${limit}` }
    : { kind: 'rate-reached', peer, limit, mbit: bps / 1e6 };
}
