/**
 * Holds what is sent to a rate: a token bucket of bytes. What is sent may overdraw it by a packet, or by what is urgent, and is paid
 * back before anything else leaves; so the rate holds over any time, and a queue in front of it is judged by CoDel as any other.
 */

/** Two full packets: less would leave nothing to send between two turns. */
const leastBytes = 3_000;
/** What may be saved: a thread that gets its processor so late has lost nothing. */
const savedUs = 10_000;
/** What is worth a turn: at more than 500 a second turns cost more than packets. */
const quantumUs = 2_000;
/** What urgent packets may overdraw: calls and acknowledgements have room in it, a flood of small packets has not. */
const urgentUs = 10_000;

export class RateBucket {
  #bytesPerUs: number;
  #tokens: number;
  #asOfUs: number;

  /** `bps`: bits a second. */
  constructor(bps: number, nowUs: number) {
    this.#bytesPerUs = bps / 8e6;
    this.#tokens = this.#mostBytes;
    this.#asOfUs = nowUs;
  }

  get bytesPerUs(): number {
    return this.#bytesPerUs;
  }

  /** Another rate from now on; what is saved or owed stays, as far as the rate allows it. */
  setRate(bps: number, nowUs: number): void {
    this.#refill(nowUs);
    this.#bytesPerUs = bps / 8e6;
    this.#tokens = Math.max(-this.#reserveBytes, Math.min(this.#mostBytes, this.#tokens));
  }

  /** Bytes that may leave now; 0 or less = none. */
  allowedBytes(isUrgent: boolean, nowUs: number): number {
    this.#refill(nowUs);
    return isUrgent ? this.#tokens + this.#reserveBytes : this.#tokens;
  }

  spend(bytes: number): void {
    this.#tokens -= bytes;
  }

  /** When as much may leave as is worth a turn; to be asked when nothing may. */
  dueUs(nowUs: number): number {
    const worth = Math.max(leastBytes / 2, this.#bytesPerUs * quantumUs);
    return nowUs + Math.max(0, (worth - this.#tokens) / this.#bytesPerUs);
  }

  get #mostBytes(): number {
    return Math.max(leastBytes, this.#bytesPerUs * savedUs);
  }

  get #reserveBytes(): number {
    return Math.max(leastBytes, this.#bytesPerUs * urgentUs);
  }

  #refill(nowUs: number): void {
    const passedUs = Math.max(0, nowUs - this.#asOfUs);
    this.#asOfUs = Math.max(this.#asOfUs, nowUs);
    this.#tokens = Math.min(this.#mostBytes, this.#tokens + passedUs * this.#bytesPerUs);
  }
}
