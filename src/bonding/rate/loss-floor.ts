/**
 * Tells a queue that overflows from a link that loses: sending less ends the first and not the second. What remains of the loss
 * while less is sent is the floor, and is never a reason to send less.
 */
import { doubleZero, never } from '../../base/double.ts';

/** A burst falls into one report or two; an overflowing queue tells of itself in all of them. */
const leastLossyReports = 3;
const leastPackets = 40;
/** Enough to tell 2 % from nothing. */
const mostPackets = 200;
/** What only an overflow loses above the floor. */
const floodExcess = 0.1;
const mostFloor = 0.9;
const untriedFloor = 0.015;
/** What a trial found may have been off by this much. */
const triedSlack = 1.15;
/** A floor above this is tried again now and then: it might be an overflow that a hasty verdict took for chance. */
const doubtedFloor = 0.04;
const doubtUs = 5_000_000;

const trialGain = 0.96;
const leastTrialShare = 0.5;

/** The rate that a trial supposes: what arrived may have been little because little was sent. Bytes a microsecond. */
export function trialRate(arrivedRate: number, rate: number): number {
  return Math.max(arrivedRate, rate * leastTrialShare);
}

/** What to send during a trial: less than arrives. */
export function trialPace(arrivedRate: number, rate: number): number {
  return trialRate(arrivedRate, rate) * trialGain;
}

/** `begin`: send only what arrives, until the verdict. */
export type LossVerdict = 'none' | 'begin' | 'overflow' | 'chance';

export class LossFloor {
  #floor = doubleZero;
  #triedFloor = doubleZero;
  #lossBefore = doubleZero;
  #packets = doubleZero;
  #lost = doubleZero;
  #lossyReports = 0;
  #fromUs = doubleZero;
  /** When the trial began, until a report names something sent since; `never` = none is waited for. */
  #changedUs = never;
  #triedUs = doubleZero;
  #isTrying = false;

  /** Share of packets that is lost whatever the rate. */
  get loss(): number {
    return this.#floor;
  }

  /** Less is to be sent, to see what becomes of the loss. */
  get isTrying(): boolean {
    return this.#isTrying;
  }

  /**
   * `newestSentUs`: when the newest packet that the report names left, -1 = it names none. `effectUs`: time after which a report shows
   * the effect of a pace; `excess`: loss above the floor that is worth a trial.
   */
  handleReport(
    acked: number,
    lost: number,
    newestSentUs: number,
    nowUs: number,
    effectUs: number,
    excess: number,
  ): LossVerdict {
    // What was sent before the trial, or before its end, tells nothing.
    if (nowUs < this.#fromUs) return 'none';
    if (this.#changedUs >= 0) {
      // Nor does the first report of what was sent since: what is lost shows by what comes behind it.
      if (newestSentUs >= this.#changedUs) this.#changedUs = never;
      return 'none';
    }
    this.#packets += acked + lost;
    this.#lost += lost;
    if (lost > 0) this.#lossyReports += 1;
    if (this.#packets < leastPackets) return 'none';
    if (this.#isTrying) return this.#judge(nowUs, effectUs);
    const isExcess = this.#lossyReports >= leastLossyReports && this.#isMuch(excess);
    const isDoubted = this.#floor > doubtedFloor && nowUs - this.#triedUs > doubtUs;
    if (isExcess || isDoubted) {
      this.#isTrying = true;
      this.#lossBefore = this.#lost / this.#packets;
      this.#changedUs = nowUs;
      this.#restart(nowUs + effectUs);
      return 'begin';
    }
    // Reports far apart tell of an overflow in lumps, so that too few of them are lossy among so many packets: that is counted on.
    if (this.#packets >= mostPackets && nowUs >= this.#fromUs + effectUs && !this.#isMuch(floodExcess)) {
      // A little loss needs no trial; what probing itself may cost is bounded by the same limit.
      const loss = this.#lost / this.#packets;
      this.#floor += (Math.min(loss, Math.max(untriedFloor, this.#triedFloor * triedSlack)) - this.#floor) / 4;
      this.#restart(nowUs);
    }
    return 'none';
  }

  /** What was lost until `untilUs` said nothing: nor does a trial that it began. */
  forget(untilUs: number): void {
    this.#isTrying = false;
    this.#changedUs = never;
    this.#restart(untilUs);
  }

  /** More was lost than the floor, so much above it and chance explain. */
  #isMuch(excess: number): boolean {
    return this.#lost > this.#packets * (this.#floor + excess) + 2 + 3 * Math.sqrt(this.#packets * this.#floor);
  }

  #judge(nowUs: number, effectUs: number): LossVerdict {
    const loss = this.#lost / this.#packets;
    const isChance = loss > Math.min((this.#floor + this.#lossBefore) / 2, this.#lossBefore * 0.75);
    this.#isTrying = false;
    this.#triedUs = nowUs;
    this.#triedFloor = Math.min(mostFloor, isChance ? loss : Math.min(this.#floor, loss));
    this.#floor = this.#triedFloor;
    this.#restart(nowUs + effectUs);
    return isChance ? 'chance' : 'overflow';
  }

  #restart(fromUs: number): void {
    this.#packets = 0;
    this.#lost = 0;
    this.#lossyReports = 0;
    this.#fromUs = fromUs;
  }
}
