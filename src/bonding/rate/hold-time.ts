/**
 * How long a byte of a path counts as in flight when no queue holds it: longer than the round trip of the newest packets when others
 * take longer than those, or are lost and wait to be declared so (Little 1961).
 */
import { doubleZero } from '../../base/double.ts';
import type { PathGauge } from './path-gauge.ts';
import { WindowedMinimum } from './windowed-extreme.ts';

/** As the least round trip is remembered, and for the same reason. */
const windowUs = 10_000_000;
const leastLagUs = 20_000;
/** Less is no average. */
const leastBytes = 6_000;
/** Smoothed over so long, and over so many jitters more. */
const memoryUs = 100_000;
const memoryJitters = 40;

export class HoldTime {
  /** Microseconds; 0 = unknown. */
  leastUs = doubleZero;
  readonly #gauge: PathGauge;
  readonly #window = new WindowedMinimum(windowUs);
  #smoothedUs = doubleZero;

  constructor(gauge: PathGauge) {
    this.#gauge = gauge;
  }

  handleReport(inFlightBytes: number, nowUs: number): void {
    const { trip, intervalUs } = this.#gauge;
    const lagUs = Math.max(leastLagUs, this.#gauge.lagUs());
    const sent = this.#gauge.sentWithin(lagUs, nowUs);
    if (sent < leastBytes) return;
    const queueUs = Math.max(0, trip.queueUs - 2 * trip.uncertaintyUs);
    const holdUs = (inFlightBytes * lagUs) / sent - queueUs;
    const share = Math.min(1, intervalUs / (memoryUs + memoryJitters * trip.jitterUs));
    this.#smoothedUs += (holdUs - this.#smoothedUs) * (this.#smoothedUs === 0 ? 1 : share);
    this.#window.add(this.#smoothedUs, nowUs);
    this.leastUs = this.#window.least(nowUs);
  }
}
