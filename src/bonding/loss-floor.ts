/**
 * Tells a queue that overflows from a link that loses: sending less ends the first and not the second. What remains of the loss
 * while less is sent is the floor, and is never a reason to send less.
 */
import type { Delivery } from './delivery-history.ts';

/** A burst falls into one report or two; an overflowing queue tells of itself in all of them. */
const leastLossyReports = 3;
const leastPackets = 30;

/** `begin`: send only what arrives, until the verdict. */
export type LossVerdict = 'none' | 'begin' | 'overflow' | 'chance';

export class LossFloor {
  #loss = 0;
  #untilUs = -1;
  #quietUntilUs = 0;

  /** Share of packets that is lost whatever the rate. */
  get loss(): number {
    return this.#loss;
  }

  /** Less is to be sent, to see what becomes of the loss. */
  get isTrying(): boolean {
    return this.#untilUs >= 0;
  }

  /** `effectUs`: time after which a report shows the effect; `excess`: loss above the floor that is worth a trial. */
  handleDelivery(delivery: Delivery, nowUs: number, effectUs: number, excess: number): LossVerdict {
    const { packets, lostPackets, lossyReports } = delivery;
    const isExcess =
      packets >= leastPackets &&
      lossyReports >= leastLossyReports &&
      lostPackets > packets * (this.#loss + excess) + 2 + 3 * Math.sqrt(packets * this.#loss);
    if (this.#untilUs >= 0) return this.#judge(delivery, isExcess, nowUs, effectUs);
    if (packets >= leastPackets && lostPackets / packets < this.#loss)
      this.#loss += (lostPackets / packets - this.#loss) / 16;
    if (!isExcess || nowUs < this.#quietUntilUs) return 'none';
    this.#untilUs = nowUs + 1.5 * effectUs;
    return 'begin';
  }

  #judge(delivery: Delivery, isExcess: boolean, nowUs: number, effectUs: number): LossVerdict {
    if (nowUs < this.#untilUs) return 'none';
    this.#untilUs = -1;
    if (isExcess) {
      this.#loss = Math.min(0.9, delivery.lostPackets / delivery.packets);
      return 'chance';
    }
    this.#quietUntilUs = nowUs + effectUs;
    return 'overflow';
  }
}
