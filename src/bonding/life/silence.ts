/**
 * What the silence of one path means. It proves nothing unless the peer could have spoken: reports must have come, by any path, that
 * were late enough to name what is missing. Where little is missing, or nobody speaks, quick probes decide.
 */
import { doubleZero } from '../../base/double.ts';

/** What is measured on the path, as `judge` reads it. Times in microseconds; 0 = unknown or none. Owned by the caller. */
export interface LifeSample {
  inFlightBytes: number;
  /** Of those, sent so lately (`newsWaitUs`, and a round trip) that no report need have named them. */
  freshBytes: number;
  /** When the oldest packet was sent that is neither acknowledged nor given up as lost. */
  oldestUnackedUs: number;
  /** When the last report of the peer came, by whatever path. */
  lastReportUs: number;
  reportIntervalUs: number;
  rttUs: number;
  jitterUs: number;
  loss: number;
  /** No traffic with this peer at all: idle paths may be probed less and less. */
  isPeerIdle: boolean;
  /** Another path by the same way stands by: it must be asked before the verdict, so that its answer is there by then. */
  hasStandby: boolean;
}

/** `missing`: what was sent was not acknowledged; `unanswered`: nor were the questions. */
export type SilenceVerdict = 'none' | 'missing' | 'unanswered';

/** Before the first answer. */
const firstRttUs = 200_000;
/** RFC 9002 6.2.1 takes four times the variation, too; the least covers scheduling on both machines. */
const jitterFactor = 4;
const leastMarginUs = 10_000;
const reportsWaited = 2;
/** So long after news was due a standby is asked: a probe more for a report that is merely late. */
const uneasyReports = 1.25;
/** So many packets in a row cannot be chance. Less asks a probe first. */
const certainPackets = 8;
const certainBytes = certainPackets * 1_400;
const questions = 2;
/** Probes of which is kept when they left: at 50 ms between two, longer than any round trip. */
const keptProbes = 32;
/** Of a new round trip in the smoothed one (RFC 6298), and of one that is quite another. */
const usualGain = 1 / 8;
const otherGain = 1 / 2;
const lateFactor = 2;
const lateUs = 200_000;

function marginUs(jitterUs: number): number {
  return Math.max(leastMarginUs, jitterFactor * jitterUs);
}

/** News of a packet is so much later than its round trip when all is well. */
export function newsWaitUs(jitterUs: number, reportIntervalUs: number): number {
  return marginUs(jitterUs) + reportsWaited * reportIntervalUs;
}

export class SilenceWatch {
  /** Something is overdue, and quick probes are out. */
  isQuestioned = false;
  /** Nothing is overdue for certain, but whoever could take over should be asked now. */
  isUneasy = false;
  /** When the first question left of which, and of what left since, nothing is known to have arrived; Infinity = there is none. */
  askedUs = Number.POSITIVE_INFINITY;
  /** The newest thing that is known to have arrived left then, or later; and that was known so long after it left. */
  provenUs = Number.NEGATIVE_INFINITY;
  provenTripUs = doubleZero;
  /** News is overdue of more than chance loses. */
  isOverdue = false;
  /** When silence becomes a verdict; Infinity = nothing is waited for. */
  wakeUs = Number.POSITIVE_INFINITY;
  lastProbeUs = Number.NEGATIVE_INFINITY;
  lastAnswerUs = Number.NEGATIVE_INFINITY;
  /** Probes sent since the last proof. */
  unanswered = 0;
  readonly #probedUs = new Float64Array(keptProbes).fill(Number.NEGATIVE_INFINITY);
  #probes = 0;
  #firstUnansweredUs = doubleZero;
  /** When the first packet left of which nothing was heard since the path was last proven; 0 = none is under way. */
  #unheardUs = doubleZero;
  /** Since then, because reports came that should have named them. */
  #givenUpPackets = doubleZero;
  /** Smoothed, of reports: there by this path, back by the nearest. */
  #rttUs = doubleZero;
  /** Smoothed, of probes: there and back by this path. */
  #probeRttUs = doubleZero;
  #marginUs = leastMarginUs;

  /** Of data or of probes, whichever is longer. */
  get roundTripUs(): number {
    return Math.max(this.#rtt(), this.#probeRttUs);
  }

  /** An answer that takes longer is missing. */
  get answerUs(): number {
    return this.roundTripUs + this.#marginUs;
  }

  handleProbeSent(nowUs: number): void {
    this.lastProbeUs = nowUs;
    this.#probedUs[this.#probes % keptProbes] = nowUs;
    this.#probes += 1;
    this.askedUs = Math.min(this.askedUs, nowUs);
    if (this.unanswered === 0) this.#firstUnansweredUs = nowUs;
    this.unanswered += 1;
  }

  /** When the first probe left that left then or later; Infinity = none has. */
  probedFromUs(us: number): number {
    let found = Number.POSITIVE_INFINITY;
    for (const leftUs of this.#probedUs) if (leftUs >= us && leftUs < found) found = leftUs;
    return found;
  }

  /** `rttUs`: there and back by this path. A way that has become much longer or shorter is believed sooner than one that varies. */
  handleRoundTrip(rttUs: number): void {
    const isOther = this.isLate(rttUs) || rttUs < this.#probeRttUs / 2;
    const gain = this.#probeRttUs === 0 ? 1 : isOther ? otherGain : usualGain;
    this.#probeRttUs += (rttUs - this.#probeRttUs) * gain;
  }

  /** No queue that is worth waiting in makes an answer so late. */
  isLate(rttUs: number): boolean {
    return rttUs > lateFactor * this.answerUs + lateUs;
  }

  /** Packets are taken for lost because reports came by any path that should have named them. */
  handleGivenUp(packets: number): void {
    this.#givenUpPackets += packets;
  }

  /** Something was acknowledged or answered that was sent on this path at `sentUs`; without that, a round trip ago. */
  handleProof(nowUs: number, sentUs = nowUs - this.#rtt()): void {
    if (sentUs > this.provenUs) {
      this.provenUs = sentUs;
      this.provenTripUs = nowUs - sentUs;
    }
    // News that was long on its way may be of what left before the question.
    if (sentUs >= this.askedUs) this.askedUs = Number.POSITIVE_INFINITY;
    this.lastAnswerUs = nowUs;
    this.unanswered = 0;
    this.restart();
  }

  /** What was waited for until now is not waited for any more. */
  restart(): void {
    this.isQuestioned = false;
    this.isUneasy = false;
    this.isOverdue = false;
    this.#unheardUs = 0;
    this.#givenUpPackets = 0;
  }

  measure(sample: LifeSample): void {
    this.#rttUs = sample.rttUs;
    this.#marginUs = marginUs(sample.jitterUs);
    this.wakeUs = Number.POSITIVE_INFINITY;
  }

  /** Data in flight: what was sent since the path was last proven should have been acknowledged by now. */
  judge(nowUs: number, sample: LifeSample): SilenceVerdict {
    this.isQuestioned = false;
    this.isUneasy = false;
    this.isOverdue = false;
    if (sample.inFlightBytes <= 0 || sample.oldestUnackedUs <= 0) {
      this.restart();
      return 'none';
    }
    this.#unheardUs ||= sample.oldestUnackedUs;
    // What is given up moves the oldest packet under way on with it, and the silence is as old as it was.
    const unheardUs = this.#givenUpPackets > 0 ? this.#unheardUs : sample.oldestUnackedUs;
    const fromUs = Math.max(unheardUs, this.provenUs);
    const dueUs = fromUs + this.#rtt() + this.#marginUs;
    const verdictUs = dueUs + reportsWaited * sample.reportIntervalUs;
    if (sample.hasStandby) this.#beUneasy(unheardUs, sample.reportIntervalUs, nowUs);
    if (nowUs < verdictUs) {
      // Reports came until now, and do not any more: asked at once, it has answered or not when the verdict is due.
      const silentUs = sample.lastReportUs + reportsWaited * sample.reportIntervalUs + this.#marginUs;
      if (sample.lastReportUs >= fromUs && nowUs >= silentUs) return this.#question(nowUs);
      this.wakeUs = sample.lastReportUs >= fromUs ? Math.min(verdictUs, silentUs) : verdictUs;
      return 'none';
    }
    const ageUs = nowUs - Math.max(sample.oldestUnackedUs, this.provenUs);
    // As if all had left evenly; after a pause, what came before it is little.
    const evenly = sample.inFlightBytes * ((ageUs - this.#rtt()) / ageUs);
    const overdueBytes = Math.min(evenly, sample.inFlightBytes - sample.freshBytes);
    this.isOverdue = this.#givenUpPackets >= certainPackets || overdueBytes >= certainBytes;
    return sample.lastReportUs >= dueUs && this.isOverdue ? 'missing' : this.#question(nowUs);
  }

  /** A stream is acknowledged with every report: one that brings no news is the first sign of a block. */
  #beUneasy(unheardUs: number, reportIntervalUs: number, nowUs: number): void {
    const newsUs = this.lastAnswerUs + uneasyReports * reportIntervalUs + this.#marginUs / 2;
    this.isUneasy = nowUs >= Math.max(newsUs, unheardUs + this.#rtt());
  }

  /** So many probes in a row were not answered. */
  areMissed(probes: number, nowUs: number): boolean {
    const { answerUs } = this;
    // Quick questions come faster than a far path answers.
    const isFirstOverdue = nowUs - this.#firstUnansweredUs >= answerUs;
    const isLastOverdue = nowUs - this.lastProbeUs >= answerUs;
    return (this.unanswered > probes && isFirstOverdue) || (this.unanswered === probes && isLastOverdue);
  }

  /** Little is overdue, or the peer says nothing (any more): a few quick probes decide. */
  #question(nowUs: number): SilenceVerdict {
    const { answerUs } = this;
    this.isQuestioned = true;
    this.wakeUs = Math.max(nowUs, this.lastProbeUs) + answerUs;
    const isOverdue = nowUs - this.lastProbeUs >= answerUs && this.lastProbeUs > this.lastAnswerUs;
    return this.unanswered >= questions && isOverdue ? 'unanswered' : 'none';
  }

  #rtt(): number {
    return this.#rttUs || this.#probeRttUs || firstRttUs;
  }
}
