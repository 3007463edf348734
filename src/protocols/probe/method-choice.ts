/**
 * Chooses what to ask next among candidates, a candidate being a method and a target: the most reliable one nine times of ten,
 * another in the tenth, so that there is always one to turn to. The method changes at most once a minute. Randomness is an argument.
 *
 * While the chosen one fails, those that have answered before take turns: one dead target or one blocked method must not make a
 * link look dead. While nothing has answered, all take turns, and only a whole round without an answer counts as a failure.
 */

/** Of the choices that go to another candidate than the chosen one. */
const explorationShare = 0.1;
/** Weight of the newest outcome in a candidate's score: five probes change its mind. */
const scoreGain = 0.2;
/** How much better another must be. */
const switchMargin = 0.2;
const switchEveryUs = 60_000_000;

export interface Choice {
  readonly candidate: number;
  /** Whether a failure of this probe is a failure of the link. */
  readonly counts: boolean;
}

interface Candidate {
  readonly method: string;
  score: number;
  hasAnswered: boolean;
}

export class MethodChoice {
  readonly #candidates: readonly Candidate[];
  /** Index of the chosen one; -1 = nothing has answered yet. */
  #current = -1;
  #switchedUs = Number.NEGATIVE_INFINITY;
  #failuresInRow = 0;
  #turn = 0;

  /** `methods`: of each candidate, in the order of preference. Not empty. */
  constructor(methods: readonly string[]) {
    this.#candidates = methods.map((method) => ({ method, score: 0.5, hasAnswered: false }));
  }

  get current(): number {
    return this.#current;
  }

  /** Best score of a method's candidates, 0 to 1; undefined = none is of that method. */
  scoreOf(method: string): number | undefined {
    const scores = this.#candidates.filter((one) => one.method === method).map((one) => one.score);
    return scores.length === 0 ? undefined : Math.max(...scores);
  }

  /** `random` from 0 to below 1. `isDown`: the link is known to be dead, so any candidate may be the one that sees it return. */
  next(random: number, isDown: boolean): Choice {
    const count = this.#candidates.length;
    if (this.#current < 0 || isDown) return this.#inTurn(this.#candidates.map((_, index) => index));
    if (this.#failuresInRow > 0) {
      const proven = this.#candidates.flatMap((one, index) =>
        index === this.#current || (one.hasAnswered && one.score > 0.5) ? [index] : [],
      );
      const choice = this.#inTurn(proven);
      return { candidate: choice.candidate, counts: true };
    }
    if (count === 1 || random >= explorationShare) return { candidate: this.#current, counts: true };
    this.#turn += 1;
    const other = (this.#current + 1 + (this.#turn % (count - 1))) % count;
    return { candidate: other, counts: false };
  }

  handleOutcome(candidate: number, answered: boolean, nowUs: number): void {
    const one = this.#candidates[candidate];
    if (one === undefined) return;
    one.score += ((answered ? 1 : 0) - one.score) * scoreGain;
    one.hasAnswered ||= answered;
    if (answered) this.#failuresInRow = 0;
    else if (candidate === this.#current) this.#failuresInRow += 1;
    if (this.#current < 0) {
      if (answered) this.#current = candidate;
    } else {
      this.#reconsider(nowUs);
    }
  }

  /** The next of `candidates`; it counts when it ends a round. */
  #inTurn(candidates: readonly number[]): Choice {
    this.#turn += 1;
    const place = this.#turn % candidates.length;
    return { candidate: candidates[place] ?? 0, counts: place === candidates.length - 1 };
  }

  /** Another target of the same method is taken as soon as it is better; another method, once a minute at most. */
  #reconsider(nowUs: number): void {
    const current = this.#candidates[this.#current];
    if (current === undefined) return;
    const mayChangeMethod = nowUs - this.#switchedUs >= switchEveryUs;
    let best = this.#current;
    let bestScore = current.score + switchMargin;
    for (const [index, one] of this.#candidates.entries()) {
      if (!one.hasAnswered || one.score <= bestScore) continue;
      if (one.method !== current.method && !mayChangeMethod) continue;
      best = index;
      bestScore = one.score;
    }
    if (best === this.#current) return;
    if (this.#candidates[best]?.method !== current.method) this.#switchedUs = nowUs;
    this.#current = best;
    this.#failuresInRow = 0;
  }
}
