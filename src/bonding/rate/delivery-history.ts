/** What was sent and what arrived over the last reports of one path, so that both can be compared over the same packets. */
import { doubleZero } from '../../base/double.ts';

/** Reports are 3 ms apart at the closest: more than a second of them. */
const capacity = 512;

export interface Delivery {
  /** Bytes a microsecond by the receiver's clock; 0 = unknown. */
  rate: number;
  /** Bytes a microsecond at which the same packets were sent; 0 = unknown. */
  sentRate: number;
  isAppLimited: boolean;
  /** Time the window covers. */
  spanUs: number;
}

export class DeliveryHistory {
  readonly #atUs = new Float64Array(capacity);
  readonly #sent = new Float64Array(capacity);
  readonly #arrived = new Float64Array(capacity);
  readonly #arrivalUs = new Float64Array(capacity);
  readonly #limited = new Uint8Array(capacity);
  #count = 0;
  /** Filled by `measure`, one object for ever. */
  readonly delivery: Delivery = {
    rate: doubleZero,
    sentRate: doubleZero,
    isAppLimited: true,
    spanUs: doubleZero,
  };

  /** `sentBytes`: running total of the path. */
  add(nowUs: number, sentBytes: number, arrivedBytes: number, arrivalUs: number, isAppLimited: boolean): void {
    const last = this.#index(0);
    const index = this.#count % capacity;
    this.#atUs[index] = nowUs;
    this.#sent[index] = sentBytes;
    const first = this.#count === 0;
    this.#arrived[index] = (first ? 0 : (this.#arrived[last] ?? 0)) + arrivedBytes;
    this.#arrivalUs[index] = (first ? 0 : (this.#arrivalUs[last] ?? 0)) + arrivalUs;
    this.#limited[index] = isAppLimited ? 1 : 0;
    this.#count += 1;
  }

  /** Forgets all but that time goes on: after an idle time nothing of before may be compared. */
  clear(): void {
    this.#count = 0;
  }

  /** Fills `delivery` from the newest reports that cover `windowUs`; the packets of a report left `lagUs` before it came. */
  measure(windowUs: number, lagUs: number): Delivery {
    const held = Math.min(this.#count, capacity);
    const newest = this.#index(0);
    const arrivalEnd = this.#arrivalUs[newest] ?? 0;
    let age = 0;
    let isAppLimited = false;
    while (age + 1 < held && arrivalEnd - (this.#arrivalUs[this.#index(age)] ?? 0) < windowUs) {
      isAppLimited ||= this.#limited[this.#index(age)] === 1;
      age += 1;
    }
    const oldest = this.#index(age);
    const spanUs = arrivalEnd - (this.#arrivalUs[oldest] ?? 0);
    const result = this.delivery;
    result.spanUs = spanUs;
    result.isAppLimited = isAppLimited;
    result.rate = spanUs > 0 ? ((this.#arrived[newest] ?? 0) - (this.#arrived[oldest] ?? 0)) / spanUs : 0;
    const fromUs = (this.#atUs[oldest] ?? 0) - lagUs;
    const untilUs = (this.#atUs[newest] ?? 0) - lagUs;
    const sentFrom = this.#sentAt(fromUs, age, held);
    const sentUntil = this.#sentAt(untilUs, 0, held);
    result.sentRate = sentFrom >= 0 && untilUs > fromUs ? (sentUntil - sentFrom) / (untilUs - fromUs) : 0;
    return result;
  }

  /** Running total of what was sent at `us`; that of the oldest report held when `us` is before it. */
  sentAt(us: number): number {
    const held = Math.min(this.#count, capacity);
    const sent = this.#sentAt(us, 0, held);
    return sent >= 0 ? sent : (this.#sent[this.#index(held - 1)] ?? 0);
  }

  /** Running total of what was sent at `us`, between two reports by proportion; -1 when it is before the oldest one held. */
  #sentAt(us: number, fromAge: number, held: number): number {
    for (let age = fromAge; age + 1 < held; age += 1) {
      const older = this.#index(age + 1);
      const olderUs = this.#atUs[older] ?? 0;
      if (olderUs > us) continue;
      const newer = this.#index(age);
      const newerUs = this.#atUs[newer] ?? 0;
      const olderSent = this.#sent[older] ?? 0;
      if (us >= newerUs) return this.#sent[newer] ?? 0;
      return olderSent + (((this.#sent[newer] ?? 0) - olderSent) * (us - olderUs)) / (newerUs - olderUs);
    }
    return -1;
  }

  /** Index of the report that came `age` reports before the newest. */
  #index(age: number): number {
    return (this.#count - 1 - age + capacity) % capacity;
  }
}
