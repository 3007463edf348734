/**
 * Round trips that vary only with the way there. An acknowledgement comes back by whatever path is nearest, so a plain round trip
 * moves when the way back does; the difference between the receiver's clock at the arrival and ours at the sending does not
 * (RFC 6817, LEDBAT). The two clocks have an unknown offset, which the shortest ways back fix, and drift apart, which is followed.
 */
import { doubleZero, never } from '../../base/double.ts';

/** Clocks of ordinary machines drift by less than 100 ppm; NTP slews by up to 500. */
const mostDriftUsPerUs = 500e-6;
/** A clock that was set, or a peer that was restarted. */
const jumpUs = 2_000_000;
/**
 * A way back that was shorter than any before is nearer to the truth: the first sample may have met a stall, and a path that
 * seems long is not used, so nothing else would correct it. Not all at once, for one sample may be wrong.
 */
const shorterShare = 1 / 4;
const wrap = 2 ** 32;

export class OneWayDelay {
  #offsetUs = doubleZero;
  #lastDelayUs = doubleZero;
  #anchoredUs = never;

  /**
   * The round trip as it would be if the way back had not changed. `rttUs`: what was measured; `delayUs`: arrival by the peer's
   * clock less sending by ours, modulo 2^32, any offset.
   */
  roundTripUs(rttUs: number, delayUs: number, nowUs: number): number {
    // Modulo 2^32, relative to the last one.
    const stepUs = ((((delayUs - this.#lastDelayUs) % wrap) + wrap + wrap / 2) % wrap) - wrap / 2;
    if (this.#anchoredUs < 0 || Math.abs(stepUs) > jumpUs) {
      this.#lastDelayUs = delayUs;
      this.#offsetUs = rttUs - delayUs;
      this.#anchoredUs = nowUs;
      return rttUs;
    }
    this.#lastDelayUs += stepUs;
    const estimateUs = this.#lastDelayUs + this.#offsetUs;
    const mostUs = (nowUs - this.#anchoredUs) * mostDriftUsPerUs;
    const errorUs = rttUs - estimateUs;
    this.#offsetUs +=
      errorUs < 0 ? Math.min(-Math.min(mostUs, -errorUs), errorUs * shorterShare) : Math.min(mostUs, errorUs);
    this.#anchoredUs = nowUs;
    return Math.max(1, this.#lastDelayUs + this.#offsetUs);
  }
}
