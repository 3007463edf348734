/** How much parity a peer's data gets now: the policy, and the loss that the paths' feedback says. */
import { doubleZero } from '../../base/double.ts';
import { type FecMode, FecPolicy } from './fec-policy.ts';

const periodUs = 250_000;
/** What a period counts for in the next: losses are remembered for about 2.5 s. */
const memory = 0.9;
/** Fewer packets than this say nothing of the loss. */
const leastPackets = 50;

export class PeerParity {
  /** The peer said that it rebuilds packets from parity. */
  isHeard = false;
  /** Groups may be open that no timer has ended yet. */
  mayBeOpen = false;
  readonly #policy: FecPolicy;
  #acked = doubleZero;
  #lost = doubleZero;
  #runs = doubleZero;
  #sentBytes = doubleZero;
  #sinceUs = doubleZero;

  constructor(mode: FecMode) {
    this.#policy = new FecPolicy(mode);
  }

  get isOn(): boolean {
    return this.isHeard && this.#policy.parity > 0;
  }

  get data(): number {
    return this.#policy.data;
  }

  get parity(): number {
    return this.#policy.parity;
  }

  /** A group lives this long; a packet missed for less may yet be rebuilt. */
  get groupUs(): number {
    return this.isOn ? this.#policy.groupTimeoutUs : 0;
  }

  /** Feedback of one path: packets acknowledged, lost, and in how many runs they were lost. */
  note(acked: number, lost: number, runs: number): void {
    this.#acked += acked;
    this.#lost += lost;
    this.#runs += runs;
  }

  /** `sentBytes`: all that ever left for the peer. */
  tick(nowUs: number, sentBytes: number): void {
    const elapsedUs = nowUs - this.#sinceUs;
    if (elapsedUs < periodUs) return;
    const packets = this.#acked + this.#lost;
    if (packets >= leastPackets) {
      const burst = this.#runs > 0 ? this.#lost / this.#runs : 1;
      this.#policy.update(nowUs, this.#lost / packets, Math.max(1, burst), (sentBytes - this.#sentBytes) / elapsedUs);
    }
    this.#sinceUs = nowUs;
    this.#sentBytes = sentBytes;
    this.#acked *= memory;
    this.#lost *= memory;
    this.#runs *= memory;
  }
}
