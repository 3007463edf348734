/** CUBIC (RFC 9438) with the HyStart of Linux (net/ipv4/tcp_cubic.c). */
import type { Acknowledgement, Arrival, CongestionControl } from './congestion-control.ts';
import { firstWindow } from './congestion-control.ts';

/** RFC 9438 5. */
const cubicC = 0.4;
const cubicBeta = 0.7;
const hystartSamples = 8;
const hystartLeastWindow = 16;
/** Acknowledgements this close belong to one train. */
const trainGapUs = 2_000;

export class Cubic implements CongestionControl {
  readonly pacePerUs = Number.POSITIVE_INFINITY;
  window = firstWindow;
  #threshold = Number.POSITIVE_INFINITY;
  #epochUs = -1;
  #origin = 0;
  #waitS = 0;
  #lastMost = 0;
  #undoWindow = 0;
  #undoThreshold = 0;
  // HyStart
  #roundEndId = 0;
  #roundStartUs = 0;
  #trainUs = 0;
  #roundLeastUs = Number.POSITIVE_INFINITY;
  #roundSamples = 0;

  handleArrival({ id, nextId, packets, isLimited, inFlight, smoothedRttUs, nowUs }: Arrival): void {
    const isSlowStart = this.window < this.#threshold;
    // RFC 9293 3.8.6, RFC 7661: what is not used does not grow (`tcp_is_cwnd_limited`).
    if (!isLimited && !(isSlowStart && this.window < 2 * inFlight)) return;
    if (!isSlowStart) {
      for (let packet = 0; packet < packets; packet += 1) this.#grow(smoothedRttUs, nowUs);
      return;
    }
    this.window += packets;
    if (id >= this.#roundEndId) {
      this.#roundEndId = nextId;
      this.#roundStartUs = nowUs;
      this.#trainUs = nowUs;
      this.#roundLeastUs = Number.POSITIVE_INFINITY;
      this.#roundSamples = 0;
    }
  }

  /** HyStart: a sample each (`bictcp_acked`), of the newest segment. */
  handleAcknowledgement({ rttUs, leastRttUs, nowUs }: Acknowledgement): void {
    if (this.window < hystartLeastWindow || this.window >= this.#threshold) return;
    if (nowUs - this.#trainUs <= trainGapUs) {
      this.#trainUs = nowUs;
      if (nowUs - this.#roundStartUs > leastRttUs / 2) this.#threshold = this.window;
    }
    this.#roundLeastUs = Math.min(this.#roundLeastUs, rttUs);
    this.#roundSamples += 1;
    if (this.#roundSamples <= hystartSamples) return;
    const slackUs = Math.max(4_000, Math.min(16_000, leastRttUs / 8));
    if (this.#roundLeastUs > leastRttUs + slackUs) this.#threshold = this.window;
  }

  handleLoss(): void {
    this.#undoWindow = this.window;
    this.#undoThreshold = this.#threshold;
    this.#epochUs = -1;
    this.#lastMost = this.window < this.#lastMost ? (this.window * (1 + cubicBeta)) / 2 : this.window;
    this.window = Math.max(2, this.window * cubicBeta);
    this.#threshold = this.window;
  }

  undo(): void {
    this.window = Math.max(this.window, this.#undoWindow);
    this.#threshold = Math.max(this.#threshold, this.#undoThreshold);
  }

  handleTimeout(): void {
    this.window = 2;
  }

  #grow(smoothedRttUs: number, nowUs: number): void {
    if (this.#epochUs < 0) {
      this.#epochUs = nowUs;
      this.#origin = Math.max(this.window, this.#lastMost);
      this.#waitS = Math.cbrt((this.#origin - this.window) / cubicC);
    }
    const seconds = (nowUs - this.#epochUs + smoothedRttUs) / 1e6;
    const target = this.#origin + cubicC * (seconds - this.#waitS) ** 3;
    // As in Reno when that is faster (RFC 9438 4.3).
    const reno = (3 * (1 - cubicBeta)) / (1 + cubicBeta) / this.window;
    this.window += Math.max(reno, Math.min(0.5, Math.max(0, target - this.window) / this.window));
  }
}
