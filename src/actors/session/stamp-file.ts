/**
 * The stamps of our initiations: each later than the last, in this process and after it, whatever the clock does in between. The file
 * holds one that lies ahead of those in use, so that it is written a few times an hour: memory cards wear out.
 */
import { createHash } from 'node:crypto';
import { nextStampUs } from '../../crypto/tai64n.ts';
import { stampIsFar } from '../../protocols/session/stamp-marks.ts';

/** How far ahead of the clock stamps are reserved. */
const reservedUs = 900_000_000;
/** Ahead of stamps that are ahead of the clock themselves, so that crashes do not carry them away; each takes 1 us. */
const leastReservedUs = 1_000_000;
const checkCharacters = 8;

export class StampFile {
  readonly #write: (text: string) => boolean;
  #lastUs: number;
  #reservedUs: number;

  /**
   * `text`: what the file holds, `''` = there is none. A number that nobody vouches for (an older version's, or a damaged one) is
   * believed unless it lies in the far future; `warn` hears of it. `write`: whether it could; if not, the next stamp tries again.
   */
  constructor(text: string, unixUs: number, write: (text: string) => boolean, warn: (message: string) => void) {
    this.#write = write;
    const [number = '', check] = text.trim().split(' ');
    const stampUs = /^\d{1,16}$/.test(number) ? Number(number) : Number.NaN;
    const isWhole = check === checkOf(number);
    const isUsable =
      Number.isSafeInteger(stampUs) && (isWhole || (check === undefined && !stampIsFar(stampUs, unixUs)));
    if (text !== '' && !isUsable) warn(complaint(number, stampUs, check));
    this.#lastUs = isUsable ? stampUs : 0;
    this.#reservedUs = this.#lastUs;
  }

  /** Stamp of the next initiation, written down before it is used. */
  next(unixUs: number): number {
    this.#lastUs = nextStampUs(unixUs, this.#lastUs);
    if (this.#lastUs > this.#reservedUs) this.#reserve(Math.max(unixUs + reservedUs, this.#lastUs + leastReservedUs));
    return this.#lastUs;
  }

  /** A successor begins where this one ends. */
  close(): void {
    if (this.#reservedUs > this.#lastUs) this.#reserve(this.#lastUs);
  }

  #reserve(stampUs: number): void {
    if (this.#write(`${stampUs} ${checkOf(String(stampUs))}\n`)) this.#reservedUs = stampUs;
  }
}

function checkOf(number: string): string {
  return createHash('sha256').update(number).digest('hex').slice(0, checkCharacters);
}

function complaint(number: string, stampUs: number, check: string | undefined): string {
  if (Number.isNaN(stampUs) || check !== undefined) return 'it is damaged, so stamps begin with the clock';
  const date = new Date(stampUs / 1000);
  const text = Number.isNaN(date.getTime()) ? number : date.toISOString();
  return `it says ${text}, which lies in the future, so stamps begin with the clock`;
}
