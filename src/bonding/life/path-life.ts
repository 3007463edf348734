/**
 * The life of one path: whether it may carry data, and why. Local to the path; time and measurements are arguments.
 *
 * | state      | carries | leaves it when                                                                    | for        |
 * |------------|---------|-----------------------------------------------------------------------------------|------------|
 * | unproven   | no      | a probe is answered                                                               | live       |
 * | live       | yes     | nothing acknowledged in time though the peer reported, or 3 probes unanswered     | suspect    |
 * |            |         | much is overdue, and another path of its way answered what it did not             | suspect    |
 * | suspect    | *       | a probe is answered, or something sent on it is acknowledged                      | live       |
 * |            |         | the same, but it was suspected too often lately; the last life was long / short   | recovering / flapping |
 * |            |         | probes stay unanswered for `confirmUs`                                            | dead       |
 * | dead       | no      | a probe is answered; the last life was long / short                               | recovering / flapping |
 * | recovering | *       | it went on answering for the failback time                                        | live       |
 * |            |         | 3 probes unanswered                                                               | dead       |
 * | flapping   | *       | as recovering, with the hold-down of `flap-damping.ts` in place of the failback time |         |
 * | withdrawn  | no      | the kernel, or the user, gives the link back: unproven if it never lived, else    | dead       |
 * | any        |         | the kernel says that link, address or route is gone; the user disables it: at once | withdrawn |
 *
 * (*) as the last resort, when no path of the peer is live (`rank`). One rule for all modes: what recovers waits for the failback
 * time in adaptive mode too, for a path that dies again holds up every flow that was spread over it.
 *
 * An answer proves the *forward* direction by whatever path it came: a reverse blackhole is the peer's to find, on its own
 * forward path. What silence means is `silence.ts`'s to say.
 */
import { doubleZero } from '../../base/double.ts';
import { FlapDamping } from './flap-damping.ts';
import { lifeReason, lifeState } from './path-life-states.ts';
import { PathQuality, type QualityLimits } from './path-quality.ts';
import { type LifeSample, SilenceWatch } from './silence.ts';

export interface PathLifeSettings {
  /** Interval of probes while nothing else proves the path, microseconds. */
  readonly probeIntervalUs: number;
  /** So many in a row unanswered, and it is suspect. */
  readonly probesMissed: number;
  /** Stability before a path that was dead carries data again. */
  readonly failbackUs: number;
  readonly limits?: QualityLimits;
}

/** Dead after 200 ms × 3 without an answer, back after 5 s of stability; the documented defaults. */
export const pathLifeDefaults: PathLifeSettings = { probeIntervalUs: 200_000, probesMissed: 3, failbackUs: 5_000_000 };

/** Bounds of the adaptive probe interval: an idle path costs a packet in 2 s, a doubtful one ten a second. */
const leastProbeUs = 100_000;
const mostProbeUs = 2_000_000;
/** While data is acknowledged. */
const busyProbeUs = 1_000_000;
const suspectProbeUs = 50_000;
const questionProbeUs = 20_000;
/** What stands by is asked when it may be needed; until then only so that whoever is on the way does not forget it. */
const standbyProbeUs = 2_000_000;
/** A dead path is probed as often as an idle one for this long, then less and less. */
const freshlyDeadUs = 60_000_000;
const longDeadProbeUs = 1_000_000;
/**
 * A stalled radio link (LTE HARQ: 400 to 800 ms) is suspect and carries nothing meanwhile, so there is no haste to call it dead,
 * which costs it the failback time.
 */
const confirmUs = 600_000;
/** Suspected so often, with one forgiven every so many microseconds, it must prove itself as if it had died. */
const mostDoubts = 4;
const forgiveUs = 10_000_000;

export class PathLife {
  readonly #settings: PathLifeSettings;
  readonly #damping: FlapDamping;
  readonly #quality: PathQuality;
  readonly #silence = new SilenceWatch();
  #state: number = lifeState.unproven;
  #reason: number = lifeReason.new;
  #changedUs = doubleZero;
  #deaths = 0;
  #idleIntervalUs: number;
  #doubts = doubleZero;
  #doubtedUs = doubleZero;
  #isPeerIdle = false;
  #jitterUs = doubleZero;
  #isForced = false;
  #isStandby = false;
  /** Another path by the same way could take over. */
  #hasStandby = false;
  /** It must answer something that left then or later. */
  #askedUs = Number.NEGATIVE_INFINITY;
  #wakeUs = doubleZero;

  constructor(nowUs: number, settings: PathLifeSettings = pathLifeDefaults) {
    this.#settings = settings;
    this.#damping = new FlapDamping(settings.failbackUs);
    this.#quality = new PathQuality(settings.failbackUs, settings.limits);
    this.#idleIntervalUs = settings.probeIntervalUs;
    this.#changedUs = nowUs;
  }

  get state(): number {
    return this.#state;
  }

  /** Why it is in this state; `lifeReasonTexts` has the words. */
  get reason(): number {
    return this.#reason;
  }

  get deaths(): number {
    return this.#deaths;
  }

  /**
   * The lower the better; data goes to the paths of the lowest rank the peer has, and to none of rank 4: 0 forced by hand,
   * 1 live, 2 live but bad (`path-quality.ts`), 3 last resort, 3.5 the last resort of which nothing is heard, 4 none.
   */
  get rank(): number {
    const state = this.#state;
    const isResort = state === lifeState.suspect || state === lifeState.recovering || state === lifeState.flapping;
    if (state !== lifeState.live && !isResort) return 4;
    if (this.#isForced) return 0;
    // One that answers while it waits for its stability comes before one that does not answer.
    if (isResort) return state === lifeState.suspect ? 3.5 : 3;
    return this.#quality.isBad ? 2 : 1;
  }

  /** What makes it bad, of `pathHold`; `none` = nothing does. */
  get badness(): number {
    return this.#quality.cause;
  }

  get isUsable(): boolean {
    return this.rank <= 1;
  }

  /** Something is overdue, and quick probes are out. */
  get isQuestioned(): boolean {
    return this.#silence.isQuestioned;
  }

  /** It may be blocked: nobody knows yet whether what leaves by it arrives. */
  get isDoubtful(): boolean {
    return this.#state === lifeState.suspect || this.#silence.isQuestioned || this.#silence.isUneasy;
  }

  /** When it was first asked since anything left that is known to have arrived; Infinity = it was not. */
  get askedUs(): number {
    return this.#silence.askedUs;
  }

  /** When anything sent by it was last known to have arrived; -Infinity = never. */
  get answeredUs(): number {
    return this.#silence.lastAnswerUs;
  }

  /** It lives, and has answered what it was asked since there was reason to ask (`doubt`). */
  get isTrusted(): boolean {
    return this.#state === lifeState.live && this.#isProvenFrom(this.#askedUs);
  }

  /** The newest thing that is known to have arrived left then, or later. */
  get provenUs(): number {
    return this.#silence.provenUs;
  }

  /** That was known so long after it left. */
  get provenTripUs(): number {
    return this.#silence.provenTripUs;
  }

  /** News is overdue of more than chance loses, though nobody may be there to bring any. */
  get isOverdue(): boolean {
    return this.#state === lifeState.live && this.#silence.isOverdue;
  }

  /** When the first probe left that left then or later; Infinity = none has. */
  probedFromUs(us: number): number {
    return this.#silence.probedFromUs(us);
  }

  /** Something that left then or later has arrived. */
  #isProvenFrom(us: number): boolean {
    return this.#silence.provenUs >= us;
  }

  /** From now on nothing counts but what it answers of what leaves from `sinceUs` on; it is asked at once. */
  doubt(sinceUs: number): void {
    if (sinceUs > this.#askedUs && !this.#isProvenFrom(sinceUs)) this.#askedUs = sinceUs;
  }

  /** When the next probe is due; Infinity = none. */
  get nextProbeAtUs(): number {
    if (this.#state === lifeState.withdrawn) return Number.POSITIVE_INFINITY;
    if (this.#silence.lastProbeUs < this.#changedUs && this.#state !== lifeState.live) return this.#changedUs;
    if (this.#state === lifeState.live && !this.isTrusted) {
      const { lastProbeUs } = this.#silence;
      return lastProbeUs < this.#askedUs ? this.#askedUs : lastProbeUs + suspectProbeUs;
    }
    if (this.#silence.isQuestioned || this.#silence.isUneasy)
      return this.#silence.lastProbeUs + Math.min(questionProbeUs, this.#settings.probeIntervalUs);
    const dueUs = Math.max(this.#silence.lastProbeUs, this.#silence.lastAnswerUs) + this.#intervalUs();
    // Acknowledgements prove it as well, but only a probe measures the way back by this path.
    return this.#state === lifeState.live && !this.#isPeerIdle
      ? Math.min(dueUs, this.#silence.lastProbeUs + busyProbeUs)
      : dueUs;
  }

  /** When `tick` must be called at the latest: a probe is due, silence becomes a verdict, or a hold-down ends. */
  get nextWakeUs(): number {
    return Math.min(this.nextProbeAtUs, this.#wakeUs);
  }

  /** The same of a path that is not probed. */
  get verdictAtUs(): number {
    return this.#wakeUs;
  }

  /** Something sent on it, or a question, was answered after `us`. */
  isProvenSince(us: number): boolean {
    return this.#silence.lastAnswerUs >= us;
  }

  /** Something sent on this path (at `sentUs`, left out = a round trip ago), and on no other, was acknowledged. */
  handleProgress(nowUs: number, sentUs?: number): void {
    if (this.#state === lifeState.withdrawn) return;
    // Where nobody could take over a doubt is worth less than the path: what a report names on a way that sways is of any age.
    this.#silence.handleProof(nowUs, this.#hasStandby ? sentUs : undefined);
    this.#handleLife(nowUs, lifeReason.progressed);
  }

  /** Packets are taken for lost because reports came by any path that should have named them. */
  handleGivenUp(packets: number): void {
    this.#silence.handleGivenUp(packets);
  }

  handleProbeSent(nowUs: number): void {
    this.#silence.handleProbeSent(nowUs);
  }

  /**
   * A probe sent on this path at `sentUs` was answered after `rttUs`. `cameBySamePath` false: by another one, which proves this path's
   * forward direction as well; only the round trip is of both and should not be used.
   */
  handleProbeReply(nowUs: number, rttUs: number, cameBySamePath: boolean, sentUs = nowUs - rttUs): void {
    if (this.#state === lifeState.withdrawn) return;
    const isLate = this.#silence.isLate(rttUs);
    this.#silence.handleProof(nowUs, sentUs);
    if (isLate && this.#state === lifeState.suspect && nowUs - this.#changedUs < confirmUs) {
      // After a stall, which ends; or after a change of the way, which stays. What is sent on it now would be late, too.
      return;
    }
    if (cameBySamePath) this.#silence.handleRoundTrip(rttUs);
    if (!isLate || this.#state !== lifeState.suspect) this.#handleLife(nowUs, lifeReason.answered);
    else this.#leaveForNow(nowUs, lifeReason.answeredLate);
  }

  /** Data goes out on it now: an idle path is watched closely again. */
  handleSent(nowUs: number): void {
    if (this.#idleIntervalUs <= this.#settings.probeIntervalUs) return;
    this.#idleIntervalUs = this.#settings.probeIntervalUs;
    this.#wakeUs = nowUs;
  }

  /** Another path by the same way carries what it could. */
  handleStandby(isStandby: boolean): void {
    this.#isStandby = isStandby;
  }

  /** What left by another path of its way together with a question to this one was answered, and the question was not. */
  handleOutlived(nowUs: number): void {
    if (this.#state === lifeState.live) this.#suspect(nowUs, lifeReason.probesUnanswered);
  }

  /** Link, address or route is gone (netlink): at once. */
  handleKernelDown(nowUs: number): void {
    this.#enter(lifeState.withdrawn, lifeReason.kernelDown, nowUs);
  }

  handleKernelUp(nowUs: number): void {
    if (this.#state === lifeState.withdrawn) this.#giveBack(nowUs, lifeReason.kernelUp);
  }

  /** By hand: it comes before all others as long as it is not dead, and its hold-down is over. */
  handlePreferred(isPreferred: boolean): void {
    this.#isForced = isPreferred;
  }

  /** Judges the silence. Call it when `nextWakeUs` is due, and after each report. */
  tick(nowUs: number, sample: LifeSample): void {
    this.#silence.measure(sample);
    this.#isPeerIdle = sample.isPeerIdle;
    this.#hasStandby = sample.hasStandby;
    this.#jitterUs = sample.jitterUs;
    // What was lost while it died says nothing about how good it is when it lives.
    if (this.#state === lifeState.live) this.#quality.update(nowUs, sample.rttUs, sample.jitterUs, sample.loss);
    this.#wakeUs = Number.POSITIVE_INFINITY;
    switch (this.#state) {
      case lifeState.live:
        this.#watchData(nowUs, sample);
        if (this.#areProbesMissed(nowUs)) this.#suspect(nowUs, lifeReason.probesUnanswered);
        break;
      case lifeState.suspect:
        this.#wakeUs = this.#changedUs + Math.max(confirmUs, this.#silence.answerUs);
        if (nowUs >= this.#wakeUs && this.#silence.unanswered >= this.#settings.probesMissed)
          this.#die(nowUs, lifeReason.probesUnanswered);
        break;
      case lifeState.recovering:
      case lifeState.flapping:
        this.#watchStability(nowUs);
        break;
      default:
    }
  }

  #watchStability(nowUs: number): void {
    this.#wakeUs = this.#changedUs + this.#damping.holdUs;
    if (this.#areProbesMissed(nowUs)) this.#enter(lifeState.dead, lifeReason.brokeAgain, nowUs);
    else if (nowUs >= this.#wakeUs || this.#isForced) this.#enter(lifeState.live, lifeReason.stable, nowUs);
  }

  #watchData(nowUs: number, sample: LifeSample): void {
    const verdict = this.#silence.judge(nowUs, sample);
    this.#wakeUs = Math.min(this.#wakeUs, this.#silence.wakeUs);
    if (verdict === 'none') return;
    const reason = verdict === 'missing' ? lifeReason.noProgress : lifeReason.probesUnanswered;
    this.#suspect(nowUs, reason);
  }

  #areProbesMissed(nowUs: number): boolean {
    return this.#silence.areMissed(this.#settings.probesMissed, nowUs);
  }

  #intervalUs(): number {
    const { probeIntervalUs } = this.#settings;
    switch (this.#state) {
      case lifeState.suspect:
        return Math.min(suspectProbeUs, probeIntervalUs);
      case lifeState.unproven:
      case lifeState.dead:
        return this.#silence.lastProbeUs - this.#changedUs < freshlyDeadUs
          ? probeIntervalUs
          : Math.max(longDeadProbeUs, probeIntervalUs);
      case lifeState.live:
        if (this.#silence.unanswered > 0 || this.#quality.value > 0) return Math.max(leastProbeUs, probeIntervalUs / 2);
        if (this.#isStandby) return standbyProbeUs;
        return this.#isPeerIdle ? this.#idleIntervalUs : probeIntervalUs;
      default:
        return probeIntervalUs;
    }
  }

  #handleLife(nowUs: number, reason: number): void {
    if (reason === lifeReason.answered && this.#isPeerIdle)
      this.#idleIntervalUs = Math.min(mostProbeUs, this.#idleIntervalUs * 1.5);
    if (this.#state === lifeState.unproven) this.#enter(lifeState.live, lifeReason.proven, nowUs);
    else if (this.#state === lifeState.suspect) {
      if (this.#doubts >= mostDoubts) this.#leaveForNow(nowUs, lifeReason.suspectedOften);
      else this.#enter(lifeState.live, reason, nowUs);
    } else if (this.#state === lifeState.dead) {
      if (this.#damping.isDamped) this.#enter(lifeState.flapping, lifeReason.shortLives, nowUs);
      else this.#enter(lifeState.recovering, reason, nowUs);
    }
  }

  /** It lives and must prove itself all the same; for longer each time that it comes to this soon after its return. */
  #leaveForNow(nowUs: number, reason: number): void {
    this.#damping.handleDeath(nowUs);
    // They are what it leaves for: after its return one alone is no more than one.
    this.#doubts = doubleZero;
    this.#enter(this.#damping.isDamped ? lifeState.flapping : lifeState.recovering, reason, nowUs);
  }

  #suspect(nowUs: number, reason: number): void {
    this.#doubts = Math.max(0, this.#doubts - (nowUs - this.#doubtedUs) / forgiveUs) + 1;
    this.#doubtedUs = nowUs;
    this.#enter(lifeState.suspect, reason, nowUs);
    this.#silence.unanswered = 0;
  }

  #die(nowUs: number, reason: number): void {
    this.#deaths += 1;
    this.#damping.handleDeath(nowUs);
    this.#enter(lifeState.dead, reason, nowUs);
  }

  #giveBack(nowUs: number, reason: number): void {
    this.#enter(this.#silence.lastAnswerUs > 0 ? lifeState.dead : lifeState.unproven, reason, nowUs);
  }

  #enter(state: number, reason: number, nowUs: number): void {
    if (this.#state === state) return;
    const isHeldDown = this.#state === lifeState.recovering || this.#state === lifeState.flapping;
    if (state === lifeState.live && isHeldDown) {
      this.#damping.handleReturn(nowUs);
      this.#quality.reset(nowUs, this.#silence.roundTripUs, this.#jitterUs);
    }
    if (this.#state === lifeState.live && state === lifeState.withdrawn) this.#damping.handleDeath(nowUs);
    this.#state = state;
    this.#reason = reason;
    this.#changedUs = nowUs;
    this.#silence.restart();
    this.#wakeUs = nowUs;
    if (state !== lifeState.live) this.#silence.unanswered = 0;
  }
}
