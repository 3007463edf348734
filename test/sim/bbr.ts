/**
 * BBR, version 1, as Linux has it (net/ipv4/tcp_bbr.c; draft-cardwell-iccrg-bbr-congestion-control-00): paces at the highest delivery rate of
 * ten round trips and keeps twice its product with the least round trip of ten seconds in flight. Losses do not slow it down.
 */
import { type Acknowledgement, type CongestionControl, firstWindow } from './congestion-control.ts';

/** 2 / ln 2: what doubles each round trip is kept up with. */
const highGain = 2.885;
const windowGain = 2;
const cycle = [1.25, 0.75, 1, 1, 1, 1, 1, 1] as const;
/** It begins at one of the even ones; Linux draws which. */
const firstPhase = 2;
const rateRounds = 10;
const fullGrowth = 1.25;
const fullRounds = 3;
const leastWindow = 4;
const tripWindowUs = 10_000_000;
const probeTripUs = 200_000;
/** What the pace stays below the rate, so that a queue is not kept. */
const paceShare = 0.99;
/** Three trains of a millisecond, two packets at least. */
const trains = 3;
const trainUs = 1_000;
const firstRttUs = 1_000;
/** Acknowledgements that come in bursts: looked at over so many rounds, and worth so much time at most. */
const burstRounds = 5;
const mostBurstUs = 100_000;

type State = 'startup' | 'drain' | 'probe-rate' | 'probe-trip';

export class Bbr implements CongestionControl {
  window = firstWindow;
  pacePerUs = (highGain * firstWindow) / firstRttUs;
  #state: State = 'startup';
  /** Highest rate of each of the last rounds, packets a microsecond. */
  readonly #rates: number[] = [];
  #roundEnd = 0;
  #isRoundStart = false;
  #fullRate = 0;
  #fullCount = 0;
  #isFull = false;
  #phase = 0;
  #phaseUs = 0;
  #tripUs = Number.POSITIVE_INFINITY;
  #tripSeenUs = 0;
  #probeUntilUs = -1;
  #hasProbeRound = false;
  /** The window before a recovery or a look at the least round trip; 0 = neither. */
  #windowBefore = 0;
  #isRecovering = false;
  #isConserving = false;
  #hasLost = false;
  // Bursts of acknowledgements
  readonly #bursts: number[] = [];
  #burstUs = 0;
  #burst = 0;

  handleArrival(): void {
    // All that counts here is what acknowledgements say.
  }

  handleAcknowledgement(acknowledgement: Acknowledgement): void {
    this.#noteRound(acknowledgement);
    this.#noteRate(acknowledgement);
    this.#noteBurst(acknowledgement);
    this.#turnPhase(acknowledgement);
    this.#noteFull(acknowledgement);
    this.#noteTrip(acknowledgement);
    const pace = this.#rate * this.#paceGain * paceShare;
    if (pace > 0 && (this.#isFull || pace > this.pacePerUs)) this.pacePerUs = pace;
    this.#setWindow(acknowledgement);
    this.#hasLost = false;
  }

  handleLoss(inFlight: number): void {
    this.#hasLost = true;
    if (this.#isRecovering) return;
    this.#saveWindow();
    this.#isRecovering = true;
    this.#isConserving = true;
    this.window = Math.max(inFlight + 1, leastWindow);
    // For a round.
    this.#roundEnd = Number.POSITIVE_INFINITY;
  }

  undo(): void {
    this.#endRecovery();
    this.#fullRate = 0;
    this.#fullCount = 0;
  }

  handleTimeout(): void {
    this.#saveWindow();
    this.#isRecovering = true;
    this.#isConserving = false;
    this.#fullRate = 0;
    this.window = 1;
  }

  get #rate(): number {
    return Math.max(0, ...this.#rates);
  }

  get #paceGain(): number {
    if (this.#state === 'startup') return highGain;
    if (this.#state === 'drain') return 1 / highGain;
    return this.#state === 'probe-trip' ? 1 : (cycle[this.#phase] as number);
  }

  /** Packets in flight that fill the path, times `gain`. */
  #product(gain: number): number {
    return Number.isFinite(this.#tripUs) ? this.#rate * this.#tripUs * gain : firstWindow;
  }

  #noteRound({ delivered, deliveredThen }: Acknowledgement): void {
    if (this.#roundEnd === Number.POSITIVE_INFINITY) this.#roundEnd = delivered;
    this.#isRoundStart = deliveredThen >= this.#roundEnd;
    if (!this.#isRoundStart) return;
    this.#roundEnd = delivered;
    this.#isConserving = false;
    this.#rates.push(0);
    this.#bursts.push(0);
    if (this.#rates.length > rateRounds) this.#rates.shift();
    if (this.#bursts.length > 2 * burstRounds) this.#bursts.shift();
  }

  #noteRate({ delivered, deliveredThen, intervalUs, isAppLimited, leastRttUs }: Acknowledgement): void {
    // A shorter time is a burst of acknowledgements.
    if (intervalUs < leastRttUs || intervalUs === 0) return;
    const rate = (delivered - deliveredThen) / intervalUs;
    if (isAppLimited && rate < this.#rate) return;
    if (this.#rates.length === 0) this.#rates.push(0);
    const last = this.#rates.length - 1;
    this.#rates[last] = Math.max(this.#rates[last] as number, rate);
  }

  #noteBurst({ packets, nowUs }: Acknowledgement): void {
    const expected = this.#rate * (nowUs - this.#burstUs);
    if (this.#burst <= expected) {
      this.#burst = 0;
      this.#burstUs = nowUs;
    }
    this.#burst += packets;
    const extra = Math.min(this.#burst - this.#rate * (nowUs - this.#burstUs), this.window);
    if (this.#bursts.length === 0) this.#bursts.push(0);
    const last = this.#bursts.length - 1;
    this.#bursts[last] = Math.max(this.#bursts[last] as number, extra);
  }

  #turnPhase({ nowUs, inFlight, packets }: Acknowledgement): void {
    if (this.#state !== 'probe-rate') return;
    const isLong = nowUs - this.#phaseUs > this.#tripUs;
    const before = inFlight + packets;
    const gain = cycle[this.#phase] as number;
    const isDone =
      gain > 1
        ? isLong && (this.#hasLost || before >= this.#product(gain))
        : isLong || (gain < 1 && before <= this.#product(1));
    if (isDone) this.#enterPhase((this.#phase + 1) % cycle.length, nowUs);
  }

  #enterPhase(phase: number, nowUs: number): void {
    this.#state = 'probe-rate';
    this.#phase = phase;
    this.#phaseUs = nowUs;
  }

  #noteFull({ isAppLimited, inFlight, nowUs }: Acknowledgement): void {
    if (!this.#isFull && this.#isRoundStart && !isAppLimited) {
      if (this.#rate >= this.#fullRate * fullGrowth) {
        this.#fullRate = this.#rate;
        this.#fullCount = 0;
      } else {
        this.#fullCount += 1;
        this.#isFull = this.#fullCount >= fullRounds;
      }
    }
    if (this.#state === 'startup' && this.#isFull) this.#state = 'drain';
    if (this.#state === 'drain' && inFlight <= this.#product(1)) this.#enterPhase(firstPhase, nowUs);
  }

  /** The least round trip is seen when next to nothing is in flight, which is looked at every ten seconds. */
  #noteTrip({ rttUs, nowUs, inFlight }: Acknowledgement): void {
    const isOld = nowUs > this.#tripSeenUs + tripWindowUs;
    if (rttUs <= this.#tripUs || isOld) {
      this.#tripUs = rttUs;
      this.#tripSeenUs = nowUs;
    }
    if (isOld && this.#state !== 'probe-trip') {
      this.#saveWindow();
      this.#state = 'probe-trip';
      this.#probeUntilUs = -1;
    }
    if (this.#state !== 'probe-trip') return;
    if (this.#probeUntilUs < 0) {
      if (inFlight > leastWindow) return;
      this.#probeUntilUs = nowUs + probeTripUs;
      this.#hasProbeRound = false;
      return;
    }
    this.#hasProbeRound ||= this.#isRoundStart;
    if (!this.#hasProbeRound || nowUs < this.#probeUntilUs) return;
    this.#tripSeenUs = nowUs;
    this.#restoreWindow();
    if (this.#isFull) this.#enterPhase(firstPhase, nowUs);
    else this.#state = 'startup';
  }

  #setWindow({ packets, delivered, inFlight, isRecovering }: Acknowledgement): void {
    if (this.#isRecovering && !isRecovering) this.#endRecovery();
    const gain = this.#state === 'startup' || this.#state === 'drain' ? highGain : windowGain;
    const most = this.#rate * mostBurstUs;
    const target =
      this.#product(gain) +
      trains * Math.max(2, this.pacePerUs * trainUs) +
      (this.#isFull ? Math.min(most, Math.max(0, ...this.#bursts)) : 0);
    if (this.#isConserving) this.window = Math.max(this.window, inFlight + packets);
    else if (this.#isFull) this.window = Math.min(this.window + packets, target);
    else if (this.window < target || delivered < firstWindow) this.window += packets;
    this.window = Math.max(this.window, leastWindow);
    if (this.#state === 'probe-trip') this.window = Math.min(this.window, leastWindow);
  }

  #saveWindow(): void {
    const isCut = this.#isRecovering || this.#state === 'probe-trip';
    this.#windowBefore = isCut ? Math.max(this.#windowBefore, this.window) : this.window;
  }

  #restoreWindow(): void {
    this.window = Math.max(this.window, this.#windowBefore);
  }

  #endRecovery(): void {
    if (!this.#isRecovering) return;
    this.#isRecovering = false;
    this.#isConserving = false;
    this.#restoreWindow();
  }
}
