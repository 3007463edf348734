/**
 * Proves that the peer is at an address: challenges go there until one comes back. Full-size ones prove that a full packet fits too.
 *
 * | state    | sends                              | an answer to a full one | to a small one            |
 * | -------- | ---------------------------------- | ----------------------- | ------------------------- |
 * | fresh    | three full ones, 250 ms doubling   | proven                  | fresh again, once         |
 * | slow     | small ones, doubling up to 5 s     | proven                  | fresh again, once         |
 * | narrow   | – (three full ones were lost after a small one had been answered)                         | proven, small |
 * | idle     | –                                  | –                       | –                         |
 *
 * Slow ones are small, because a dead path may be somebody's metered link, and never end on a configured path.
 */
const firstSpacingUs = 250_000;
const mostSpacingUs = 5_000_000;
const fullTries = 3;
/** Tries at an address that nobody configured; a packet from there begins anew. */
const mostLearnedTries = 6;
/** Longer round trips than the spacing: answers to the last few are still good. */
const rememberedTokens = 4;
const never = Number.POSITIVE_INFINITY;

interface Sent {
  readonly token: string;
  readonly isFull: boolean;
  readonly atUs: number;
}

export type ProofOutcome = 'proven' | 'answered-small' | undefined;

export class PathProof {
  readonly #isPatient: boolean;
  #sent: Sent[] = [];
  #tries = 0;
  #nextUs = never;
  #hasSmallAnswer = false;
  /** Round trip of the answer that proved the path, microseconds. */
  roundTripUs = 0;

  /** `isPatient`: the path is configured, and is tried for ever. */
  constructor(isPatient: boolean) {
    this.#isPatient = isPatient;
  }

  /** When `next` has something to say. */
  get wakeUs(): number {
    return this.#nextUs;
  }

  get isIdle(): boolean {
    return this.#nextUs === never;
  }

  /** From the start, at once; answers to what was sent before count still. */
  begin(nowUs: number): void {
    this.#tries = 0;
    this.#hasSmallAnswer = false;
    this.#nextUs = nowUs;
  }

  end(): void {
    this.#nextUs = never;
    this.#sent = [];
  }

  /** What is due: a challenge of that size (call `handleSent`), or the end: only small ones arrive. */
  next(nowUs: number): 'full' | 'small' | 'narrow' | undefined {
    if (nowUs < this.#nextUs) return undefined;
    if (this.#tries < fullTries) return 'full';
    if (this.#hasSmallAnswer) {
      this.end();
      return 'narrow';
    }
    if (this.#isPatient || this.#tries < mostLearnedTries) return 'small';
    this.#nextUs = never;
    return undefined;
  }

  /** `token`: hexadecimal, of the challenge that `next` asked for. */
  handleSent(token: string, nowUs: number): void {
    this.#sent = [...this.#sent.slice(1 - rememberedTokens), { token, isFull: this.#tries < fullTries, atUs: nowUs }];
    this.#nextUs = nowUs + Math.min(mostSpacingUs, firstSpacingUs * 2 ** this.#tries);
    this.#tries += 1;
  }

  handleResponse(token: string, nowUs: number): ProofOutcome {
    const sent = this.#sent.find((one) => one.token === token);
    if (sent === undefined) return undefined;
    this.roundTripUs = nowUs - sent.atUs;
    if (!sent.isFull) {
      if (this.#hasSmallAnswer) return undefined;
      this.begin(nowUs);
      this.#hasSmallAnswer = true;
      return 'answered-small';
    }
    this.end();
    return 'proven';
  }
}
