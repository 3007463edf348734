/**
 * Proves that the peer is at an address: small challenges go there until one comes back. What size the path takes is not its affair
 * (`bonding/size/path-size.ts`).
 *
 * | state | sends                                                   | an answer |
 * | ----- | ------------------------------------------------------- | --------- |
 * | asks  | 250 ms apart at first, doubling up to 5 s; from a learnt address six in all | proven |
 * | idle  | –                                                       | –         |
 *
 * A dead path may be somebody's metered link, so they are small; to a configured path they never end.
 */
const firstSpacingUs = 250_000;
const mostSpacingUs = 5_000_000;
/** Tries at an address that nobody configured. */
const mostLearnedTries = 6;
/** Longer round trips than the spacing: answers to the last few are still good. */
const rememberedTokens = 4;
const never = Number.POSITIVE_INFINITY;

interface Sent {
  readonly token: string;
  readonly atUs: number;
}

export class PathProof {
  readonly #isPatient: boolean;
  #sent: Sent[] = [];
  #tries = 0;
  #nextUs = never;
  /** Round trip of the answer that proved the path, microseconds. */
  roundTripUs = 0;

  /** `isPatient`: the path is configured, and is tried for ever. */
  constructor(isPatient: boolean) {
    this.#isPatient = isPatient;
  }

  /** When a challenge is due. */
  get wakeUs(): number {
    return this.#nextUs;
  }

  /** Microseconds of the last challenge that was not answered; -Infinity = there is none. */
  get lastSentUs(): number {
    return this.#sent.at(-1)?.atUs ?? -never;
  }

  /** From the start, at once; answers to what was sent before count still. */
  begin(nowUs: number): void {
    this.#tries = 0;
    this.#nextUs = nowUs;
  }

  /** What is due may not leave yet. */
  postpone(untilUs: number): void {
    this.#nextUs = untilUs;
  }

  end(): void {
    this.#nextUs = never;
    this.#sent = [];
  }

  /** Whether a challenge should leave now: then call `handleSent`. */
  isDue(nowUs: number): boolean {
    if (nowUs < this.#nextUs) return false;
    if (this.#isPatient || this.#tries < mostLearnedTries) return true;
    this.#nextUs = never;
    return false;
  }

  /** `token`: hexadecimal, of the challenge that left. */
  handleSent(token: string, nowUs: number): void {
    this.#sent = [...this.#sent.slice(1 - rememberedTokens), { token, atUs: nowUs }];
    this.#nextUs = nowUs + Math.min(mostSpacingUs, firstSpacingUs * 2 ** this.#tries);
    this.#tries += 1;
  }

  /** Whether the answer proves the address. */
  handleResponse(token: string, nowUs: number): boolean {
    const sent = this.#sent.find((one) => one.token === token);
    if (sent === undefined) return false;
    this.roundTripUs = nowUs - sent.atUs;
    this.end();
    return true;
  }
}
