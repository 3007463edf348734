/**
 * Addresses that authentic packets of one peer came from and that have no path yet. Anybody on the way can make such addresses, by
 * sending the peer's packets from sources that are not his, and the peer itself as many as it likes: what leaves for them all together
 * has a budget, and the one that sent most is asked first, because a peer that has moved goes on sending.
 */
export interface Newcomer<Place> {
  readonly place: Place;
  /** Outer bytes that came from there. */
  heardBytes: number;
  heardUs: number;
}

/** 400 KB of memory for a peer under attack. */
const mostNewcomers = 4096;
const forgetAfterUs = 10_000_000;

export class Newcomers<Place> {
  /** The one heard longest ago comes first. */
  readonly #all = new Map<string, Newcomer<Place>>();

  get size(): number {
    return this.#all.size;
  }

  /** `key`: tells places apart. `bytes`: on the wire, with all headers. */
  handleHeard(key: string, place: Place, bytes: number, nowUs: number): void {
    const heardBytes = bytes + (this.#all.get(key)?.heardBytes ?? 0);
    this.#all.delete(key);
    this.#all.set(key, { place, heardBytes, heardUs: nowUs });
    for (const [oldest, { heardUs }] of this.#all) {
      if (this.#all.size <= mostNewcomers && nowUs - heardUs < forgetAfterUs) break;
      this.#all.delete(oldest);
    }
  }

  /** Takes out the one to ask next; undefined = nobody was heard lately. */
  take(nowUs: number): Newcomer<Place> | undefined {
    let best: string | undefined;
    let most = 0;
    for (const [key, one] of this.#all) {
      if (nowUs - one.heardUs >= forgetAfterUs || one.heardBytes < most) continue;
      best = key;
      most = one.heardBytes;
    }
    const found = best === undefined ? undefined : this.#all.get(best);
    if (best === undefined) this.#all.clear();
    else this.#all.delete(best);
    return found;
  }
}
