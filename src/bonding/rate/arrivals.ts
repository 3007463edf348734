/** What reports say has arrived by one path: totals modulo 2^32 and the receiver's clock, turned into differences. */
import { doubleZero } from '../../base/double.ts';
import { feedback } from '../../contract/columns.ts';

/** Two arrivals of one batch of the receiver's driver are no measure of a rate. */
const leastDeliveryUs = 1_000;

export class Arrivals {
  #isKnown = false;
  #bytes = doubleZero;
  #arrivalUs = doubleZero;
  /** Of the last `read`: bytes that are new, and the receiver's time they took; 0 = no measure. */
  deliveredBytes = 0;
  deliveryUs = 0;
  /** The report named a packet that is newer than those before. */
  isNewer = false;

  /** Takes in the section in row `at`; false when a newer report was read already. */
  read(cells: Float64Array, at: number): boolean {
    const bytes = cells[at + feedback.bytes] as number;
    const arrivalUs = cells[at + feedback.arrivalUs] as number;
    const isFirst = !this.#isKnown;
    const elapsedUs = isFirst ? 0 : (arrivalUs - this.#arrivalUs) >>> 0;
    this.deliveredBytes = 0;
    this.deliveryUs = 0;
    if (elapsedUs > 0x7fffffff) return false;
    this.isNewer = isFirst || elapsedUs > 0;
    // The next report covers these arrivals too.
    if (this.isNewer && !isFirst && elapsedUs < leastDeliveryUs) return true;
    if (this.isNewer && !isFirst) {
      this.deliveredBytes = (bytes - this.#bytes) >>> 0;
      this.deliveryUs = elapsedUs;
    }
    this.#isKnown = true;
    this.#bytes = bytes;
    this.#arrivalUs = arrivalUs;
    return true;
  }

  /** What arrives after an idle time says nothing about the rate together with what arrived before it. */
  forget(): void {
    this.#isKnown = false;
  }
}
